package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

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
