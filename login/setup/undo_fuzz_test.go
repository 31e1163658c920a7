package setup

import (
	"bytes"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"regshape/login/lookup"
	"regshape/store"
)

// unsplice reverts exactly the edit that was recorded, in no other text; a damaged record
// reverts nothing and does not panic.
func FuzzSetupRecord(f *testing.F) {
	f.Add([]byte("{}"), []byte(`{"credsStore":"regshape"}`), 0)
	f.Add([]byte("aXbX"), []byte("aXcXbX"), 5)
	f.Add([]byte(""), []byte("\n"), -1)
	f.Add([]byte("aaa"), []byte("aaaa"), 1)
	f.Add([]byte("ab"), []byte(nil), 0)
	f.Add([]byte("aXbX"), []byte("aXcXbX"), math.MaxInt)
	f.Fuzz(func(t *testing.T, before, after []byte, offset int) {
		var x edit
		x.splice(before, after)
		if got, exact := x.unsplice(after); !exact || !bytes.Equal(got, before) {
			t.Fatalf("%q: got %q, want %q", after, got, before)
		}
		if got, exact := x.unsplice(append(bytes.Clone(after), '.')); exact {
			t.Fatalf("an edit of %q is reverted in another text: got %q", after, got)
		}
		x.Offset = offset
		if got, exact := x.unsplice(after); exact && !bytes.Equal(got, before) {
			t.Fatalf("offset %d, %q: got %q, want %q", offset, after, got, before)
		}
	})
}

// A record that is loaded and saved again is the same; a damaged one is an error that names
// the file.
func FuzzSetupRecordFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"edits":[{"tool":"docker","file":"/c","existed":true,"before":"","after":"","offset":3,"removed":"YQ==","helper":"regshape","hosts":{"h":""}}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"program":"/p","edits":null}`))
	f.Add([]byte(`{"version":2,"edits":null,"kubelet":{"program":"/p","config":"/c","provider":{"name":"n","matchImages":["*"],"env":[]}}}`))
	f.Add([]byte(`[]`))
	loc, err := store.Locate(store.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := lookup.SetupFile(loc)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := loadRecord(loc)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if r.empty() || len(r.Dirs) > 0 {
			return // saving it would remove it and directories that the text names
		}
		if err := r.save(loc); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := loadRecord(loc)
		if err != nil || len(again.Edits) != len(r.Edits) || again.Program != r.Program || again.Target != r.Target || !reflect.DeepEqual(again.Node, r.Node) {
			t.Fatalf("%q is saved as %+v (%v)", text, again, err)
		}
		for i, x := range r.Edits {
			y := again.Edits[i]
			if x.File != y.File || x.Before != y.Before || x.After != y.After || x.Offset != y.Offset || !bytes.Equal(x.Removed, y.Removed) || !bytes.Equal(x.Inserted, y.Inserted) {
				t.Fatalf("%q is saved as %+v", text, again)
			}
		}
	})
}
