package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

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

func TestOpenNamed(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode fs.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(name), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dangling, pipe := filepath.Join(dir, "dangling"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink("none", dangling), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		want error
	}{
		{write("private", 0o600), nil},
		{write("public", 0o444), nil},
		{write("shared", 0o660), ErrUnsafe},
		{filepath.Join(dir, "none"), fs.ErrNotExist},
		{dangling, fs.ErrNotExist},
		{pipe, ErrUnsafe},
		{dir, ErrUnsafe},
	} {
		before := openFiles(t)
		f, err := OpenNamed(test.path)
		if after := openFiles(t); f == nil && after != before {
			t.Errorf("OpenNamed(%s) refuses it, and %d files are open, want %d", test.path, after, before)
		}
		if !errors.Is(err, test.want) {
			t.Errorf("OpenNamed(%s) fails with %v, want %v", test.path, err, test.want)
		}
		if (f != nil) != (test.want == nil) {
			t.Errorf("OpenNamed(%s) returns the file %v, want one: %t", test.path, f, test.want == nil)
		}
		if f != nil {
			if data, err := io.ReadAll(f); err != nil || string(data) != filepath.Base(test.path) {
				t.Errorf("%s holds %q (%v), want its name", test.path, data, err)
			}
			_ = f.Close()
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// Root's files are accepted from every user, and any user's from that user alone.
func TestOpenNamed_owner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user for a moment")
	}
	const user, other = 12345, 777
	t.Chdir(t.TempDir()) // directories above may be closed to the user
	if err := os.Chmod(".", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, uid := range map[string]int{"root": 0, "user": user, "other": other} {
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Chown(name, uid, uid)); err != nil {
			t.Fatal(err)
		}
	}
	for euid, refused := range map[int][]string{0: {"user", "other"}, user: {"other"}} {
		become(t, euid)
		for _, name := range []string{"root", "user", "other"} {
			f, err := OpenNamed(name)
			if got, want := errors.Is(err, ErrUnsafe), slices.Contains(refused, name); got != want || !got && err != nil {
				t.Errorf("uid %d: OpenNamed(%q) refuses: %t (%v), want %t", euid, name, got, err, want)
			}
			if f != nil {
				_ = f.Close()
			}
		}
		become(t, 0)
	}
}

// become changes the user that the whole process acts for, and keeps /proc/self readable.
func become(t *testing.T, uid int) {
	t.Helper()
	if err := errors.Join(syscall.Setresuid(-1, uid, -1), unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)); err != nil {
		t.Fatal(err)
	}
}
