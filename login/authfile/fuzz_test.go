package authfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seed(f *testing.F) {
	f.Helper()
	paths, err := filepath.Glob("testdata/documents/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, s := range []string{
		"", " ", "{ }", "{\n}", "{\r\n\r\n}\r\n", `{"auths":null}`, `{"auths":null,"credHelpers":null}`,
		`{"auths":{"new.example":null}}`, `{"auths":{"new.example":{}},"Auths":{}}`, `{"a" :1 ,"b":2 }`,
		`{"auths":{ },"credHelpers": {"a":null}}`, `{"auths":{"k":5,"k":{"auth":"!","Auth":""}}}`, `[]`, `{"\ud800":1}`,
		"{\"a\":\n1,\n\n\"b\":\r2}", `{"credsStore":""}`, "\xef\xbb\xbf{}", "{\"\xff\":1}",
	} {
		f.Add([]byte(s))
	}
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, format := range []Format{Docker, DockercfgFormat} {
			d, err := Parse("f", text, format)
			if err != nil {
				se, ok := errors.AsType[*SyntaxError](err)
				if !ok || se.Line < 1 || se.Column < 1 {
					t.Fatalf("%v", err)
				}
				continue
			}
			if !bytes.Equal(d.Bytes(), text) || len(bytes.TrimSpace(text)) > 0 && !json.Valid(text) {
				t.Fatalf("%q reads as %q", text, d.Bytes())
			}
			seen := map[string]bool{}
			for _, e := range d.Entries() {
				got, ok := d.Lookup(e.Key)
				if seen[e.Key] || !ok || got.Secret != e.Secret || got.Username != e.Username {
					t.Fatalf("%q: entry %q is looked up as another", text, e.Key)
				}
				seen[e.Key] = true
			}
			d.CredHelpers()
			d.CredsStore()
		}
	})
}

func FuzzEdit(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Parse("f", text, Docker); err != nil {
			return
		}
		for _, r := range reversibles {
			d := parse(t, "f", text)
			if !r.lacks(d) || has(d, "new.example", "new.example/ns", "b.example", "previous") {
				continue
			}
			r.edit(d)
			edited := d.Bytes()
			if d.Err() != nil {
				if !bytes.Equal(edited, text) {
					t.Fatalf("%s was refused and changed %q to %q", r.name, text, edited)
				}
				continue
			}
			if !json.Valid(edited) {
				t.Fatalf("%s of %q gives %q", r.name, text, edited)
			}
			keepsTheRest(t, text, edited)
			r.undo(d)
			if got := d.Bytes(); !bytes.Equal(got, text) {
				t.Fatalf("%s of %q undone gives %q", r.name, text, got)
			}
		}
	})
}

// has reports whether a document holds what the edits add.
func has(d *Document, hosts ...string) bool {
	for _, name := range []string{nameAuths, nameCredHelpers} {
		for _, o := range d.objectsNamed(name) {
			for _, host := range hosts {
				if _, n := find(o, func(s string) bool { return strings.EqualFold(s, host) }); n > 0 {
					return true
				}
			}
		}
	}
	return false
}
