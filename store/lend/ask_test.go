package lend

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"regshape/store"
)

// serve makes a forward of this user that answers every request with these bytes, and then says
// no more.
func serve(t testing.TB, dir string, answer []byte) {
	t.Helper()
	l, err := listenIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, _, err := l.AcceptFrom()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Write(answer)
				_, _ = io.Copy(io.Discard, conn) // until the other side has enough
			}()
		}
	}()
}

func frames(list ...Frame) []byte {
	var out bytes.Buffer
	for _, f := range list {
		_ = Write(&out, f)
	}
	return out.Bytes()
}

// temporary makes this test's directory of sockets.
func temporary(t testing.TB) (dir string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("logins are not forwarded to Windows")
	}
	top, err := os.MkdirTemp("", "lend") // t.TempDir would be too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	t.Setenv("TMPDIR", top)
	return dirs()[1]
}

func TestAsk(t *testing.T) {
	hello := Frame{Kind: Hello, From: "near\x1b[2J"}
	lent := Frame{Kind: Answer, Login: &Login{Canonical: "r.example", Username: "alice", Secret: "s"}}
	for _, c := range []struct {
		name    string
		servers [][]byte // the oldest first
		want    string   // user and machine, or the error
	}{
		{"nothing", nil, store.ErrNotFound.Error()},
		{"lent", [][]byte{frames(hello, lent)}, "alice from near?[2J"},
		{"working", [][]byte{frames(hello, Frame{Kind: Working}, Frame{Kind: Working}, lent)}, "alice from near?[2J"},
		{"not lent", [][]byte{frames(hello, Frame{Kind: Answer, Problem: NotFound})}, store.ErrNotFound.Error()},
		{"locked", [][]byte{frames(hello, Frame{Kind: Answer, Problem: Locked})}, "near?[2J, which lends logins here, has a locked store"},
		{"failed", [][]byte{frames(hello, Frame{Kind: Answer, Problem: Failed})}, "near?[2J, which lends logins here, could not make this login"},
		{"newest first", [][]byte{frames(Frame{Kind: Hello, From: "old"}, lent), frames(hello, lent)}, "alice from near?[2J"},
		{"the next", [][]byte{frames(Frame{Kind: Hello, From: "old"}, lent), frames(hello, Frame{Kind: Answer, Problem: Locked})}, "alice from old"},
		{"not the next", [][]byte{frames(hello, Frame{Kind: Answer, Problem: NotFound}), frames(hello, Frame{Kind: Answer, Problem: Locked})}, "near?[2J, which lends logins here, has a locked store"},
		{"no hello", [][]byte{frames(lent)}, store.ErrNotFound.Error()},
		{"garbage", [][]byte{[]byte("SSH-2.0-OpenSSH_9.2p1 Debian\r\n")}, store.ErrNotFound.Error()},
		{"garbage later", [][]byte{append(frames(hello), "\xff\xff\xff\xff"...)}, store.ErrNotFound.Error()},
		{"silent", [][]byte{frames(hello)}, "near?[2J, which lends logins here, did not answer within 1s"},
		{"silent before", [][]byte{nil}, store.ErrNotFound.Error()},
		{"working for ever", [][]byte{frames(hello, Frame{Kind: Working})}, "near?[2J, which lends logins here, did not answer within 1s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := temporary(t)
			for _, answer := range c.servers {
				serve(t, dir, answer)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond) // in place of the whole time
			defer cancel()
			login, from, err := Ask(ctx, store.ParseAddress("r.example"))
			got := login.Username + " from " + from
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A forward that was killed leaves a socket that costs nobody an answer, and that the next one
// removes.
func TestListen_afterKill(t *testing.T) {
	dir := temporary(t)
	killed, err := listenIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = killed.UnixListener.Close()
	if _, _, err := Ask(t.Context(), store.ParseAddress("r.example")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("asked the dead one: %v", err)
	}
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || filepath.Join(dir, left[0].Name()) != l.path {
		t.Errorf("%v are left (%v)", left, err)
	}
}

// A directory that somebody else could have made is not asked.
func TestAsk_openDirectory(t *testing.T) {
	dir := temporary(t)
	serve(t, dir, frames(Frame{Kind: Hello}, Frame{Kind: Answer, Login: &Login{Secret: "s"}}))
	if _, _, err := Ask(t.Context(), store.ParseAddress("r.example")); err != nil {
		t.Errorf("its own: %v", err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if c, _, err := Ask(t.Context(), store.ParseAddress("r.example")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that others can write gave %v (%v)", c, err)
	}
}

func FuzzAsk(f *testing.F) {
	f.Add(frames(Frame{Kind: Hello, From: "near"}, Frame{Kind: Answer, Login: &Login{Canonical: "r.example", Username: "u", Secret: "s"}}))
	f.Add(frames(Frame{Kind: Hello}, Frame{Kind: Working}, Frame{Kind: Answer, Problem: Locked}))
	f.Add(frames(Frame{Kind: Hello}, Frame{Kind: Alive}))
	f.Add(binary.BigEndian.AppendUint32(nil, maxFrame+1))
	if runtime.GOOS == "windows" {
		f.Skip("logins are not forwarded to Windows")
	}
	path := filepath.Join(f.TempDir(), "s")
	f.Fuzz(func(t *testing.T, answer []byte) {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Skip("the path of the directory is too long: ", err)
		}
		defer l.Close()
		go func() {
			if conn, err := l.Accept(); err == nil {
				_, _ = conn.Write(answer)
				_ = conn.(*net.UnixConn).CloseWrite()
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			}
		}()
		login, from, err := ask(t.Context(), path, "r.example")
		if strings.ContainsAny(from, "\x00\x1b\n") {
			t.Errorf("the machine is named %q", from)
		}
		if err == nil && !bytes.Contains(answer, []byte("login")) && !bytes.Contains(answer, []byte("LOGIN")) && !bytes.ContainsAny(answer, `\ſ`) {
			t.Errorf("%q gave %v", answer, login)
		}
	})
}
