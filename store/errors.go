package store

import (
	"errors"
	"strings"

	"regshape/store/printable"
)

// Errors that callers handle. All others are fatal.
var (
	// ErrNotFound means that no credential is stored for the address.
	ErrNotFound = errors.New("no credential is stored for this address")
	// ErrNoKey means that the key source holds no key.
	ErrNoKey = errors.New("the store's key is missing")
	// ErrLocked means that the key is there but the user has to unlock it.
	ErrLocked = errors.New("store is locked")
	// ErrWrongKey means that the key source yields another store's key.
	ErrWrongKey = errors.New("the key is not this store's")
	// ErrDamaged means that a sealed file is not what was written under its name.
	ErrDamaged = errors.New("the entry is damaged")
	// ErrForgedNames means that the name key in the names file is not derived from the store's key.
	ErrForgedNames = errors.New("the names file does not match the store's key, and is ignored")
	// ErrStray means that a file among the entries was not made by regshape.
	ErrStray = errors.New("a file among the entries was not made by regshape")
	// ErrNewer means that a newer regshape wrote or is rewriting what was found.
	ErrNewer = errors.New("made by a newer regshape")
	// ErrNoHome means that no directory was named and there is no home directory for one.
	ErrNoHome = errors.New("no home directory")
	// ErrConfigDamaged means that the config cannot be read, or names no key.
	ErrConfigDamaged = errors.New("the config is damaged")
	// ErrUntrusted means that the user has not allowed a program that the store names; see
	// package trust.
	ErrUntrusted = errors.New("this store names it, and you have not trusted it")
	// ErrNotUTF8 means that a credential holds bytes that JSON cannot carry.
	ErrNotUTF8 = errors.New("not valid UTF-8")
)

// EntryError is about one sealed file that cannot be opened.
type EntryError struct {
	Address string // the canonical address, "" where it is not known
	File    string // the sealed file's path
	Err     error
}

func (e *EntryError) Error() string {
	text := e.Err.Error()
	if !strings.Contains(text, e.File) { // system errors name it
		text += " (" + printable.Name(e.File) + ")"
	}
	if e.Address != "" {
		text = printable.Address(e.Address) + ": " + text
	}
	return text
}

// Unwrap returns the cause.
func (e *EntryError) Unwrap() error { return e.Err }
