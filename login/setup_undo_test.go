//go:build unix

package login

import (
	"bytes"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/quick"

	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/login/setup"
	"regshape/store"
)

// What others changed after setup stays when setup is taken back.
func TestSetupUndoKeepsOthersChanges(t *testing.T) {
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
				t.Errorf("%v: %s, want %s", err, text, c.want)
			}
			if out := h.ok("--undo"); !strings.Contains(out, "nothing to undo") {
				t.Errorf("the record is still there: %s", out)
			}
		})
	}
}

// The same for the drop-in, and for a file that setup made and is gone.
func TestSetupUndoOfTheDropIn(t *testing.T) {
	const dropIn = ".config/containers/registries.conf.d/50-regshape.conf"
	h := newSetupHome(t)
	before := h.files()
	h.ok("--podman")
	own, err := os.ReadFile(h.path(dropIn))
	if err != nil {
		t.Fatal(err)
	}
	h.write(dropIn, string(own)+"unqualified-search-registries = [\"reg.example\"]\n")
	h.ok("--undo")
	left, err := os.ReadFile(h.path(dropIn))
	if err != nil || !strings.Contains(string(left), "unqualified") || strings.Contains(string(left), `"regshape"`) {
		t.Errorf("%v: %s", err, left)
	}
	if helpers, _, err := authfile.CredentialHelpers(authfile.Env{Getenv: os.Getenv, Home: h.dir, GOOS: "linux"}); err != nil || len(helpers) != 1 || helpers[0] != authfile.AuthFileHelper {
		t.Errorf("podman asks %q: %v", helpers, err)
	}
	if err := os.RemoveAll(h.path(".config")); err != nil {
		t.Fatal(err)
	}

	h.ok("--podman")
	h.write(dropIn, strings.ReplaceAll(string(own), "[", "[\n "))
	if code, out := h.run("--undo"); code != 1 || !strings.Contains(out, "by hand") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if err := os.RemoveAll(h.path(".config")); err != nil {
		t.Fatal(err)
	}
	h.ok("--undo")
	if after := h.files(); !maps.Equal(before, after) {
		t.Errorf("not as it was:\n%q\n%q", before, after)
	}
}

// A run that ended between its record and its edit leaves a state that both setup and
// --undo start from.
func TestSetupInterruptedBeforeTheEdit(t *testing.T) {
	for _, text := range []string{"", "{ }", `{"credsStore":"other"}`} {
		h := newSetupHome(t)
		h.write(setupConfig, text)
		before := h.files()
		loc, err := store.Locate(store.Options{Dir: h.args[1]})
		if err != nil {
			t.Fatal(err)
		}
		x, err := setup.PlanDocker(authfile.Env{Getenv: os.Getenv, Home: h.dir, GOOS: "linux"}, lookup.OwnHelper, nil)
		if err != nil {
			t.Fatal(err)
		}
		x.Splice(x.Before, x.After)
		interrupt := func() {
			if err := (setup.Record{Version: setup.RecordVersion, Edits: []setup.Edit{x.Edit}}).Save(loc); err != nil {
				t.Fatal(err)
			}
		}
		interrupt()
		h.ok("--undo")
		if after := h.files(); !maps.Equal(before, after) {
			t.Errorf("%q: --undo made\n%q of\n%q", text, after, before)
		}
		interrupt()
		h.ok("--docker")
		h.ok("--undo")
		if after := h.files(); !maps.Equal(before, after) {
			t.Errorf("%q: setup and --undo made\n%q of\n%q", text, after, before)
		}
	}
}

// A splice goes back to the bytes it came from.
func TestSetupSplice(t *testing.T) {
	back := func(before, after []byte) bool {
		var x setup.Edit
		x.Splice(before, after)
		got, exact := x.Back(after)
		_, other := x.Back(append(bytes.Clone(after), ' '))
		return exact && bytes.Equal(got, before) && !other
	}
	if err := quick.Check(back, nil); err != nil {
		t.Error(err)
	}
	if !back([]byte("aaa"), []byte("aaaa")) || !back(nil, []byte("x")) || !back([]byte("ab"), nil) {
		t.Error("a splice within repetitions does not go back")
	}
}
