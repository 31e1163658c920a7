package keys

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"regshape/store"
	"regshape/store/durable"
)

// keyFileVariable is what users set; messages name it.
const keyFileVariable = "REGSHAPE_KEY_FILE"

const namedLimit = 64 << 10 // as for a command

// Named is a root key in a file that the user has named: a mounted secret of a CI job or
// a container. It holds one or more key lines; empty lines and lines that begin with # do
// not count. regshape never writes it.
type Named struct{ Path string }

var _ store.Key = Named{}

// Load reads the file and picks the key with this kid.
func (n Named) Load(_ context.Context, kid string) (store.RootKey, error) {
	found, err := n.Lines()
	if err != nil {
		return store.RootKey{}, elsewhere(err, store.SourceEnvironment)
	}
	k, err := pick(found, kid, n.Path)
	return k, elsewhere(err, store.SourceEnvironment)
}

// Lines returns the keys in the file, in their order. [store.ErrNoKey] means that there
// is none, or no file, [store.ErrKeyDamaged] that there is something else.
func (n Named) Lines() ([]store.RootKey, error) {
	data, err := n.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s names %s, and there is no such file", store.ErrNoKey, keyFileVariable, n.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the file that %s names: %w", keyFileVariable, err)
	}
	defer clear(data)
	found, err := parseKeyLines(data, n.Path)
	if err == nil && len(found) == 0 {
		return nil, fmt.Errorf("%w: %s, which %s names, has %w", store.ErrNoKey, n.Path, keyFileVariable, ErrNoKeyLine)
	}
	return found, err
}

// read follows symbolic links, and does not ask who else may read the file: so are secrets
// mounted; see Exposed. It never waits.
func (n Named) read() ([]byte, error) {
	f, err := durable.OpenNamed(n.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, namedLimit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > namedLimit {
		return nil, fmt.Errorf("%s is larger than %d KiB: put nothing but key lines there", n.Path, namedLimit>>10)
	}
	return durable.Text(data), nil
}

// Exposed says how users other than the owner may read the file, and the words of the command
// that ends it; both are empty where they may not, or there is no file.
func (n Named) Exposed() (how string, fix []string) {
	info, err := os.Stat(n.Path)
	if err != nil {
		return "", nil
	}
	how, fix, _ = durable.Exposed(n.Path, info, durable.Unread)
	return how, fix
}

// Stage makes sure that the file holds k by now: only the user can put it there.
func (n Named) Stage(ctx context.Context, k store.RootKey, _ string) error {
	_, err := n.Load(ctx, k.KID())
	if errors.Is(err, store.ErrNoKey) || errors.Is(err, store.ErrWrongKey) {
		return fmt.Errorf("put the new key line, of kid %s, into %s, beside the present one, and try again: %w", k.KID(), n.Path, err)
	}
	return err
}

// Promote has nothing to do: lines are found by their kid.
func (Named) Promote(context.Context, string) error { return nil }

// Discard has nothing to do: the line is the user's to remove.
func (Named) Discard(context.Context, string) error { return nil }

// Cheap is true: loading is reading one small file.
func (Named) Cheap() bool { return true }

// parseKeyLines reads what a user has put together from 'key generate'. where is for the
// message, which holds nothing of the text.
func parseKeyLines(text []byte, where string) ([]store.RootKey, error) {
	var found []store.RootKey
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := store.ParseKeyLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", number, where, err)
		}
		found = append(found, k)
	}
	return found, nil
}

// pick returns the key with this kid, or with "" the first one.
func pick(found []store.RootKey, kid, where string) (store.RootKey, error) {
	var kids []string
	for _, k := range found {
		if kid == "" || k.KID() == kid {
			return k, nil
		}
		kids = append(kids, k.KID())
	}
	return store.RootKey{}, fmt.Errorf("%w: %s has kid %s, and the store's is %s", store.ErrWrongKey, where, strings.Join(kids, " and "), kid)
}
