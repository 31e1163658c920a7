package store

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"regshape/store/durable"
)

// Advice returns what mends an error of this package, as the end of a sentence or a
// hint line, or "" where the error itself already says it. own spells a command of
// regshape's for the store that the error is about.
func Advice(err error, own func(words ...string) string) string {
	giveUp := ", or give all stored logins up with '" + own("auth", "key", "reset", "--forget-all-logins") + "'"
	// A place that only the user can put a key into knows better.
	if place, ok := errors.AsType[interface {
		error
		Advice() string
	}](err); ok {
		return place.Advice()
	}
	switch {
	case errors.Is(err, ErrLocked):
		return "run '" + own("auth", "unlock") + "'"
	case errors.Is(err, ErrNoKey):
		return "put the key back with '" + own("auth", "key", "restore", "BACKUP") + "'" + giveUp
	case errors.Is(err, ErrRotating):
		return "finish it with '" + own("auth", "key", "rotate", "--resume") + "', or take it back with --abort"
	case errors.Is(err, ErrWrongKey), errors.Is(err, ErrKeyDamaged):
		return "put the right key back with '" + own("auth", "key", "restore", "BACKUP") + "'" + giveUp
	case errors.Is(err, ErrDamaged):
		return "log in to that registry again, or move the file away"
	case errors.Is(err, ErrForgedNames):
		return "run '" + own("auth", "unlock") + "', which writes it anew"
	case errors.Is(err, ErrStray):
		return "move it away"
	case errors.Is(err, ErrNewer):
		if _, entry := errors.AsType[*EntryError](err); entry {
			return "upgrade regshape, or log out of that registry and log in again"
		}
		return "upgrade regshape"
	case errors.Is(err, ErrUntrusted):
		return "run '" + own("auth", "trust") + "' to see and allow it"
	case errors.Is(err, durable.ErrUnsafe):
		return ""
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space, or name another folder with REGSHAPE_STORE"
	case isLinkError(err): // FAT says so in a different way on each system
		return "name a folder on a file system that has hard links with REGSHAPE_STORE"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "make it readable and writable for yourself, or name another folder with REGSHAPE_STORE"
	}
	return ""
}

// isLinkError reports that a hard link could not be made.
func isLinkError(err error) bool {
	link, ok := errors.AsType[*os.LinkError](err)
	return ok && link.Op == "link" && !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EACCES)
}
