package store

import (
	"errors"
	"strings"
	"testing"
)

func TestSourcesAreTheSamePlace(t *testing.T) {
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
}

func TestConfigThatNamesNoKeyIsRefused(t *testing.T) {
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
			t.Errorf("%s: %v, %v", test.text, c.KID, err)
		}
	}
	for _, text := range []string{good + kid + `}`, good + kid + `,"previous":{"key":{"source":"file"},` + kid + `}}`} {
		if c, err := parseConfig("config", []byte(text)); err != nil || c.KID != "0011223344556677" {
			t.Errorf("%s: %v, %v", text, c.KID, err)
		}
	}
}

// The file ends with a line feed, and keeps what a newer version wrote.
func TestConfigIsWrittenWhole(t *testing.T) {
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
