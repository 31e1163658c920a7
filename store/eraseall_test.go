package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"regshape/store/durable"
)

// EraseAll counts, needs no key, and leaves alone what is no entry.
func TestEraseAll(t *testing.T) {
	s, key := notingStore(t, false)
	mustPut(t, s, "b.example", "s")
	kid := key.root(t).KID()
	stranger := filepath.Join(s.loc.Generation(kid), "README")
	other := s.loc.Generation("0011223344556677")
	old := filepath.Join(other, strings.Repeat("0", 32))
	if err := errors.Join(os.WriteFile(stranger, nil, 0o600), os.Mkdir(other, 0o700), os.WriteFile(old, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	key.locked = true
	if n, err := s.EraseAll(t.Context()); n != 3 || err != nil {
		t.Errorf("erased %d, %v; want 3", n, err)
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an entry under another key is still there")
	}
	key.locked = false
	if got := secretOf(s, "a.example"); got != ErrNotFound.Error() {
		t.Errorf("get says %s", got)
	}
	if n, err := s.EraseAll(t.Context()); n != 0 || err != nil {
		t.Errorf("once more: %d, %v", n, err)
	}
	empty, _ := notingStore(t, true)
	if n, err := empty.EraseAll(t.Context()); n != 0 || err != nil {
		t.Errorf("of no store: %d, %v", n, err)
	}
	if left, err := os.ReadDir(empty.loc.Data); err != nil || len(left) != 0 {
		t.Errorf("which has now %v (%v)", left, err)
	}
}

// What was erased before the disk failed is counted.
func TestEraseAll_counts(t *testing.T) {
	for _, test := range []struct {
		step  string
		after int
		want  int
	}{{"remove", 0, 0}, {"remove", 1, 1}, {"sync directory", 0, 2}} {
		s, _ := notingStore(t, false)
		mustPut(t, s, "b.example", "s")
		stopped := false
		s.disk = fault{step: test.step, after: test.after, err: syscall.EIO, stopped: &stopped}.disk()
		if n, err := s.EraseAll(t.Context()); n != test.want || !errors.Is(err, syscall.EIO) {
			t.Errorf("%s %d: %d, %v; want %d", test.step, test.after, n, err, test.want)
		}
	}
	// Another run erases at the same moment.
	s, _ := notingStore(t, false)
	stopped := false
	s.disk = fault{step: "remove", err: syscall.ENOENT, lies: true, stopped: &stopped}.disk()
	if n, err := s.EraseAll(t.Context()); err != nil || !stopped {
		t.Errorf("beside another run: %d, %v", n, err)
	}
	s, _ = notingStore(t, false)
	s.disk = fault{step: "remove", err: syscall.ENOENT, lies: true, stopped: &stopped}.disk()
	if erased, err := s.Erase(t.Context(), ParseAddress("a.example")); erased || err != nil {
		t.Errorf("erase beside another run: %t, %v", erased, err)
	}
}

// A generation that is another's in any way ends it, and is reported.
func TestEraseAll_everyGeneration(t *testing.T) {
	for want, spoil := range map[error]func(dir string) error{
		ErrNewer:          func(dir string) error { return os.WriteFile(filepath.Join(dir, ".rekey"), nil, 0o600) },
		durable.ErrUnsafe: func(dir string) error { return os.Chmod(dir, 0o777) },
	} {
		s, _ := notingStore(t, false)
		other := s.loc.Generation("ffffffffffffffff")
		if err := errors.Join(os.Mkdir(other, 0o700), spoil(other)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.EraseAll(t.Context()); !errors.Is(err, want) && (durable.ModesMatter || want != durable.ErrUnsafe) { //nolint:errorlint // the very one
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// An erase is durable also where another run has removed the entry: its sync may fail yet.
func TestErase_syncsMissing(t *testing.T) {
	for _, test := range []struct {
		server string
		cause  error
		fails  bool
	}{
		{"none.example", syscall.EIO, true},
		{"none.example", syscall.ENOENT, false},
		{"a.example", syscall.EIO, true},
		{"a.example", syscall.ENOENT, true},
	} {
		s, _ := notingStore(t, false)
		stopped := false
		s.disk = fault{step: "sync directory", err: test.cause, stopped: &stopped}.disk()
		if _, err := s.Erase(t.Context(), ParseAddress(test.server)); errors.Is(err, test.cause) != test.fails || !stopped {
			t.Errorf("%s, %v: %v", test.server, test.cause, err)
		}
	}
}

// Where nothing is stored there is nothing to refuse.
func TestErase_nothing(t *testing.T) {
	s, _ := notingStore(t, false)
	s.loc.home, s.loc.noHome = filepath.Join(s.loc.Data, "gone"), true
	if erased, err := s.Erase(t.Context(), ParseAddress("none.example")); erased || err != nil {
		t.Errorf("erase: got %t, %v, want false", erased, err)
	}
}

// Nothing is written into a home that is not there, whatever is asked for.
func TestEveryAct_missingHome(t *testing.T) {
	for _, act := range everyAct() {
		if slices.Contains([]string{"restore elsewhere", "resume", "erase answers"}, act.name) { // the first is like restore, the others find nothing to do
			continue
		}
		s, key := notingStore(t, false)
		s.loc.home = filepath.Join(s.loc.Data, "gone")
		s.loc.noHome = true
		if err := act.do(t, s, key); (err == nil) == act.writes {
			t.Errorf("%s: %v", act.name, err)
		}
		if got := secretOf(s, "a.example"); got != "s" {
			t.Errorf("%s: get says %s", act.name, got)
		}
	}
}
