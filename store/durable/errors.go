package durable

import (
	"errors"
	"fmt"
	"os"
)

// ErrUnsafe means that a file or directory is not the user's alone.
var ErrUnsafe = errors.New("refused as unsafe")

// ErrUnsure means that data was written but may not survive a power cut.
var ErrUnsure = errors.New("written, but its directory could not be synced; after a power cut it may be missing")

// OwnerError is about a file or directory that is another user's. It matches [ErrUnsafe].
type OwnerError struct {
	Path  string
	UID   int  // of the owner
	Named bool // by the user, and so it may be root's, too; else it is the store's
}

func (e *OwnerError) Error() string {
	if e.Named {
		return fmt.Sprintf("%v: %s belongs to uid %d: it must be yours (uid %d) or root's", ErrUnsafe, e.Path, e.UID, os.Geteuid())
	}
	return fmt.Sprintf("%v: %s belongs to uid %d and you are uid %d", ErrUnsafe, e.Path, e.UID, os.Geteuid())
}

// Unwrap returns ErrUnsafe.
func (e *OwnerError) Unwrap() error { return ErrUnsafe }

// Shape is what is wrong with what stands at a path.
type Shape string

// What may be wrong.
const (
	Link      Shape = "is a symbolic link"
	Irregular Shape = "is not a regular file"
	Large     Shape = "is larger than 1 MiB"
	NoDir     Shape = "is not a directory"
)

// ShapeError is about a path where something else stands than the file or directory that
// belongs there. It matches [ErrUnsafe].
type ShapeError struct {
	Path  string
	Is    Shape
	Named bool // by the user; else the file or directory is the store's
}

func (e *ShapeError) Error() string { return fmt.Sprintf("%v: %s %s", ErrUnsafe, e.Path, e.Is) }

// Unwrap returns ErrUnsafe.
func (e *ShapeError) Unwrap() error { return ErrUnsafe }
