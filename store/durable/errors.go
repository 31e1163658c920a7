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

// OwnerError is about a file or directory of the store that is another user's. It matches
// [ErrUnsafe].
type OwnerError struct {
	Path string
	UID  int // of the owner
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%v: %s belongs to uid %d and you are uid %d", ErrUnsafe, e.Path, e.UID, os.Geteuid())
}

// Unwrap returns ErrUnsafe.
func (e *OwnerError) Unwrap() error { return ErrUnsafe }
