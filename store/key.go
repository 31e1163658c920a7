package store

import (
	"context"
)

// Key is a place that holds the root key of a store. Implementations are in package
// keys. A place may hold several keys at once, each known by its kid, so that a new key
// can be made durable before the store turns to it.
type Key interface {
	// Load returns the root key with this kid; with "", the one that is there, for a
	// store whose config is missing. [ErrNoKey] means that there is none, [ErrWrongKey]
	// that there is only another one, [ErrLocked] that the user has to unlock it; the
	// store then still answers "not found". It never prompts, and sets its own time limit.
	Load(ctx context.Context, kid string) (RootKey, error)

	// Stage keeps k beside the present key, durably. From then on Load finds it. from is
	// the kid of the key that k will replace: what is unlocked by it stays unlocked.
	Stage(ctx context.Context, k RootKey, from string) error

	// Promote makes a staged key the present one. A key that is not staged (any more) is
	// no error: several runs may finish what one began.
	Promote(ctx context.Context, kid string) error

	// Discard forgets the key with this kid, staged or present, and leaves all others.
	// One that is not there is no error.
	Discard(ctx context.Context, kid string) error

	// Cheap says that Load costs no more than reading a file, so that a lookup loads
	// the key at once. Otherwise the store first asks its names file whether there is
	// an entry at all, and leaves the place alone when there is none.
	Cheap() bool
}

// Sources knows the places that keys can be in; package keys has them.
type Sources interface {
	// Default is where the key of a new store goes.
	Default() KeySource

	// Choose returns the place that a config names. It touches nothing yet.
	Choose(loc Location, source KeySource) (Key, error)
}
