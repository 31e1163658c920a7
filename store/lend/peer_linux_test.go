package lend

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"regshape/store"
)

// Where the directory would let them in, processes of other users are neither answered nor asked.
func TestPeer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user for a moment")
	}
	dir := temporary(t)
	become := func(uid int) {
		if err := errors.Join(syscall.Setresuid(-1, uid, -1), unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := listenIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o777), os.Chmod(dir, 0o777), os.Chmod(l.path, 0o666)); err != nil {
		t.Fatal(err)
	}
	connect := func() net.Conn {
		conn, err := net.Dial("unix", l.path)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	become(12345)
	stranger := connect()
	strangers, err := net.Listen("unix", filepath.Join(dir, "stranger"))
	become(0)
	if err != nil {
		t.Fatal(err)
	}
	defer strangers.Close()
	defer connect().Close()
	conn, asker, err := l.AcceptFrom()
	if err != nil || !strings.HasPrefix(asker, "lend.test (uid 0)") {
		t.Errorf("got %q (%v)", asker, err)
	}
	conn.Close()
	if _, err := stranger.Read(make([]byte, 1)); err == nil {
		t.Error("another user's connection stayed open")
	}
	if _, _, err := dial(t.Context(), strangers.Addr().String()); !errors.Is(err, errStranger) {
		t.Errorf("another user's socket: %v", err)
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := listenIn(dir); err == nil || !strings.Contains(err.Error(), "belongs to another user: ") {
		t.Errorf("in another user's directory: %v", err)
	}
	if _, _, err := Ask(t.Context(), store.ParseAddress("r.example")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("asked in another user's directory: %v", err)
	}
}

func TestMappedRoot(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  int
	}{
		{"         0          0 4294967295\n", 0},
		{"         0       4200          1\n         1     100000      65536\n", 4200}, // rootless podman
		{"         1     100000      65536\n", 0},
		{"", 0},
	} {
		if got := mappedRoot(c.lines); got != c.want {
			t.Errorf("%q: got %d, want %d", c.lines, got, c.want)
		}
	}
}
