//go:build torture && linux && amd64

package torture

import (
	"slices"

	"regshape/store"
)

// logins lists a store.
func logins(dir string) (map[string]string, error) {
	return (&worker{dir: dir, mode: fresh}).list()
}

// opens fails unless the logins open, and no others are there. A store that has slots is
// locked before, and opened by what the user holds.
func (b *base) opens(dir string, want map[string]string) error {
	s, err := openStore(dir)
	if err != nil {
		return err
	}
	c, err := s.Custody()
	if err != nil {
		return err
	}
	if c.Source.Source == store.SourceSlots {
		way := []string{"--identity", b.identity}
		if b.slow {
			way = []string{"--passphrase-file", b.passphrase}
		}
		for _, args := range [][]string{{"lock"}, append([]string{"unlock"}, way...)} {
			if out, err := regshapeCommand(dir, append([]string{"auth"}, args...)...).CombinedOutput(); err != nil {
				return harmed(lost, "%s: %w: %s", args[0], err, out)
			}
		}
	}
	for key, value := range want {
		got, err := (&worker{dir: dir, mode: fresh}).get(key)
		if err := judge(key, got, err, value); err != nil {
			return err
		}
	}
	return listsExactly(dir, want)
}

// listsExactly fails unless these logins are in a store, and no others.
func listsExactly(dir string, want map[string]string) error {
	found, err := logins(dir)
	if err != nil {
		return harmed(torn, "list: %w", err)
	}
	for key, value := range want {
		if err := judge(key+" in the list", found[key], nil, value); err != nil {
			return err
		}
	}
	if len(found) != len(want) {
		return harmed(wrong, "the list has %v", found)
	}
	return nil
}

// judge compares what was got for an address with the values that it may have, "" for none.
func judge(key, got string, err error, allowed ...string) error {
	switch {
	case err != nil:
		return harmed(torn, "%s: %w", key, err)
	case slices.Contains(allowed, got):
		return nil
	case got == "":
		return harmed(lost, "%s: nothing is found; want %q", key, allowed)
	}
	return harmed(wrong, "%s: got %q; want %q", key, got, allowed)
}
