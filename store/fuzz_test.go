package store

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Only the sealed file itself opens.
func FuzzOpenSealed(f *testing.F) {
	root := NewRootKey()
	name := root.nameKey().name("ghcr.io")
	sealed, err := root.sealer().seal(name, []byte(`{"Secret":"x"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:headerSize])
	f.Add([]byte("RGS1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := root.sealer().open(nil, name, data); err == nil && !bytes.Equal(data, sealed) {
			t.Fatalf("%x opens", data)
		}
	})
}

// An entry that is read and written again keeps every field, known or not.
func FuzzCredential(f *testing.F) {
	f.Add([]byte(`{"ServerURL":"h","Username":"u","Secret":"s","Future":{"a":[1,null]},"Expires":"2030-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"Renew":{"Issuer":"i","Token":"t"},"payload":1,"kind":"device"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := unmarshalCredential(payload)
		if err != nil || string(bytes.TrimSpace(payload)) == "null" {
			return
		}
		again, err := c.marshal()
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		d, err := unmarshalCredential(again)
		if err != nil {
			t.Fatalf("%s does not read again: %v", again, err)
		}
		c.payload, d.payload = nil, nil
		if !reflect.DeepEqual(c, d) {
			t.Fatalf("%#v became %#v", c, d)
		}
		var before, after map[string]any
		if json.Unmarshal(payload, &before) != nil || json.Unmarshal(again, &after) != nil {
			t.Fatal("no objects")
		}
		known := reflect.TypeFor[Credential]()
		for field, value := range before {
			k, isKnown := known.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, field) })
			if isKnown && k.IsExported() {
				continue
			}
			if !reflect.DeepEqual(after[field], value) {
				t.Fatalf("%q was %v and is %v", field, value, after[field])
			}
		}
	})
}
