package store

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/store/durable"
)

// asUser runs act as another user, in a directory of root's that the user may look into. The
// directories above may be closed, so paths must be relative.
func asUser(t *testing.T, uid int, act func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user for a moment")
	}
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Chmod(".", 0o755), os.MkdirAll("home/d", 0o755), os.MkdirAll("home/s/below", 0o755), os.MkdirAll("c", 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod("home/s", 0o700), os.Mkdir("home/t", 0o755), os.Chown("home/t", 777, 777)); err != nil {
		t.Fatal(err)
	}
	become(t, uid)
	defer become(t, 0)
	act()
}

// become changes the user that the whole process acts for. A process that does so is not
// dumpable any more, and would not own what /proc says of it.
func become(t *testing.T, uid int) {
	t.Helper()
	if err := errors.Join(syscall.Setresuid(-1, uid, -1), unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)); err != nil {
		t.Fatal(err)
	}
}

// Root's directories in a user's home are what a run under sudo left; any other store of root's
// is root's own. A directory that cannot be looked into is closed by the one above.
func TestRoot_directoriesInHome(t *testing.T) {
	asUser(t, 12345, func() {
		l := Location{Data: "home/d", State: "home/s/below/x", Config: "c"}
		c := checker{now: time.Now()}
		if !c.foreignTops([]string{l.Data, l.State, l.Config, "none"}, "home") {
			t.Error("none of them is another user's")
		}
		owner := chownToUser("x")[3]
		if !strings.HasPrefix(owner, "12345:") {
			t.Errorf("they would be given to %s", owner)
		}
		const foreign = " belongs to uid 0 and you are uid 12345"
		want := []Problem{
			{What: "home/d" + foreign, Path: "home/d", Fix: chownToUser("home/d")},
			{What: "home/s" + foreign, Path: "home/s", Fix: chownToUser("home/s")},
			{What: "c" + foreign, Path: "c", Err: &durable.OwnerError{Path: "c", UID: 0}},
		}
		if !reflect.DeepEqual(c.problems, want) {
			t.Errorf("%+v, want %+v", c.problems, want)
		}
		c = checker{}
		if c.foreignTops([]string{"home/t"}, "home"); len(c.problems) != 1 || c.problems[0].Fix != nil {
			t.Errorf("a third user's directory: %+v", c.problems)
		}
		c = checker{}
		if c.foreignTops([]string{"/"}, ""); len(c.problems) != 1 || c.problems[0].Fix != nil {
			t.Errorf("a directory of root's, and no home: %+v", c.problems)
		}
		c = checker{}
		if c.foreignTops([]string{"home/d"}, ""); len(c.problems) != 1 || c.problems[0].Fix != nil {
			t.Errorf("a store that --store names: %+v", c.problems)
		}
		if err := durable.CheckDir("c"); !errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), "uid 0 and you are uid 12345") {
			t.Errorf("root's directory: got %v, want %v", err, durable.ErrUnsafe)
		}
	})
}

// Under sudo nothing is made in the caller's home. Root in its own home, and root of a
// container with somebody's home in it, may write.
func TestRoot_inHomes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can call sudo without a password here")
	}
	home := t.TempDir()
	for _, test := range []struct {
		owner   int
		sudo    string
		refused bool
	}{{0, "12345", false}, {0, "", false}, {12345, "", false}, {12345, "12345", true}} {
		if err := os.Chown(home, test.owner, test.owner); err != nil {
			t.Fatal(err)
		}
		l := Location{Data: filepath.Join(home, "d"), home: home, sudoUID: test.sudo}
		if err := l.checkWritable(); errors.Is(err, durable.ErrUnsafe) != test.refused || err != nil && !test.refused {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// A directory that may be searched and not read is an error, never an empty store.
func TestOpen_unreadableDirectories(t *testing.T) {
	asUser(t, 0, func() {
		if err := os.Chown("c", 12345, 12345); err != nil {
			t.Fatal(err)
		}
	})
	become(t, 12345)
	defer become(t, 0)
	key := &notingKey{memoryKey: &memoryKey{}, refuse: map[string]error{}}
	s, err := Open(Location{Data: "c/s", State: "c/s", Config: "c/s"}, key)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a.example", "s")
	s = memoryStoreOf(t, s, key)
	generation := s.loc.Generation(s.config.KID)
	for dir, acts := range map[string]string{generation: ",list,erase all,rotate,", s.loc.v1(): ",erase all,resume,abort,restore,forget,", s.loc.Data: ",resume,abort,forget,"} {
		if err := os.Chmod(dir, 0o300); err != nil {
			t.Fatal(err)
		}
		for _, act := range everyAct() {
			if !strings.Contains(acts, ","+act.name+",") {
				continue
			}
			if err := act.do(t, s, key); !errors.Is(err, syscall.EACCES) {
				t.Errorf("%s with %s closed: %v", act.name, dir, err)
			}
		}
		if _, err := s.strays(); dir == s.loc.v1() && !errors.Is(err, syscall.EACCES) {
			t.Errorf("strays: %v", err)
		}
		if problems := s.loc.Check(time.Now()); dir == s.loc.v1() && (len(problems) != 1 || problems[0].Path != dir) {
			t.Errorf("check: %+v", problems)
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("get says %s", got)
	}
	if err := os.Chmod(generation, 0o600); err != nil { // which may be read and not searched
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), ParseAddress("a.example")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("erase: %v", err)
	}
	// The generation is not there, and whether others are cannot be known.
	if err := errors.Join(os.Chmod(generation, 0o700), os.RemoveAll(generation), os.Chmod(s.loc.v1(), 0o300)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("get without the generation: %v", err)
	}
	key.locked = true
	if err := os.Remove(s.loc.namesFile()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), ParseAddress("a.example")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("get without names and generation: %v", err)
	}
}
