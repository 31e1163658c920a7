package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"regshape/scripts/testenv"
)

// A file of the greatest size is read, and none that gives less than it has.
func TestReadFile_sizes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for size, want := range map[int]error{0: nil, 1: nil, MaxFile: nil, MaxFile + 1: ErrUnsafe} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := ReadFile(path, Secret)
		if !errors.Is(err, want) || want == nil && (err != nil || len(data) != size) {
			t.Errorf("%d bytes: %d, %v", size, len(data), err)
		}
	}
	// The kernel's files say that they have a page, and give less.
	const short = "/sys/devices/system/cpu/online"
	info, err := os.Stat(short)
	if err != nil {
		t.Skipf("no file that gives less than it says: %v", err)
	}
	data, err := ReadFile(short, Sealed)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), short) {
		t.Errorf("of %d bytes: %q, %v", info.Size(), data, err)
	}
}

// An error of a read names the step and the file.
func TestRawFile_errors(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	_, err := openRaw(none)
	if want := "open " + none + ": no such file or directory"; err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want %s", err, want)
	}
	closed := rawFile{fd: -1, path: "/p"}
	if _, err := closed.stat(); err == nil || err.Error() != "stat /p: bad file descriptor" {
		t.Errorf("stat of a closed file: %v", err)
	}
	if n, err := closed.Read(make([]byte, 1)); n != 0 || err == nil || err.Error() != "read /p: bad file descriptor" {
		t.Errorf("read of a closed file: got %d, %v", n, err)
	}
	calls := 0
	err = closed.again("x", func() error {
		if calls++; calls < 3 {
			return syscall.EINTR
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("interrupted twice: %v after %d calls", err, calls)
	}
}

// A read at the end says so, as an io.Reader does, and a read of nothing does not.
func TestRawFile_end(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("ab"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if n, err := f.Read(nil); n != 0 || err != nil {
		t.Errorf("of nothing: %d, %v", n, err)
	}
	if data, err := io.ReadAll(f); string(data) != "ab" || err != nil {
		t.Errorf("got %q, %v, want %q", data, err, "ab")
	}
	if n, err := f.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := f.Read(nil); n != 0 || err != nil {
		t.Errorf("of nothing, at the end: %d, %v", n, err)
	}
}

// A path that leads through a file is an error, and no file that is not there.
func TestExists(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink("none", file+"link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{file: true, file + "link": true, file + "x": false} {
		if there, err := Exists(path); there != want || err != nil {
			t.Errorf("%s: %t, %v", path, there, err)
		}
	}
	if there, err := Exists(filepath.Join(file, "x")); there || err == nil {
		t.Errorf("below a file: %t, %v", there, err)
	}
}

// The command in an error changes the file that the error is about, whatever its path.
func TestAdvice_quoted(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	for _, name := range []string{"a b", "it's", `"$(touch x)"`, "a  b\n;touch x", "\x1b]0;x\a", "-rf", "\u202e'\xff"} {
		dir := filepath.Join(t.TempDir(), name)
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, []byte("x"), 0o600), os.Chmod(dir, 0o777), os.Chmod(path, 0o666)); err != nil {
			t.Fatal(err)
		}
		advised := func(err error) {
			t.Helper()
			if !errors.Is(err, ErrUnsafe) {
				t.Fatalf("%q: %v", name, err)
			}
			_, command, _ := strings.Cut(err.Error(), "run '")
			if out, err := testenv.Command(testenv.Environ(t.TempDir()), bash, "-c", strings.TrimSuffix(command, "'")).CombinedOutput(); err != nil {
				t.Errorf("%q: %s: %v, %s", name, command, err, out)
			}
		}
		_, err := ReadFile(path, Secret)
		advised(err)
		advised(CheckDir(dir))
		if _, err := ReadFile(path, Secret); err != nil || CheckDir(dir) != nil {
			t.Errorf("%q: after the advice: %v, %v", name, err, CheckDir(dir))
		}
	}
}
