package keys

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"regshape/scripts/testenv"
	"regshape/store"
)

func TestNamed(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	n := Named{Path: path}
	if _, err := n.Load(ctx, ""); !errors.Is(err, store.ErrNoKey) || !strings.Contains(err.Error(), "REGSHAPE_KEY_FILE") || !strings.Contains(err.Error(), path) {
		t.Errorf("no file: %v", err)
	}
	a, b := store.NewRootKey(), store.NewRootKey()
	canary := strings.Fields(a.Line())[2]
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":        {"", store.ErrNoKey},
		"comments":       {"# none\n\n \t\r\n", store.ErrNoKey},
		"another line":   {a.Line() + "\npassword " + canary + "\n", store.ErrKeyDamaged},
		"half a line":    {a.Line()[:60], store.ErrKeyDamaged},
		"a changed line": {strings.Replace(a.Line(), a.KID(), b.KID(), 1), store.ErrKeyDamaged},
		"another key":    {b.Line(), store.ErrWrongKey},
		"too much":       {strings.Repeat("#\n", 40000), nil},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := n.Load(ctx, a.KID())
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "REGSHAPE-KEY-1 "+a.KID())) {
			t.Errorf("%s: the error quotes the file", name)
		}
	}
	if err := os.WriteFile(path, []byte("  "+a.Line()), 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := n.Load(ctx, a.KID()); err != nil || !k.Equal(a) {
		t.Errorf("without a line ending: %v", err)
	}
	wide, err := binary.Append(nil, binary.LittleEndian, utf16.Encode([]rune("\ufeff"+a.Line()+"\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, wide, 0o600); err != nil {
		t.Fatal(err)
	}
	if k, err := n.Load(ctx, a.KID()); err != nil || !k.Equal(a) {
		t.Errorf("as PowerShell writes it: %v", err)
	}
	if _, err := (Named{Path: dir}).Load(ctx, ""); err == nil {
		t.Error("a directory is taken for a key file")
	}
}

// Secrets are mounted as symbolic links to files that all can read.
func TestNamedMounted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes, and links need a privilege")
	}
	dir, k := t.TempDir(), store.NewRootKey()
	data := filepath.Join(dir, "..data-1")
	if err := os.WriteFile(data, []byte(k.Line()+"\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	n := Named{Path: filepath.Join(dir, "key")}
	if err := os.Symlink(data, n.Path); err != nil {
		t.Fatal(err)
	}
	if got, err := n.Load(context.Background(), k.KID()); err != nil || !got.Equal(k) {
		t.Errorf("load: %v", err)
	}
	for mode, want := range map[fs.FileMode]bool{0o444: true, 0o440: true, 0o404: true, 0o600: false, 0o400: false} {
		if err := os.Chmod(data, mode); err != nil {
			t.Fatal(err)
		}
		if how, _ := n.Exposed(); (how != "") != want || want && how != fmt.Sprintf("mode %04o", mode) {
			t.Errorf("mode %04o: exposed %q", mode, how)
		}
	}
	if how, _ := (Named{Path: filepath.Join(dir, "none")}).Exposed(); how != "" {
		t.Errorf("what is not there is exposed: %s", how)
	}
}

// Neither a pipe nor a device that never ends may hang a pull.
func TestNamedNoFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has neither in its file system")
	}
	requirePrograms(t, "mkfifo")
	pipe := filepath.Join(t.TempDir(), "pipe")
	if out, err := testenv.Command(testenv.Environ(t.TempDir()), "mkfifo", pipe).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, path := range []string{pipe, "/dev/zero", "/dev/tty"} {
		begun := time.Now()
		if _, err := (Named{Path: path}).Load(context.Background(), ""); err == nil || time.Since(begun) > time.Second {
			t.Errorf("%s: after %v: %v", path, time.Since(begun), err)
		}
	}
}

func FuzzKeyLines(f *testing.F) {
	k := store.NewRootKey().Line()
	for _, seed := range []string{"", k, "# x\n" + k + "\r\n\n" + k, "REGSHAPE-KEY-1 x y z", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found, err := parseKeyLines([]byte(text), "there")
		if err != nil {
			return
		}
		var again strings.Builder
		for _, k := range found {
			fmt.Fprintln(&again, k.Line())
		}
		if same, err := parseKeyLines([]byte(again.String()), "there"); err != nil || len(same) != len(found) {
			t.Errorf("what was read does not read the same: %v", err)
		}
	})
}
