//go:build unix

package login

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"regshape/login/app"
)

// setupHome is a home with a helper on PATH that answers as regshape's does, and one,
// "other", that holds nothing.
type setupHome struct {
	t    *testing.T
	dir  string
	args []string
}

func newSetupHome(t *testing.T) *setupHome {
	t.Helper()
	bin := t.TempDir()
	for name, script := range map[string]string{
		"docker-credential-regshape": "echo 'docker-credential-regshape (regshape) dev'",
		"docker-credential-other":    "echo '{}'",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h := &setupHome{t: t, dir: t.TempDir(), args: []string{"--store", t.TempDir()}}
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("HOME", h.dir)
	return h
}

// run runs the command and returns its exit code and all of its output.
func (h *setupHome) run(args ...string) (int, string) {
	h.t.Helper()
	var out bytes.Buffer
	code := Run(context.Background(), app.Call{
		Args: append(append([]string{"auth", "setup"}, args...), h.args...),
		Out:  &out, Err: &out, Getenv: os.Getenv, Build: app.Build{Version: "dev"},
	})
	return code, out.String()
}

func (h *setupHome) ok(args ...string) string {
	h.t.Helper()
	code, out := h.run(args...)
	if code != 0 {
		h.t.Fatalf("setup %v: exit code %d:\n%s", args, code, out)
	}
	return out
}

func (h *setupHome) path(name string) string { return filepath.Join(h.dir, name) }

func (h *setupHome) write(name, text string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o700); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// files is everything in the home: modes, and contents or where links lead.
func (h *setupHome) files() map[string]string {
	h.t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var content string
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			content, err = os.Readlink(path)
		case d.Type().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			content = string(data)
		}
		all[path] = fmt.Sprintf("%v %s", info.Mode(), content)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return all
}

const setupConfig = ".docker/config.json"
