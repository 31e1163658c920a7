package store

import "context"

// Key is a place that the root key of a store comes from. Implementations are in
// package keys.
type Key interface {
	// Load returns the root key. [ErrNoKey] means that there is none, [ErrLocked] that
	// the user has to unlock it; the store then still answers "not found". It never
	// prompts, and sets its own time limit.
	Load(ctx context.Context) (RootKey, error)

	// Create makes k the first key, durably, and returns the key that is there
	// afterwards. Of several runs that create a key at once exactly one wins, and the
	// others return its key; a source that can only overwrite has to arrange that.
	Create(ctx context.Context, k RootKey) (RootKey, error)

	// Replace makes k the key in place of the present one, durably. After an error
	// the old key or the new one is there, whole.
	Replace(ctx context.Context, k RootKey) error

	// Cheap says that Load costs no more than reading a file, so that a lookup loads
	// the key at once. Otherwise the store first asks its names file whether there is
	// an entry at all, and leaves the source alone when there is none.
	Cheap() bool
}
