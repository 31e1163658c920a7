//go:build unix

package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"regshape/scripts/testenv"
	"regshape/store/durable"
)

// tree makes directories and programs below a new directory: what ends in / and what does not.
func tree(t *testing.T, names ...string) (at func(name string) string) {
	t.Helper()
	top := t.TempDir()
	at = func(name string) string { return filepath.Join(top, name) }
	for _, name := range names {
		dir := filepath.Dir(at(name))
		if strings.HasSuffix(name, "/") {
			dir = at(name)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != at(name) {
			if err := os.WriteFile(at(name), []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return at
}

// A program that others could replace is refused when it is trusted and when it is started:
// by its own mode, that of a directory above it, or that of a link's or its target's.
func TestReplaceable(t *testing.T) {
	home := testenv.Home(t)
	loc := storeIn(t, filepath.Join(home, "a"))
	at := tree(t, "bin/vault", "opt/tools/vault", "links/")
	if err := errors.Join(os.Symlink("../opt/tools/vault", at("links/vault")), os.Symlink(at("opt"), at("elsewhere"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, changed string }{
		{"bin/vault", "bin/vault"},
		{"bin/vault", "bin"},
		{"bin/vault", "."},
		{"links/vault", "opt/tools/vault"},
		{"links/vault", "opt/tools"},
		{"links/vault", "opt"},
		{"links/vault", "links"},
		{"elsewhere/tools/vault", "opt/tools"},
		{"links/../bin/vault", "links"},
	} {
		p := Program{Key, []string{at(".") + "/" + c.path}}
		mustAdd(t, loc, p)
		wantCheck(t, c.path, loc, p, nil)
		for _, mode := range []fs.FileMode{0o775, 0o757, 0o772, 0o720} {
			if err := os.Chmod(at(c.changed), mode); err != nil {
				t.Fatal(err)
			}
			wantCheck(t, c.path+" with "+c.changed+" of mode "+mode.String(), loc, p, durable.ErrUnsafe)
			if err := Add(loc, p); !errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), at(c.changed)+" (mode ") {
				t.Errorf("%s with %s of mode %v: %v", c.path, c.changed, mode, err)
			}
		}
		// What others may add to, as to /tmp, and only take away what is theirs.
		err := os.Chmod(at(c.changed), 0o777|fs.ModeSticky)
		if err != nil {
			t.Fatal(err)
		}
		want := error(nil)
		if strings.HasSuffix(c.changed, "vault") {
			want = durable.ErrUnsafe
		}
		wantCheck(t, c.path+" with a sticky "+c.changed, loc, p, want)
		if err := os.Chmod(at(c.changed), 0o755); err != nil {
			t.Fatal(err)
		}
		wantCheck(t, c.path+", mended", loc, p, nil)
	}
	if err := errors.Join(os.Symlink("loop", at("loop"))); err != nil {
		t.Fatal(err)
	}
	if err := (Program{Key, []string{at("loop")}}).Guarded(); !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("a link to itself: %v", err)
	}
	if err := (Program{Key, []string{"/bin/sh"}}).Guarded(); err != nil {
		t.Errorf("the system's shell: %v", err)
	}
}

func TestWriters(t *testing.T) {
	for _, c := range []struct {
		goos string
		mode fs.FileMode
		gid  uint32
		want fs.FileMode
	}{
		{"darwin", 0o775, adminGroup, 0}, // as Homebrew's directories
		{"darwin", 0o777, adminGroup, 0o002},
		{"darwin", 0o775, adminGroup + 1, 0o020},
		{"linux", 0o775, adminGroup, 0o020},
		{"linux", 0o755, 0, 0},
	} {
		if got := writers(c.goos, c.mode, c.gid); got != c.want {
			t.Errorf("%s, mode %04o, group %d: got %04o, want %04o", c.goos, c.mode, c.gid, got, c.want)
		}
	}
}

// What another user owns may be changed by that user, whatever its mode.
func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	home := testenv.Home(t)
	loc := storeIn(t, filepath.Join(home, "a"))
	at := tree(t, "bin/vault", "links/")
	if err := os.Symlink(at("bin/vault"), at("links/vault")); err != nil {
		t.Fatal(err)
	}
	p := Program{Key, []string{at("links/vault")}}
	mustAdd(t, loc, p)
	for _, name := range []string{"bin/vault", "bin", ".", "links", "links/vault"} {
		if err := os.Lchown(at(name), 12345, 0); err != nil {
			t.Fatal(err)
		}
		wantCheck(t, name, loc, p, durable.ErrUnsafe)
		if err := Add(loc, p); !errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), "uid 12345") {
			t.Errorf("%s: %v", name, err)
		}
		// As where that uid stands for root.
		if err := p.guarded(12345); err != nil {
			t.Errorf("%s, of an outer root: %v", name, err)
		}
		if err := os.Lchown(at(name), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	wantCheck(t, "all is root's", loc, p, nil)
	if uid := outerRoot(); uid != 0 {
		t.Errorf("outside of a user namespace root is %d", uid)
	}
}

// A list that others could write allows nothing, and is not written to.
func TestUnsafeList(t *testing.T) {
	home := testenv.Home(t)
	loc, p := storeIn(t, filepath.Join(home, "a")), program(t)
	mustAdd(t, loc, p)
	where, err := locate(loc)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(where.path)
	refused := func(what string) {
		t.Helper()
		wantCheck(t, what, loc, p, durable.ErrUnsafe)
		if err := Add(loc, program(t)); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("%s: added: %v", what, err)
		}
		if _, err := Revoke(loc); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("%s: revoked: %v", what, err)
		}
	}
	chmod := func(path string, mode fs.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o666} {
		chmod(where.path, mode)
		refused("the list of mode " + mode.String())
	}
	chmod(where.path, 0o600)
	for _, above := range []string{dir, filepath.Dir(dir), home} {
		chmod(above, 0o770)
		refused(above + " is the group's")
		chmod(above, 0o700)
	}
	wantCheck(t, "mended", loc, p, nil)
	if os.Geteuid() == 0 {
		for _, path := range []string{where.path, dir} {
			if err := os.Chown(path, 12345, 0); err != nil {
				t.Fatal(err)
			}
			refused(path + " belongs to another user")
			if err := os.Chown(path, 0, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	aside := filepath.Join(home, "aside")
	if err := errors.Join(os.Rename(where.path, aside), os.Symlink(aside, where.path)); err != nil {
		t.Fatal(err)
	}
	refused("a link to the list")
	if err := errors.Join(os.Remove(where.path), os.Mkdir(where.path, 0o700)); err != nil {
		t.Fatal(err)
	}
	refused("a directory")
	if err := errors.Join(os.Remove(where.path), os.WriteFile(where.path, make([]byte, 2<<20), 0o600)); err != nil {
		t.Fatal(err)
	}
	refused("a list of 2 MiB")
	if runtime.GOOS != "linux" {
		return
	}
	// A link above it is the user's own way of keeping things elsewhere.
	if err := errors.Join(os.Remove(where.path), os.Rename(aside, where.path), os.Rename(dir, aside), os.Symlink(aside, dir)); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, "a link above the list", loc, p, nil)
}
