//go:build unix

package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
)

// TestTamperHelper asks the real helper, in processes of its own, about a few of the
// stores that TestTamper has in hand, and expects what it expects.
func TestTamperHelper(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds the program")
	}
	builder, err := exec.LookPath("go")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("this test needs go, and CI must have it: %v", err)
		}
		t.Skipf("this test needs go: %v", err)
	}
	program := filepath.Join(t.TempDir(), "docker-credential-regshape")
	if out, err := testenv.Command(testenv.Go(), builder, "build", "-buildvcs=false", "-o", program, "regshape").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	g := &target{t: t, dir: filepath.Join(t.TempDir(), "store"), tally: &tally{rows: map[string]*row{}}}
	g.custody = inFile(t, g.dir, false)
	g.good = readTree(t, g.dir)
	h, sample := helperProcess{g, program}, testenv.NewSample(t, 6)
	h.judge("nothing")
	for _, name := range g.good.names() {
		path, data := filepath.Join(g.dir, name), []byte(g.good[name])
		for i := range 3 {
			if !sample.Take("bytes of " + kindOf(name)) {
				continue
			}
			bad := bytes.Clone(data)
			bad[i*len(data)/3] ^= 4
			g.put(name, bad)
			h.judge("a bit flipped in " + kindOf(name))
			g.put(name, data[:i*len(data)/3])
			h.judge(kindOf(name) + " cut short")
		}
		for _, as := range []struct {
			what    string
			replace func() error
		}{
			{"replaced by a directory", func() error { return os.Mkdir(path, 0o700) }},
			{"replaced by a pipe", func() error { return syscall.Mkfifo(path, 0o600) }},
			{"replaced by a link", func() error { return os.Symlink(program, path) }},
			{"removed", func() error { return nil }},
		} {
			if !sample.Take(kindOf(name), as.what) {
				continue
			}
			err := os.Remove(path)
			if err == nil {
				err = as.replace()
			}
			if err != nil {
				t.Fatal(err)
			}
			h.judge(kindOf(name) + " " + as.what)
			g.restore()
		}
	}
}

type helperProcess struct {
	*target
	program string
}

// run returns what the helper printed. That it ends is part of the test.
func (h helperProcess) run(what, action, input string) (stdout, stderr string, ok bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := testenv.CommandContext(ctx, testenv.Environ(filepath.Dir(h.program), "REGSHAPE_STORE="+h.dir), h.program, action)
	cmd.Stdin = strings.NewReader(input)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if ctx.Err() != nil || err != nil && (!failed || exit.ExitCode() != 1) {
		h.t.Fatalf("%s: %s %s: %v\n%s", what, action, input, err, errOut.String())
	}
	return out.String(), errOut.String(), err == nil
}

func (h helperProcess) judge(what string) {
	h.t.Helper()
	found := h.answers(what, true) // in this process
	for _, request := range tamperRequests {
		out, errOut, ok := h.run(what, "get", request.server)
		var c struct{ Secret string }
		if ok && json.Unmarshal([]byte(out), &c) != nil {
			h.t.Errorf("%s: get %s prints %q", what, request.server, out)
		}
		var err error
		switch {
		case strings.HasPrefix(out, "credentials not found"):
			err = store.ErrNotFound
		case !ok:
			err = errors.New(strings.TrimSpace(errOut))
		}
		v := h.answer(what, request, store.Credential{Secret: c.Secret}, err)
		if v > refused && !explained(what, v) || v != found[request.server] {
			h.t.Errorf("%s: get %s: the process gives verdict %d and the package %d: %s%s", what, request.server, v, found[request.server], out, errOut)
		}
	}
	out, errOut, _ := h.run(what, "list", "")
	if strings.Contains(out+errOut, "CANARY") {
		h.t.Errorf("%s: list shows a secret: %s%s", what, out, errOut)
	}
}
