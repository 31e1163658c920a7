package lend

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"regshape/store"
	"regshape/store/durable"
)

func FuzzRead(f *testing.F) {
	var whole bytes.Buffer
	_ = Write(&whole, Frame{Kind: Answer, ID: 7, Login: &Login{Canonical: "r.example", Username: "alice", Secret: "<\"\\\n\u2028>"}})
	f.Add(whole.Bytes())
	f.Add([]byte("\x00\x00\x00\x02{}rest"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte("\x00\x01\x00\x01" + strings.Repeat(" ", maxFrame+1)))
	f.Add([]byte("HTTP/1.1 400 Bad Request"))
	f.Fuzz(func(t *testing.T, input []byte) {
		in := bytes.NewReader(input)
		frame, err := Read(in)
		if used := len(input) - in.Len(); used > 4+maxFrame {
			t.Errorf("%d bytes were read", used)
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, frame); errors.Is(err, ErrLarge) {
			return // with what JSON needs no escape for, and we write with one
		} else if err != nil {
			t.Fatal(err)
		}
		first := bytes.Clone(out.Bytes())
		again, err := Read(&out)
		if err == nil {
			err = Write(&out, again)
		}
		if err != nil || !bytes.Equal(out.Bytes(), first) {
			t.Errorf("%q became %q (%v)", first, out.Bytes(), err)
		}
	})
}

func FuzzGreeted(f *testing.F) {
	for _, text := range []string{"", "\x00regshape-forward 1 0.2.0\n", "motd\x00\x00regshape-forward 1 \n", "\x00regshape-forward 2 0.9\x1b[2J\nrest", "\x00regshape-forward 1 " + strings.Repeat("x", 5000)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r := bufio.NewReader(bytes.NewReader(append(input, "\x00\x00\x00\x02{}"...)))
		err := Greeted(r)
		_, rest, ok := bytes.Cut(input, []byte(greeting))
		if err == nil && (!ok || !bytes.HasPrefix(rest, []byte("1"))) {
			t.Errorf("%q was taken for a greeting", input)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n\x00") {
			t.Errorf("the error is %q", err)
		}
		if line, _, whole := bytes.Cut(rest, []byte("\n")); err == nil && whole && len(rest) == len(line)+1 {
			if _, err := Read(r); err != nil {
				t.Errorf("the frame behind %q: %v", input, err)
			}
		}
	})
}

func TestGreeted(t *testing.T) {
	var far bytes.Buffer
	if err := Greet(&far, "0.2.0"); err != nil {
		t.Fatal(err)
	}
	banner := strings.Repeat("welcome\r\n", 7281) // 65529 bytes, and with the greeting more than 64 KiB
	for text, want := range map[string]string{
		far.String():                         "",
		"motd\r\n$ " + far.String():          "",
		banner[:65500] + far.String():        "",
		banner + far.String():                "no greeting of regshape",
		"motd\n":                             io.EOF.Error(),
		greeting + "2 0.9.0\n":               "regshape 0.9.0 there speaks version 2 of the protocol, this one version 1",
		greeting + strings.Repeat("1", 5000): ErrFrame.Error(),
	} {
		if err := Greeted(bufio.NewReader(strings.NewReader(text))); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

func TestWrite_large(t *testing.T) {
	var out bytes.Buffer
	secret := strings.Repeat("<&>", 20<<10)
	if err := Write(&out, Frame{Kind: Answer, Login: &Login{Secret: secret}}); err != nil {
		t.Errorf("60 KiB: %v", err)
	}
	if f, err := Read(&out); err != nil || f.Login.Secret != secret {
		t.Errorf("60 KiB came back as %d bytes (%v)", len(f.Login.Secret), err)
	}
	if err := Write(&out, Frame{Kind: Answer, Login: &Login{Secret: strings.Repeat(`"`, 40<<10)}}); !errors.Is(err, ErrLarge) || out.Len() > 0 {
		t.Errorf("80 KiB with the escapes: %v, and %d bytes were written", err, out.Len())
	}
}

// What renews a login is not lent with it.
func TestLent(t *testing.T) {
	var out bytes.Buffer
	c := store.Credential{Canonical: "r.example", Username: "alice", Secret: "s", CAFile: "/canary", Renew: &store.Renewal{Token: "canary"}, Program: &store.Program{Path: "canary"}}
	if err := Write(&out, Frame{Kind: Answer, Login: Lent(c)}); err != nil || strings.Contains(out.String(), "canary") {
		t.Errorf("got %q (%v)", out.String(), err)
	}
}

func TestListen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("logins are not forwarded to Windows")
	}
	dir := filepath.Join(t.TempDir(), "sockets")
	l, err := listenIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v (%v)", info.Mode(), err)
	}
	l.Close()
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was left")
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if _, err := listenIn(dir); !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("in a directory that others can write: %v", err)
	}
	link := dir + "-link"
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	if _, err := listenIn(link); !errors.Is(err, durable.ErrUnsafe) {
		t.Errorf("behind a link: %v", err)
	}
	if _, err := listenIn(dir + strings.Repeat("x", 100)); err == nil || !strings.Contains(err.Error(), "too long: set TMPDIR") {
		t.Errorf("with a long path: %v", err)
	}
}
