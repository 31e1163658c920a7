//go:build unix

package login

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/login/authfile"
)

// Later changes of other programs stay when setup is undone.
func TestSetup_undoKeepsLaterChanges(t *testing.T) {
	for name, c := range map[string]struct {
		before, change, with, want string
		args                       []string
	}{
		"a member":      {`{"a":1}`, `"a":1`, `"a":2`, `{"a":2}`, nil},
		"a login":       {`{"credsStore":"other"}`, `{"credsStore"`, `{"auths":{"r":{}},"credsStore"`, `{"auths":{"r":{}},"credsStore":"other"}`, nil},
		"the helper":    {`{"credsStore":"other"}`, `regshape`, `pass`, `{"credsStore":"pass"}`, nil},
		"another host":  {`{"credHelpers":{"x":"other"}}`, `"other"`, `"pass"`, `{"credHelpers":{"x":"pass"}}`, []string{"--host", "reg.example"}},
		"the same host": {`{"credHelpers":{"reg.example":"other"}}`, `regshape`, `pass`, `{"credHelpers":{"reg.example":"pass"}}`, []string{"--host", "reg.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			h.write(setupConfig, c.before)
			h.ok(append([]string{"--docker"}, c.args...)...)
			text, err := os.ReadFile(h.path(setupConfig))
			if err != nil || !strings.Contains(string(text), c.change) {
				t.Fatalf("%v: %s", err, text)
			}
			h.write(setupConfig, strings.Replace(string(text), c.change, c.with, 1))
			h.ok("--undo")
			if text, err = os.ReadFile(h.path(setupConfig)); err != nil || string(text) != c.want {
				t.Errorf("got %s (%v), want %s", text, err, c.want)
			}
			if out := h.ok("--undo"); !strings.Contains(out, "nothing to undo") {
				t.Errorf("got %s, want no record", out)
			}
		})
	}
}

// The same for the drop-in, and for a file of setup that is gone.
func TestSetup_undoDropIn(t *testing.T) {
	h := newSetupHome(t)
	before := h.files()
	h.ok("--podman")
	own, err := os.ReadFile(h.path(podmanDropIn))
	if err != nil {
		t.Fatal(err)
	}
	h.write(podmanDropIn, string(own)+"unqualified-search-registries = [\"reg.example\"]\n")
	h.ok("--undo")
	left, err := os.ReadFile(h.path(podmanDropIn))
	if err != nil || !strings.Contains(string(left), "unqualified") || strings.Contains(string(left), `"regshape"`) {
		t.Errorf("%v: %s", err, left)
	}
	h.asks(authfile.Podman4, authfile.AuthFileHelper)
	if err := os.RemoveAll(h.path(".config")); err != nil {
		t.Fatal(err)
	}

	h.ok("--podman")
	h.write(podmanDropIn, strings.ReplaceAll(string(own), "[", "[\n "))
	if code, out := h.run("--undo"); code != 1 || !strings.Contains(out, "by hand") {
		t.Errorf("got exit code %d and\n%s", code, out)
	}
	if err := os.RemoveAll(h.path(".config")); err != nil {
		t.Fatal(err)
	}
	h.undo(before)
}

// A run that was interrupted between its record and its edit leaves a state that setup and
// --undo accept.
func TestSetup_interruptedBeforeEdit(t *testing.T) {
	for _, text := range []string{"", "{ }", `{"credsStore":"other"}`} {
		h := newSetupHome(t)
		h.write(setupConfig, text)
		before := h.files()
		h.ok("--docker")
		record, err := os.ReadFile(h.record())
		if err != nil {
			t.Fatal(err)
		}
		h.ok("--undo")
		for _, again := range []bool{false, true} {
			if err := os.WriteFile(h.record(), record, 0o600); err != nil {
				t.Fatal(err)
			}
			if again {
				h.ok("--docker")
			}
			h.undo(before)
		}
	}
}

// --undo reads the records of 0.1.0, for a file that setup left and for one that changed.
func TestSetup_undoOldRecord(t *testing.T) {
	left := `{"a":1, "credsStore" : "regshape","credHelpers":{"reg.example":"regshape"}}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"unchanged": {left, `{"a":1, "credsStore" : "oth\u0065r","credHelpers":null}` + "\n"},
		"changed":   {strings.Replace(left, "1", "2", 1), `{"a":2, "credsStore" : "other"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			record, err := os.ReadFile("testdata/setup-0.1.0.json")
			if err != nil {
				t.Fatal(err)
			}
			h.write(setupConfig, c.text)
			h.write(podmanDropIn, "# Written by `regshape auth setup --podman`; `regshape auth setup --podman --undo` removes it.\n"+
				"# Podman, Skopeo and Buildah ask these in turn.\ncredential-helpers = [\"regshape\"]\n")
			if err := os.WriteFile(h.record(), bytes.ReplaceAll(record, []byte("HOME"), []byte(h.dir)), 0o600); err != nil {
				t.Fatal(err)
			}
			h.ok("--undo")
			if got, err := os.ReadFile(h.path(setupConfig)); err != nil || string(got) != c.want {
				t.Errorf("got %s (%v), want %s", got, err, c.want)
			}
			for _, path := range []string{h.path(podmanDropIn), filepath.Dir(h.path(podmanDropIn)), h.record()} {
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%s still exists", path)
				}
			}
		})
	}
}
