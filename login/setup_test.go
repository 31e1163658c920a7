//go:build unix

package login

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
)

// setupHome is a home directory with a helper on PATH that answers like regshape's, and one,
// "other", that is empty.
type setupHome struct {
	t    *testing.T
	dir  string
	bin  string
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
	h := &setupHome{t: t, dir: t.TempDir(), bin: bin, args: []string{"--store", t.TempDir()}}
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

// record is the path of the record for --undo.
func (h *setupHome) record() string { return filepath.Join(h.args[1], "setup.json") }

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

// files lists everything in the home directory: mode, and content or target of a link.
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

// undo restores what was there before.
func (h *setupHome) undo(before map[string]string) {
	h.t.Helper()
	h.ok("--undo")
	h.unchanged(before)
}

// unchanged fails the test unless the home directory is as it was.
func (h *setupHome) unchanged(before map[string]string) {
	h.t.Helper()
	if after := h.files(); !maps.Equal(before, after) {
		h.t.Errorf("got\n%q\nwant\n%q", after, before)
	}
}

const (
	setupConfig = ".docker/config.json"
	setupHelm   = ".config/helm/registry/config.json" // which is read like docker's
)

// Setup takes effect and --undo restores the exact bytes, whatever the file looks like.
func TestSetup_undoRestoresBytes(t *testing.T) {
	login := `"auths":{"reg.example":{"auth":"YWxpY2U6c2VjcmV0"}}`
	for name, c := range map[string]struct {
		text    string
		absent  bool
		dir     bool // with absent: only the directory exists
		mode    fs.FileMode
		linked  bool
		already bool
	}{
		"no directory":       {absent: true},
		"no file":            {absent: true, dir: true},
		"no bytes":           {text: ""},
		"white space":        {text: " \n"},
		"empty":              {text: "{}"},
		"empty, spread":      {text: "{\n\n}\n"},
		"minified":           {text: `{` + login + `,"a":[1,2]}`},
		"tabs":               {text: "{\n\t" + login + ",\n\t\"psFormat\": \"x\"\n}\n"},
		"CRLF":               {text: "{\r\n  " + login + "\r\n}\r\n"},
		"odd spaces":         {text: "\n { \"b\" :\t1 , " + login + " } "},
		"other helper":       {text: `{"credsStore" : "other", ` + login + `}`},
		"escaped helper":     {text: `{"credsStore": "oth\u0065r"}`},
		"empty helper":       {text: `{"credsStore": "" }`},
		"null helper":        {text: `{"credsStore":null,"credHelpers": null}`},
		"hosts":              {text: "{\n \"credHelpers\": { \"x.example\": \"other\" }\n}"},
		"no hosts":           {text: `{"credHelpers": { }}`},
		"invalid UTF-8":      {text: "{\"a\":\"\xff\"}"},
		"case of the name":   {text: `{"CredsStore":"other"}`},
		"mode 0400":          {text: "{}", mode: 0o400},
		"mode 0644":          {text: "{" + login + "}", mode: 0o644},
		"symbolic link":      {text: "{" + login + "}", linked: true, mode: 0o640},
		"link to no file":    {absent: true, dir: true, linked: true},
		"set up by somebody": {text: `{"credsStore":"regshape"}`, already: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			real := h.path(setupConfig)
			if !c.absent || c.dir {
				h.write(setupConfig, c.text)
			}
			if c.linked {
				real = h.path(".dotfiles-config")
				if err := os.Rename(h.path(setupConfig), real); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("../.dotfiles-config", h.path(setupConfig)); err != nil {
					t.Fatal(err)
				}
			}
			if c.absent && c.dir {
				if err := os.Remove(real); err != nil {
					t.Fatal(err)
				}
			}
			if c.mode != 0 {
				if err := os.Chmod(real, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			if !c.absent {
				h.write(setupHelm, c.text)
			}
			before := h.files()

			// Several edits, one --undo.
			h.ok("--docker", "--podman", "--helm")
			h.ok("--docker")
			h.ok("--host", "reg.example")
			for _, name := range []string{setupConfig, setupHelm} {
				d, err := authfile.Read(h.path(name), authfile.Docker)
				if err != nil || d.CredsStore() != lookup.OwnHelper {
					t.Fatalf("%s: got credsStore %q (%v), want %q", name, d.CredsStore(), err, lookup.OwnHelper)
				}
			}
			if info, err := os.Stat(h.path(setupConfig)); c.mode != 0 && (err != nil || info.Mode() != c.mode) {
				t.Errorf("got mode %v (%v), want %v", info.Mode(), err, c.mode)
			}
			h.undo(before)

			h.ok("--host", "reg.example,docker.io")
			h.ok("--docker")
			h.undo(before)
			if out := h.ok("--docker", "--json"); c.already == strings.Contains(out, "config.json") {
				t.Errorf("set up before: %v, got\n%s", c.already, out)
			}
		})
	}
}

// An edit that fails undoes those before it, and removes the record.
func TestSetup_failedEdit(t *testing.T) {
	h := newSetupHome(t)
	h.write(setupConfig, "")
	if err := os.Remove(h.path(setupConfig)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/no-file-can-be-made-here", h.path(setupConfig)); err != nil {
		t.Fatal(err)
	}
	before := h.files()
	if code, out := h.run("--docker", "--podman"); code != 1 || !strings.Contains(out, "config.json") {
		t.Errorf("got exit code %d and\n%s", code, out)
	}
	h.unchanged(before)
	if out := h.ok("--undo"); !strings.Contains(out, "nothing to undo") {
		t.Errorf("got %s, want no record", out)
	}
}

func TestSetup_refusesHome(t *testing.T) {
	h := newSetupHome(t)
	t.Setenv("HOME", h.path("nowhere"))
	if code, out := h.run("--docker"); code != 1 || !strings.Contains(out, "set HOME") {
		t.Errorf("got exit code %d and\n%s", code, out)
	}
	t.Setenv("HOME", h.dir)
	if os.Geteuid() != 0 {
		t.Skip("only root can be root in another's home")
	}
	if err := os.Chown(h.dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	h.ok("--docker", "--dry-run")
	t.Setenv("SUDO_UID", "12345")
	if code, out := h.run("--docker"); code != 1 || !strings.Contains(out, "sudo -H") {
		t.Errorf("got exit code %d and\n%s", code, out)
	}
	if files := h.files(); len(files) != 1 {
		t.Errorf("got files %q, want none", files)
	}
}

// An invalid record stops setup before it changes anything.
func TestSetup_invalidRecord(t *testing.T) {
	for record, want := range map[string]string{"{": "is damaged", `{"version":3}`: "made by a newer regshape"} {
		h := newSetupHome(t)
		if err := os.WriteFile(h.record(), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--docker"}, {"--undo"}} {
			if code, out := h.run(args...); code != 1 || !strings.Contains(out, want) {
				t.Errorf("%v: got exit code %d and\n%s\nwant %q", args, code, out, want)
			}
		}
		if _, err := os.Lstat(h.path(".docker")); err == nil {
			t.Error("got docker's directory, want none")
		}
	}
}

// Setup, a dry run and --undo show nothing of a file but the members that they change.
func TestSetup_showsOnlyItsChanges(t *testing.T) {
	const secret = "canary"
	for name, text := range map[string]string{
		"lines":    "{\n \"plugins\": {\"x\": {\"pat\": \"ghp_canary\"}},\n \"url\": \"https://u:canary@h\",\n \"credsStore\": \"other\"\n}\n",
		"one line": `{"plugins":{"x":{"pat":"ghp_canary"}},"credsStore":"other","url":"https://u:canary@h","n":["canary"]}`,
		"no value": "{\"url\": \"https://u:canary@h\",\n\"credsStore\": \"pass/canary\"}",
		"hosts":    `{"credsStore":"other","credHelpers":{"canary.example":"canary","reg.example":"canary it is"},"pat":"canary"}`,
		"names":    "{\"credsStore\":\"\\u009bcanary\"}",
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			h.write(setupConfig, text)
			for _, args := range [][]string{{"--docker", "--keep", "--dry-run"}, {"--docker", "--keep"}, {"--host", "reg.example", "--keep"}, {"--undo", "--dry-run"}, {"--undo"}} {
				var shown []string
				for line := range strings.Lines(h.ok(args...)) {
					if !strings.HasPrefix(line, "Warning: ") { // of a helper that is not there
						shown = append(shown, line)
					}
				}
				if out := strings.Join(shown, ""); strings.Contains(out, secret) || !strings.Contains(out, " → ") && args[0] != "--host" {
					t.Errorf("%v shows\n%s", args, out)
				}
			}
			if got, err := os.ReadFile(h.path(setupConfig)); err != nil || string(got) != text {
				t.Errorf("--undo left %q (%v)", got, err)
			}
		})
	}
}
