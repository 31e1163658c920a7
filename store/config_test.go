package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestKeySource_samePlace(t *testing.T) {
	one := KeySource{Source: SourceCommand, Recipient: "age1x", Command: []string{"/bin/a", "b"}}
	for what, other := range map[string]KeySource{
		"source":    {Source: SourceFile, Recipient: "age1x", Command: []string{"/bin/a", "b"}},
		"recipient": {Source: SourceCommand, Recipient: "age1y", Command: []string{"/bin/a", "b"}},
		"command":   {Source: SourceCommand, Recipient: "age1x", Command: []string{"/bin/a"}},
		"all":       {Source: SourceFile},
	} {
		if one.Equal(other) || other.Equal(one) {
			t.Errorf("with another %s they are still equal", what)
		}
	}
	if !one.Equal(KeySource{Source: SourceCommand, Recipient: "age1x", Command: []string{"/bin/a", "b"}}) {
		t.Error("equal sources are not")
	}
	for source, want := range map[string]bool{
		SourceFile: false, SourceSlots: false, SourceKeyring: false, SourceCommand: true, SourceEnvironment: true,
	} {
		if got := (KeySource{Source: source}).elsewhere(); got != want {
			t.Errorf("%s: only the user can put a key there: %t", source, got)
		}
	}
	for source, want := range map[string]bool{
		SourceFile: true, SourceSlots: false, SourceKeyring: false, SourceCommand: false, SourceEnvironment: true,
	} {
		if got := (KeySource{Source: source}).inFile(); got != want {
			t.Errorf("%s: the key is in a file: %t, want %t", source, got, want)
		}
	}
	slots := func(recipient string) KeySource { return KeySource{Source: SourceSlots, Recipient: recipient} }
	for _, test := range []struct {
		one, other Pin
		want       bool
	}{
		{Pin{Key: slots("a"), KID: "k"}, Pin{Key: slots("b"), KID: "k"}, true},
		{Pin{Key: slots("a"), KID: "k"}, Pin{Key: slots("a"), KID: "l"}, false},
		{Pin{Key: slots("a"), KID: "k"}, Pin{Key: KeySource{Source: SourceFile}, KID: "k"}, false},
		{Pin{Key: KeySource{Source: SourceFile}, KID: "k"}, Pin{Key: KeySource{Source: SourceFile}, KID: "k"}, true},
		{Pin{Key: KeySource{Source: SourceFile}, KID: "k"}, Pin{Key: slots("a"), KID: "k"}, false},
	} {
		if got := test.one.sameFile(test.other); got != test.want {
			t.Errorf("%v and %v have one file: %t, want %t", test.one, test.other, got, test.want)
		}
	}
}

func TestConfig_noKey(t *testing.T) {
	const kid, good = `"kid":"0011223344556677"`, `{"version":1,"key":{"source":"file"},`
	for _, test := range []struct {
		text  string
		cause error
	}{
		{good + `"kid":"x"}`, nil},
		{good + `"kid":""}`, nil},
		{`{"version":1,"key":{},` + kid + `}`, nil},
		{`{"version":1,"key":{"source":"file"}}`, nil},
		{good + kid + `,"previous":{"key":{"source":"file"},"kid":"x"}}`, nil},
		{good + kid, nil},
		{`{"version":0,"key":{"source":"file"},` + kid + `}`, nil},
		{`{"version":2,"key":{"source":"file"},` + kid + `}`, ErrNewer},
	} {
		c, err := parseConfig("/c/config", []byte(test.text))
		if err == nil || test.cause == nil && errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "/c/config") || !errors.Is(err, test.cause) && test.cause != nil || c.KID != "" {
			t.Errorf("%s: got key %q, %v, want %v", test.text, c.KID, err, test.cause)
		}
	}
	for _, text := range []string{good + kid + `}`, good + kid + `,"previous":{"key":{"source":"file"},` + kid + `}}`} {
		if c, err := parseConfig("config", []byte(text)); err != nil || c.KID != "0011223344556677" {
			t.Errorf("%s: got key %q, %v", text, c.KID, err)
		}
	}
}

// The file ends with a line feed, and keeps what a newer version wrote.
func TestConfig_writtenWhole(t *testing.T) {
	c := Config{Version: 1, Key: KeySource{Source: SourceFile}, KID: "0011223344556677"}
	data, err := c.marshal()
	if want := `{"version":1,"key":{"source":"file"},"kid":"0011223344556677"}` + "\n"; err != nil || string(data) != want {
		t.Errorf("%q (%v), want %q", data, err, want)
	}
	c, err = parseConfig("config", []byte(`{"version":1,"key":{"source":"file"},"kid":"0011223344556677","future":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = c.marshal(); err != nil || !strings.Contains(string(data), `"future":[1]`) || !strings.HasSuffix(string(data), "}\n") {
		t.Errorf("%q (%v)", data, err)
	}
	c.read = []byte("no object")
	if data, err := c.marshal(); err == nil {
		t.Errorf("a config that was no object is written as %q", data)
	}
}

// A config that is read and written again means the same, keeps what this version does not
// know, and is then in the form that every later write gives it.
func FuzzConfig(f *testing.F) {
	const kid = "2747f049e6c28c58"
	f.Add([]byte(`{"version":1,"key":{"source":"file"},"kid":"` + kid + `"}`))
	f.Add([]byte(`{"version":1,"key":{"source":"slots","recipient":"age1x"},"kid":"` + kid + `","previous":{"key":{"source":"file"},"kid":"` + kid + `"}}`))
	f.Add([]byte(`{"Version":1,"KEY":{"Source":"command","command":["/bin/x",""]},"kid":"` + kid + `","future":[1,null],"previous":null}`))
	f.Add([]byte(`{"version":2,"kid":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig("config", data)
		if err != nil {
			return
		}
		if c.Version != configVersion || !isKID(c.KID) || c.Key.Source == "" || c.Previous != nil && !isKID(c.Previous.KID) {
			t.Fatalf("%q reads as %+v", data, c)
		}
		written, err := c.marshal()
		if err != nil {
			t.Fatalf("%q cannot be written again: %v", data, err)
		}
		d, err := parseConfig("config", written)
		if err != nil {
			t.Fatalf("%q was written as %q, which does not read: %v", data, written, err)
		}
		again, err := d.marshal()
		if err != nil || !bytes.Equal(again, written) {
			t.Fatalf("%q was written as %q and then as %q (%v)", data, written, again, err)
		}
		c.read, d.read = nil, nil
		if len(c.Key.Command) == 0 {
			c.Key.Command = nil // "command":[] says as little as none
		}
		if c.Previous != nil && len(c.Previous.Key.Command) == 0 {
			c.Previous.Key.Command = nil
		}
		if !reflect.DeepEqual(c, d) {
			t.Fatalf("%+v became %+v", c, d)
		}
		var before, after map[string]any
		if json.Unmarshal(data, &before) != nil || json.Unmarshal(written, &after) != nil {
			t.Fatalf("%q is a config, and no object", data)
		}
		for name, value := range before {
			known := reflect.TypeFor[Config]()
			if f, is := known.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) }); is && f.IsExported() {
				continue
			}
			if !reflect.DeepEqual(after[name], value) {
				t.Fatalf("%q was %v and is %v", name, value, after[name])
			}
		}
	})
}
