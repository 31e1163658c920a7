package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"regshape/store"
)

// File is a root key in a file that only the user can read: no set-up and nothing to
// unlock. It protects a copy of the data folder, not a stolen home.
type File struct{ Path string }

var _ store.Key = File{}

// Load reads the key line.
func (f File) Load(context.Context) (store.RootKey, error) {
	line, err := store.ReadSecret(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return store.RootKey{}, fmt.Errorf("%w: there is no %s", store.ErrNoKey, f.Path)
	}
	if err != nil {
		return store.RootKey{}, err
	}
	k, err := store.ParseKeyLine(string(line))
	if err != nil {
		return store.RootKey{}, fmt.Errorf("%s: %w", f.Path, err)
	}
	return k, nil
}

// Create publishes the key line with link(2): whoever comes second reads the first.
func (f File) Create(ctx context.Context, k store.RootKey) (store.RootKey, error) {
	err := store.WriteFirst(f.Path, []byte(k.Line()+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return f.Load(ctx)
	}
	return k, err
}

// Replace publishes the key line with a rename.
func (f File) Replace(_ context.Context, k store.RootKey) error {
	return store.WriteOver(f.Path, []byte(k.Line()+"\n"))
}

// Cheap is true: loading is reading one small file.
func (File) Cheap() bool { return true }
