package store

import (
	"errors"
	"io/fs"
	"testing"
)

// An entry's error names the file, and the address where that is known.
func TestEntryErrorText(t *testing.T) {
	for _, test := range []struct{ address, want string }{
		{"", "the entry is damaged (/s/x)"},
		{"ghcr.io", "ghcr.io: the entry is damaged (/s/x)"},
	} {
		err := &EntryError{Address: test.address, File: "/s/x", Err: ErrDamaged}
		if err.Error() != test.want || !errors.Is(err, ErrDamaged) {
			t.Errorf("%q, want %q", err, test.want)
		}
	}
	named := &EntryError{File: "/s/x", Err: &fs.PathError{Op: "open", Path: "/s/x", Err: fs.ErrPermission}}
	if want := "open /s/x: permission denied"; named.Error() != want {
		t.Errorf("%q, want %q", named, want)
	}
}
