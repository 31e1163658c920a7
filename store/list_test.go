package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// A locked store that is empty has an empty list. What is listed holds no memory of a read.
func TestList_few(t *testing.T) {
	s, key := notingStore(t, false)
	found, _, err := s.List(t.Context())
	if err != nil || len(found) != 1 || found[0].payload != nil {
		t.Errorf("list: got %v, %v, want one without its payload", found, err)
	}
	if _, err := s.EraseAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	key.locked = true
	if found, damaged, err := s.List(t.Context()); len(found)+len(damaged) != 0 || err != nil {
		t.Errorf("locked and empty: %v, %v, %v", found, damaged, err)
	}
}

// A list is whole however many parts it is opened in.
func TestList_many(t *testing.T) {
	s, _ := notingStore(t, true)
	const n = 150
	for i := range n {
		mustPut(t, s, strings.Repeat("x", i%50+1)+string(rune('a'+i/50))+".example", "s")
	}
	found, damaged, err := s.List(t.Context())
	if err != nil || len(damaged) != 0 || len(found) != n {
		t.Fatalf("%d found, %v, %v", len(found), damaged, err)
	}
	for i := range found[1:] {
		if found[i].Canonical >= found[i+1].Canonical {
			t.Errorf("%s before %s", found[i].Canonical, found[i+1].Canonical)
		}
	}
}

// A step that went well is not done again, whatever its error is asked about.
func TestWhileHeldEnds(t *testing.T) {
	for _, failing := range []bool{true, false} {
		steps, slept := 0, time.Duration(0)
		err := durable.WhileHeld(func() error {
			if steps++; failing {
				return fs.ErrPermission
			}
			return nil
		}, func(error) bool { return true }, func(d time.Duration) { slept += d })
		if want := 1 + int(durable.HeldLimit/durable.HeldPause); failing && (steps != want || slept != durable.HeldLimit || !errors.Is(err, fs.ErrPermission)) {
			t.Errorf("held for good: %d steps in %v, %v", steps, slept, err)
		}
		if !failing && (steps != 1 || slept != 0 || err != nil) {
			t.Errorf("never held: %d steps in %v, %v", steps, slept, err)
		}
	}
}

// listingDisk says what is in a generation: what is there, and what listed returns of it.
type listingDisk struct {
	durable.OS
	listed func(dir string, names []string) ([]string, error)
}

func (d listingDisk) List(path string) ([]string, error) {
	names, err := d.OS.List(path)
	if err != nil || !strings.HasPrefix(filepath.Base(path), "g-") {
		return names, err
	}
	return d.listed(path, names)
}

// What a directory lists, and a look does not find, is not taken for erased.
func TestStale_listedAndNotFound(t *testing.T) {
	for name, act := range map[string]func(s *Store, key *notingKey) error{
		"erase": func(s *Store, _ *notingKey) error {
			erased, err := s.Erase(t.Context(), ParseAddress("b.example"))
			if erased {
				t.Error("something was erased that was not there")
			}
			return err
		},
		"erase all": func(s *Store, _ *notingKey) error {
			_, err := s.EraseAll(t.Context())
			return err
		},
		"rotate": func(s *Store, key *notingKey) error { return s.Rotate(t.Context(), here(key.memoryKey)) },
		"list": func(s *Store, _ *notingKey) error {
			found, damaged, err := s.List(t.Context())
			if err != nil || len(found) != 1 || len(damaged) > 1 {
				t.Fatalf("%v, %v, %v", found, damaged, err)
			}
			if len(damaged) == 0 {
				return nil
			}
			return damaged[0]
		},
	} {
		t.Run(name, func(t *testing.T) {
			// Shown for good, for a moment (it was erased meanwhile), and not at all.
			for times, want := range map[int]error{-1: errStale, 1: nil, 0: nil} {
				s, key := notingStore(t, false)
				phantom := key.root(t).nameKey().name("b.example")
				s.disk = listingDisk{listed: func(_ string, names []string) ([]string, error) {
					if times == 0 {
						return names, nil
					}
					times--
					return append(names, phantom), nil
				}}
				if err := act(s, key); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				s.disk = durable.OS{}
				if got := secretOf(s, "a.example"); got != "s" && name != "erase all" {
					t.Errorf("the other login is now %s", got)
				}
			}
		})
	}
}

// What shows late is found: it is removed, or kept by a rotation, as if it had shown at once.
func TestStale_showsLate(t *testing.T) {
	erase := func(s *Store, _ *notingKey) error {
		erased, err := s.Erase(t.Context(), ParseAddress("a.example"))
		if !erased {
			t.Error("nothing was erased")
		}
		return err
	}
	for name, act := range map[string]func(s *Store, key *notingKey) error{
		"erase, with the list": erase, "erase, after the list": erase,
		"rotate": func(s *Store, key *notingKey) error { return s.Rotate(t.Context(), here(key.memoryKey)) },
		"list": func(s *Store, _ *notingKey) error {
			found, damaged, err := s.List(t.Context())
			if len(found) != 1 || found[0].Secret != "s" || found[0].payload != nil || len(damaged) != 0 {
				t.Errorf("list: got %v, damaged %v, want one without its payload", found, damaged)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, key := notingStore(t, false)
			entry := key.root(t).nameKey().name("a.example")
			aside := filepath.Join(t.TempDir(), "aside")
			path := filepath.Join(s.loc.Generation(key.root(t).KID()), entry)
			if err := os.Rename(path, aside); err != nil {
				t.Fatal(err)
			}
			hidden := 1 // so many lists are answered before it shows
			if name == "erase, with the list" {
				hidden = 0
			}
			s.disk = listingDisk{listed: func(_ string, names []string) ([]string, error) {
				if hidden == 0 {
					if err := os.Rename(aside, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
				}
				hidden--
				if slices.Contains(names, entry) {
					return names, nil
				}
				return append(names, entry), nil
			}}
			if err := act(s, key); err != nil {
				t.Error(err)
			}
			s.disk = durable.OS{}
			want := "s"
			if strings.HasPrefix(name, "erase") {
				want = ErrNotFound.Error()
			}
			if got := secretOf(s, "a.example"); got != want {
				t.Errorf("it is now %s, want %s", got, want)
			}
		})
	}
}

// A directory that cannot be listed is no proof that something is gone.
func TestStale_notFoundAndNotListed(t *testing.T) {
	s, key := notingStore(t, false)
	root := key.root(t)
	v := view{store: s, names: root.nameKey(), root: root}
	phantom := v.names.name("b.example")
	s.disk = listingDisk{listed: func(string, []string) ([]string, error) { return nil, syscall.EIO }}
	if erased, err := s.Erase(t.Context(), ParseAddress("b.example")); erased || !errors.Is(err, syscall.EIO) {
		t.Errorf("erase: %t, %v", erased, err)
	}
	if _, err := v.openConfirmed(phantom); !errors.Is(err, syscall.EIO) {
		t.Errorf("open: %v", err)
	}
	if _, err := v.removeConfirmed(phantom); !errors.Is(err, syscall.EIO) {
		t.Errorf("remove: %v", err)
	}
	if names, err := (durable.OS{}).List(s.loc.configFile()); err == nil {
		t.Errorf("a file lists %v", names)
	}
	s.disk = durable.OS{}
	if _, err := v.openConfirmed(phantom); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of what is not there: %v", err)
	}
	if there, err := (view{store: s, names: nameKey{kid: "0011223344556677"}}).lists(phantom); there || err != nil {
		t.Errorf("a generation that is gone lists it: %t, %v", there, err)
	}
}
