// Package trust keeps the list of the programs that stores may start.
//
// A store is data: whoever can write its files, such as a container that mounts it, could
// name any program in them. So a program that a store names is started only if the user has
// allowed it, by the command that put its name there or with 'regshape auth trust'. The list
// of what was allowed is never part of what it is about: it lies outside the data and config
// of every store, and outside a --store directory altogether.
//
// # The list
//
// It is $XDG_STATE_HOME/regshape/programs, of mode 0600 and owned by the effective user.
// Where the directories for state and for data or config are one, as on macOS and Windows,
// the default store is in STATE/regshape, and the list is STATE/regshape-trust/programs.
// Without HOME the home directory is the one that the user database has for the effective
// user. Each line is
//
//	<program> <store> <path>
//
// where <program> is, in hexadecimal, the SHA-256 of the store's path, the kind and the
// words, each behind its length in eight bytes; <store> the SHA-256 of the store's path
// alone; and <path> the program's path, for people. The arguments are in the first hash only.
// The store's path is that of its data directory, absolute, links resolved. A line of another
// form allows nothing and is kept.
package trust

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/adrg/xdg"

	"regshape/store"
	"regshape/store/durable"
)

// Kinds of programs.
const (
	Key    = "key"    // prints the root key
	Plugin = "plugin" // an age plugin that only the name of a slot's file chooses
	Login  = "login"  // makes the secrets of a login
)

// Program is what a store wants to start.
type Program struct {
	Kind  string
	Words []string // the program, by its absolute path, and its arguments
}

// Check says whether a store may start a program: it is on the list, and no other user could
// have put something else in its place. Otherwise the error wraps [store.ErrUntrusted] or
// [durable.ErrUnsafe], or says why the program or the list cannot be looked at.
func Check(loc store.Location, p Program) error {
	if err := p.found(); err != nil {
		return err
	}
	where, err := find(loc)
	if err == nil {
		var data []byte
		if data, err = where.read(); err == nil && !slices.ContainsFunc(lines(data), where.is(p)) {
			err = store.ErrUntrusted
		}
	}
	if err != nil {
		return fmt.Errorf("%s was not started: %w", p.shown(), err)
	}
	return p.guarded(outerRoot()) // Add saw the program outside of any user namespace
}

// Add allows a store to start a program, durably. The error wraps [durable.ErrUnsafe] where
// another user could replace the program, or change the list.
func Add(loc store.Location, p Program) error {
	if err := p.found(); err != nil {
		return err
	}
	if err := p.Guarded(); err != nil {
		return err
	}
	where, err := find(loc)
	if err != nil {
		return fmt.Errorf("trust %s: %w", p.shown(), err)
	}
	err = where.edit(func(all []string) []string {
		if slices.ContainsFunc(all, where.is(p)) {
			return all
		}
		return append(all, where.hash(p)+" "+where.hash(Program{})+" "+p.shown())
	})
	if err != nil {
		return fmt.Errorf("trust %s: %w", p.shown(), err)
	}
	return nil
}

// Remove ends the trust in a program, durably.
func Remove(loc store.Location, p Program) error {
	where, err := locate(loc)
	if err == nil {
		err = where.edit(func(all []string) []string { return slices.DeleteFunc(slices.Clone(all), where.is(p)) })
	}
	if err != nil && !errors.Is(err, errNoHome) {
		return fmt.Errorf("revoke trust in %s: %w", p.shown(), err)
	}
	return nil
}

// Revoke removes every line of a store from the list, durably, and returns their number.
func Revoke(loc store.Location) (n int, err error) {
	where, err := locate(loc)
	if errors.Is(err, errNoHome) {
		return 0, nil // so there is no list
	}
	if err == nil {
		own := where.hash(Program{})
		err = where.edit(func(all []string) []string {
			kept := slices.DeleteFunc(slices.Clone(all), func(line string) bool { return parse(line).store == own })
			if gone := len(all) - len(kept); gone > 0 { // edit looks again, and then there are none
				n = gone
			}
			return kept
		})
	}
	if err != nil {
		return n, fmt.Errorf("revoke trust in programs: %w", err)
	}
	return n, nil
}

// Damaged returns the list's path, and how many of its lines are malformed.
func Damaged(loc store.Location) (path string, n int, err error) {
	where, err := find(loc)
	if err != nil {
		return "", 0, err
	}
	data, err := where.read()
	for _, line := range lines(data) {
		if line != "" && parse(line) == (entry{}) {
			n++
		}
	}
	return where.path, n, err
}

// found refuses a program without an absolute path: it is not on PATH.
func (p Program) found() error {
	switch {
	case len(p.Words) == 0:
		return errors.New("no program is named")
	case !filepath.IsAbs(p.Words[0]):
		return fmt.Errorf("%s is not on PATH: install it", p.shown())
	}
	return nil
}

// Guarded refuses a program that another user, unless root, could replace. The error wraps
// [durable.ErrUnsafe], or says why the program cannot be checked.
func (p Program) Guarded() error { return p.guarded(0) }

func (p Program) guarded(root int) error {
	err := guarded(p.Words[0], root)
	if err != nil && !errors.Is(err, durable.ErrUnsafe) {
		// Not wrapped: a missing program must not pass for a missing entry.
		err = fmt.Errorf("%s; install the program again", shown(err.Error()))
	}
	return err
}

func (p Program) shown() string { return shown(p.Words[0]) }

// shown makes a path, which a store may have named, safe to print on one line.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// list is the file as one store sees it.
type list struct {
	path  string
	store string // the store's path
}

var errNoHome = errors.New("there is no home directory for the list of trusted programs: set HOME")

// find locates the list and refuses one that would be among the store's own files: who can
// write those could allow anything.
func find(loc store.Location) (list, error) {
	where, err := locate(loc)
	if err != nil {
		return where, err
	}
	dir, err := resolve(filepath.Dir(where.path))
	if err != nil {
		return where, err
	}
	config, err := resolve(loc.Config)
	if err != nil {
		return where, err
	}
	for _, own := range []string{where.store, config} {
		if rest, err := filepath.Rel(own, dir); err == nil && filepath.IsLocal(rest) {
			return where, fmt.Errorf("%w: the list of trusted programs, %s, would be inside this store: move the store elsewhere", durable.ErrUnsafe, where.path)
		}
	}
	return where, nil
}

func locate(loc store.Location) (list, error) {
	state, name := xdg.StateHome, "regshape"
	if state == xdg.DataHome || state == xdg.ConfigHome {
		name = "regshape-trust"
	}
	if store.Home() == "" && os.Geteuid() >= 0 && !filepath.IsAbs(os.Getenv("XDG_STATE_HOME")) {
		owner, err := user.LookupId(strconv.Itoa(os.Geteuid()))
		if err != nil || !filepath.IsAbs(owner.HomeDir) || state == "" { // HOME is relative
			return list{}, errNoHome
		}
		state = filepath.Join(owner.HomeDir, state) // xdg takes / for the home that is not named
	}
	if !filepath.IsAbs(loc.Data) {
		return list{}, errors.New("there is no store")
	}
	real, err := resolve(loc.Data)
	return list{path: filepath.Join(state, name, "programs"), store: real}, err
}

// resolve follows all links of a path, whose end need not exist yet.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if parent := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && parent != path {
		above, err := resolve(parent)
		return filepath.Join(above, filepath.Base(path)), err
	}
	return real, err
}

// hash names a program of the store, or with the zero Program the store itself.
func (l list) hash(p Program) string {
	parts := []string{l.store}
	if p.Kind != "" {
		parts = append(append(parts, p.Kind), p.Words...)
	}
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part)))) // never fails (hash.Hash)
		_, _ = h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// is recognizes the line of a program.
func (l list) is(p Program) func(line string) bool {
	want := entry{l.hash(p), l.hash(Program{})}
	return func(line string) bool { return parse(line) == want }
}

// entry is what counts of a line.
type entry struct{ program, store string }

// parse returns the zero entry for a line of another form.
func parse(line string) entry {
	fields := strings.SplitN(line, " ", 3)
	if len(fields) < 3 || fields[2] == "" || !isHash(fields[0]) || !isHash(fields[1]) {
		return entry{}
	}
	return entry{fields[0], fields[1]}
}

func isHash(s string) bool {
	return len(s) == hex.EncodedLen(sha256.Size) && strings.Trim(s, "0123456789abcdef") == ""
}

func lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}
