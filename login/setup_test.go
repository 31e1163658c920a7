//go:build unix

package login

import (
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

// Whatever the file looks like, setup takes effect, and --undo gives the same files back.
func TestSetupUndoRestoresBytes(t *testing.T) {
	login := `"auths":{"reg.example":{"auth":"YWxpY2U6c2VjcmV0"}}`
	for name, c := range map[string]struct {
		text    string
		absent  bool
		folder  bool // with absent: only the folder is there
		mode    fs.FileMode
		linked  bool
		already bool
	}{
		"no folder":          {absent: true},
		"no file":            {absent: true, folder: true},
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
		"link to no file":    {absent: true, folder: true, linked: true},
		"set up by somebody": {text: `{"credsStore":"regshape"}`, already: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			real := h.path(setupConfig)
			if !c.absent || c.folder {
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
			if c.absent && c.folder {
				if err := os.Remove(real); err != nil {
					t.Fatal(err)
				}
			}
			if c.mode != 0 {
				if err := os.Chmod(real, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			before := h.files()

			// Several times, in several ways; one --undo for all.
			h.ok("--docker", "--podman")
			h.ok("--docker")
			h.ok("--host", "reg.example")
			d, err := authfile.Read(h.path(setupConfig), authfile.Docker)
			if err != nil || d.CredsStore() != lookup.OwnHelper {
				t.Fatalf("setup had no effect: %v", err)
			}
			if info, err := os.Stat(h.path(setupConfig)); c.mode != 0 && (err != nil || info.Mode() != c.mode) {
				t.Errorf("the mode is %v: %v", info.Mode(), err)
			}
			h.ok("--undo")
			if after := h.files(); !maps.Equal(before, after) {
				t.Errorf("not as it was:\n%q\n%q", before, after)
			}

			h.ok("--host", "reg.example,docker.io")
			h.ok("--docker")
			h.ok("--undo")
			if after := h.files(); !maps.Equal(before, after) {
				t.Errorf("with --host, not as it was:\n%q\n%q", before, after)
			}
			if out := h.ok("--docker", "--json"); c.already == strings.Contains(out, "config.json") {
				t.Errorf("said of a file that was set up (%v) before:\n%s", c.already, out)
			}
		})
	}
}

// An edit that fails takes those before it back, and the record.
func TestSetupTakesBackWhatItBegan(t *testing.T) {
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
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if after := h.files(); !maps.Equal(before, after) {
		t.Errorf("not as it was:\n%q\n%q", before, after)
	}
	if out := h.ok("--undo"); !strings.Contains(out, "nothing to undo") {
		t.Errorf("a record is left: %s", out)
	}
}

// Helpers that podman has asked for single hosts are asked on; one that is not there would
// fail for all hosts.
func TestSetupKeepsPodmansHelpers(t *testing.T) {
	h := newSetupHome(t)
	h.write(".config/containers/auth.json", `{"credHelpers":{"x.example":"other","y.example":"not-there","z.example":"regshape"}}`)
	h.ok("--podman")
	where := authfile.Env{Getenv: os.Getenv, Home: h.dir, GOOS: "linux"}
	if helpers, _, err := authfile.CredentialHelpers(where); err != nil || strings.Join(helpers, " ") != "regshape other" {
		t.Errorf("podman asks %q: %v", helpers, err)
	}
	h.ok("--undo")

	// A profile's login would be hidden: only when the user says so.
	h.write(".config/containers/auth.json", `{"credHelpers":{"x.example":"regshape-work"}}`)
	if code, out := h.run("--podman"); code != 1 || !strings.Contains(out, "regshape-work for x.example, which podman would no longer ask") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	h.ok("--podman", "--keep")
	h.ok("--undo")

	// Where podman reads no file already, there is nothing in them to move.
	h.write(".config/containers/registries.conf", `credential-helpers = ["other"]`)
	h.write(".config/containers/auth.json", `{"auths":{"broken.example":{"auth":"!"}}}`)
	h.ok("--podman")
}

func TestSetupRefusesHomes(t *testing.T) {
	h := newSetupHome(t)
	t.Setenv("HOME", h.path("nowhere"))
	if code, out := h.run("--docker"); code != 1 || !strings.Contains(out, "set HOME") {
		t.Errorf("exit code %d:\n%s", code, out)
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
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if files := h.files(); len(files) != 1 {
		t.Errorf("files were made: %q", files)
	}
}

// A record that cannot be used stops setup before it changes anything.
func TestSetupRefusesABadRecord(t *testing.T) {
	for record, want := range map[string]string{"{": "is damaged", `{"version":2}`: "made by a newer regshape"} {
		h := newSetupHome(t)
		if err := os.WriteFile(filepath.Join(h.args[1], "setup.json"), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--docker"}, {"--undo"}} {
			if code, out := h.run(args...); code != 1 || !strings.Contains(out, want) {
				t.Errorf("%v: exit code %d:\n%s", args, code, out)
			}
		}
		if _, err := os.Lstat(h.path(".docker")); err == nil {
			t.Error("docker's folder was made")
		}
	}
}

func TestPathLine(t *testing.T) {
	for _, c := range []struct{ shell, dir, line, file string }{
		{"/bin/bash", "/home/a/.local/bin", `export PATH="$HOME/.local/bin:$PATH"`, "~/.bashrc"},
		{"/usr/bin/zsh", "/opt/x", `export PATH="/opt/x:$PATH"`, "~/.zshrc"},
		{"", "/opt/$x \"y\"", `export PATH="/opt/\$x \"y\":$PATH"`, "~/.profile"},
		{"/usr/bin/fish", "/opt/it's", `fish_add_path '/opt/it\'s'`, "~/.config/fish/config.fish"},
	} {
		if line, file := app.PathLine(c.shell, "/home/a", c.dir); line != c.line || file != c.file {
			t.Errorf("%s: %s in %s", c.shell, line, file)
		}
	}
}
