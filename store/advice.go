package store

import (
	"errors"
	"io/fs"
	"syscall"
)

// Advice returns what mends an error of this package, as the end of a sentence or a
// hint line, or "" where the error itself already says it.
func Advice(err error) string {
	switch {
	case errors.Is(err, ErrLocked):
		return "run 'regshape auth unlock'"
	case errors.Is(err, ErrNoKey):
		return "put the key back from a backup, or give all stored logins up with 'regshape auth key reset --forget-all-logins'"
	case errors.Is(err, ErrWrongKey), errors.Is(err, ErrKeyDamaged):
		return "put the right key back from a backup, or give all stored logins up with 'regshape auth key reset --forget-all-logins'"
	case errors.Is(err, ErrDamaged):
		return "log in to that registry again, or remove the file"
	case errors.Is(err, ErrNewer):
		return "upgrade regshape"
	case errors.Is(err, ErrUnsafe):
		return ""
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space, or name another folder with REGSHAPE_STORE"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "make the folder writable, or name another one with REGSHAPE_STORE"
	}
	return ""
}
