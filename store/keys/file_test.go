package keys

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"regshape/store"
	"regshape/store/durable"
)

func TestFile(t *testing.T) {
	ctx := context.Background()
	loc := testLocation(t)
	f := File{Location: loc}
	a, b := store.NewRootKey(), store.NewRootKey()
	for _, k := range []store.RootKey{a, b} {
		if err := f.Stage(ctx, k, ""); err != nil {
			t.Fatal(err)
		}
		if err := f.Promote(ctx, k.KID()); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(loc.KeyFile())); err != nil || len(left) != 1 {
		t.Errorf("beside the key there is %v (%v)", left, err)
	}
	if info, err := os.Stat(loc.KeyFile()); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info.Mode(), err)
	}
	if k, err := f.Load(ctx, ""); err != nil || !k.Equal(b) {
		t.Errorf("load: %v", err)
	}
	if err := os.WriteFile(loc.KeyFile(), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kid := range []string{"", b.KID()} {
		if _, err := f.Load(ctx, kid); !errors.Is(err, store.ErrKeyDamaged) && !errors.Is(err, store.ErrNoKey) {
			t.Errorf("load of garbage: %v", err)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := os.Chmod(loc.KeyFile(), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(ctx, ""); !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("load of a file that others can read: %v", err)
	}
}

// What lies under a staged key's name replaces the present key only if it is that key.
func TestFilePromote_anotherKey(t *testing.T) {
	f := File{Location: testLocation(t)}
	a, b := store.NewRootKey(), store.NewRootKey()
	if err := errors.Join(f.Stage(t.Context(), a, ""), f.Promote(t.Context(), a.KID())); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "junk", b.Line()} {
		if err := os.WriteFile(f.Location.StagedKeyFile(a.KID()), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.Promote(t.Context(), a.KID()); err == nil {
			t.Errorf("%.4q was promoted", text)
		}
		if k, err := loadFile(f.Location.KeyFile(), a.KID()); err != nil || !k.Equal(a) {
			t.Errorf("%.4q: the present key: %v", text, err)
		}
	}
}

// A key that was moved aside by mistake is found again, also where a file system has no
// hard links, and does not replace a newer one.
func TestFilePutBack(t *testing.T) {
	ctx := t.Context()
	old, now, newer := store.NewRootKey(), store.NewRootKey(), store.NewRootKey()
	for what, link := range map[string]func(from, to string) error{
		"hard links":    os.Link,
		"no hard links": func(string, string) error { return &os.LinkError{Op: "link", Err: syscall.EPERM} },
	} {
		for _, promoted := range []bool{false, true} {
			f := File{Location: testLocation(t)}
			aside := f.Location.StagedKeyFile(old.KID())
			if err := durable.WriteUnread(aside, []byte(now.Line())); err != nil {
				t.Fatal(err)
			}
			if promoted {
				if err := errors.Join(f.Stage(ctx, newer, ""), f.Promote(ctx, newer.KID())); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.putBack(aside, now.KID(), link); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if _, err := os.Stat(aside); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: the key is still under the other's name: %v", what, err)
			}
			if promoted {
				if k, err := loadFile(f.Location.KeyFile(), newer.KID()); err != nil || !k.Equal(newer) {
					t.Errorf("%s: the newer key: %v", what, err)
				}
				continue
			}
			if k, err := f.Load(ctx, now.KID()); err != nil || !k.Equal(now) {
				t.Errorf("%s: load: %v", what, err)
			}
			if err := f.Promote(ctx, now.KID()); err != nil {
				t.Errorf("%s: promote: %v", what, err)
			}
			if k, err := loadFile(f.Location.KeyFile(), now.KID()); err != nil || !k.Equal(now) {
				t.Errorf("%s: the present key: %v", what, err)
			}
		}
	}
}

func TestDefault(t *testing.T) {
	want := store.KeySource{Source: store.SourceFile}
	if HasRing(runtime.GOOS) {
		want.Source = store.SourceKeyring
	}
	for goos, has := range map[string]bool{"darwin": true, "windows": true, "linux": false, "freebsd": false} {
		if HasRing(goos) != has {
			t.Errorf("%s: has a keyring of its own: %t, want %t", goos, !has, has)
		}
	}
	if got := (Sources{}).Default(); !got.Equal(want) {
		t.Errorf("default: %v", got)
	}
	if got := (Sources{KeyFile: "x"}).Default(); !got.Equal(store.KeySource{Source: store.SourceEnvironment}) {
		t.Errorf("default with a named file: %v", got)
	}
}

func TestChoose(t *testing.T) {
	loc := testLocation(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		source store.KeySource
		want   store.Key
	}{
		{store.KeySource{Source: store.SourceFile}, File{Location: loc}},
		{store.KeySource{Source: store.SourceKeyring}, NewKeyring()},
		{store.KeySource{Source: store.SourceSlots, Recipient: "age1x"}, Slots{Location: loc, Recipient: "age1x", cache: systemCache()}},
		{store.KeySource{Source: store.SourceCommand, Command: []string{program, "x"}}, Command{Words: []string{program, "x"}, loc: loc}},
	} {
		if k, err := (Sources{}).Choose(loc, c.source); err != nil || !reflect.DeepEqual(k, c.want) {
			t.Errorf("%s: %v, %v", c.source.Source, k, err)
		}
	}
	for _, source := range []store.KeySource{
		{Source: store.SourceCommand},
		{Source: store.SourceCommand, Command: []string{"pass"}},
		{Source: store.SourceEnvironment},
		{Source: "tpm"},
	} {
		if k, err := (Sources{}).Choose(loc, source); err == nil || errors.Is(err, store.ErrNewer) != (source.Source == "tpm") {
			t.Errorf("%v: %v, %v", source, k, err)
		}
		k, err := (Sources{KeyFile: "/run/secrets/x"}).Choose(loc, source)
		if err != nil || k != (Named{Path: "/run/secrets/x"}) {
			t.Errorf("%v with a named file: %v, %v", source, k, err)
		}
	}
	_, err = (Sources{}).Choose(loc, store.KeySource{Source: store.SourceEnvironment})
	if err == nil || !strings.Contains(err.Error(), "REGSHAPE_KEY_FILE") {
		t.Errorf("environment without the variable: %v", err)
	}
}
