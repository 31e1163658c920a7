package setup

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"regshape/store"
)

// What setup noted of an edit takes exactly that edit back, and no other text; a note that
// was damaged takes nothing back, and hurts nobody.
func FuzzSetupRecord(f *testing.F) {
	f.Add([]byte("{}"), []byte(`{"credsStore":"regshape"}`), 0)
	f.Add([]byte("aXbX"), []byte("aXcXbX"), 5)
	f.Add([]byte(""), []byte("\n"), -1)
	f.Add([]byte("aXbX"), []byte("aXcXbX"), math.MaxInt)
	f.Fuzz(func(t *testing.T, before, after []byte, offset int) {
		var x Edit
		x.Splice(before, after)
		if got, exact := x.Back(after); !exact || !bytes.Equal(got, before) {
			t.Fatalf("%q became %q, and back %q", before, after, got)
		}
		if got, exact := x.Back(append(bytes.Clone(after), '.')); exact {
			t.Fatalf("an edit of %q is taken out of another text: %q", after, got)
		}
		x.Offset = offset
		if got, exact := x.Back(after); exact && !bytes.Equal(got, before) {
			t.Fatalf("with offset %d %q goes back to %q", offset, after, got)
		}
	})
}

// A record of setup that is read and saved again says the same; a damaged one is an error
// that names the file.
func FuzzSetupRecordFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"edits":[{"tool":"docker","file":"/c","existed":true,"before":"","after":"","offset":3,"removed":"YQ==","helper":"regshape","hosts":{"h":""}}]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"program":"/p","edits":null}`))
	f.Add([]byte(`[]`))
	loc, err := store.Locate(store.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		path := setupRecordFile(loc)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := loadSetupRecord(loc)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(r.Edits) == 0 && r.Program == "" || len(r.Folders) > 0 {
			return // to save it would remove it, and folders that the text names
		}
		if err := r.Save(loc); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := loadSetupRecord(loc)
		if err != nil || len(again.Edits) != len(r.Edits) || again.Program != r.Program || again.Target != r.Target {
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
