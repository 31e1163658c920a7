package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// placeError knows itself what mends it.
type placeError struct{}

func (placeError) Error() string { return "no key there" }

func (placeError) Advice() string { return "put one there" }

// Every error that a user can mend comes with the very command that does.
func TestAdvice(t *testing.T) {
	const giveUp = ", or give all stored logins up with 'rs auth key reset --forget-all-logins'"
	for _, test := range []struct {
		err  error
		want string
	}{
		{ErrLocked, "run 'rs auth unlock'"},
		{ErrNoKey, "put the key back with 'rs auth key restore BACKUP'" + giveUp},
		{ErrRotating, "finish it with 'rs auth key rotate --resume', or take it back with --abort"},
		{ErrWrongKey, "put the right key back with 'rs auth key restore BACKUP'" + giveUp},
		{ErrKeyDamaged, "put the right key back with 'rs auth key restore BACKUP'" + giveUp},
		{ErrDamaged, "log in to that registry again, or move the file away"},
		{ErrStray, "move it away"},
		{ErrForgedNames, "run 'rs auth unlock', which writes it anew"},
		{ErrNewer, "upgrade regshape"},
		{&EntryError{File: "/s/x", Err: ErrNewer}, "upgrade regshape, or log out of that registry and log in again"},
		{ErrUntrusted, "run 'rs auth trust' to see and allow it"},
		{durable.ErrUnsafe, ""},
		{errors.Join(durable.ErrUnsafe, fs.ErrPermission), ""},
		{syscall.ENOSPC, "free some space, or name another folder with REGSHAPE_STORE"},
		{syscall.EDQUOT, "free some space, or name another folder with REGSHAPE_STORE"},
		{syscall.EROFS, "make it readable and writable for yourself, or name another folder with REGSHAPE_STORE"},
		{syscall.EACCES, "make it readable and writable for yourself, or name another folder with REGSHAPE_STORE"},
		{&os.LinkError{Op: "link", Err: syscall.EPERM}, "name a folder on a file system that has hard links with REGSHAPE_STORE"},
		{&os.LinkError{Op: "link", Err: syscall.EROFS}, "make it readable and writable for yourself, or name another folder with REGSHAPE_STORE"},
		{&os.LinkError{Op: "link", Err: syscall.EACCES}, "make it readable and writable for yourself, or name another folder with REGSHAPE_STORE"},
		{&os.LinkError{Op: "rename", Err: syscall.EPERM}, "make it readable and writable for yourself, or name another folder with REGSHAPE_STORE"},
		{errors.Join(ErrNoKey, placeError{}), "put one there"},
		{errors.New("anything else"), ""},
	} {
		own := func(words ...string) string { return "rs " + strings.Join(words, " ") }
		if got := Advice(fmt.Errorf("while reading: %w", test.err), own); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

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
