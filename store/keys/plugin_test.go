package keys

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"regshape/scripts/testenv"
	"regshape/store/trust"
)

const testPlugin = "regshapetest"

// buildPlugin puts a real plugin on PATH.
func buildPlugin(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "age-plugin-"+testPlugin)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := testenv.Command(testenv.Go(), "go", "build", "-o", program, "./testdata/age-plugin-regshapetest").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// pluginOf is a recipient of the test plugin, which behaves in a certain mode.
func pluginOf(t *testing.T, mode string, ui *PluginUI) Recipient {
	t.Helper()
	way, err := ParseRecipient(plugin.EncodeRecipient(testPlugin, []byte(mode)), ui)
	if err != nil {
		t.Fatal(err)
	}
	return way
}

func pluginOpener(t *testing.T, mode string, ui *PluginUI) Opener {
	t.Helper()
	ids, err := ParseIdentities([]byte(plugin.EncodeIdentity(testPlugin, []byte(mode))), ui, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Opener{Identities: ids, UI: ui}
}

func TestPlugin(t *testing.T) {
	testenv.Home(t)
	buildPlugin(t)
	ctx := t.Context()
	s, _ := freshSlots(t, time.Time{})
	k := stageNew(t, s, "")
	slot, err := s.Add(ctx, pluginOf(t, "", nil), "")
	if err != nil || slot.Type != "plugin-"+testPlugin {
		t.Fatalf("%v (%v)", slot, err)
	}
	open := func(o Opener) error {
		t.Helper()
		got, _, err := s.Open(ctx, k.KID(), o)
		if err == nil && !got.Equal(k) {
			t.Error("opened something else")
		}
		return err
	}
	t.Run("identity", func(t *testing.T) {
		if err := open(pluginOpener(t, "", nil)); err != nil {
			t.Error(err)
		}
	})
	t.Run("no identity", func(t *testing.T) {
		if err := trust.Add(s.Location, pluginProgram(testPlugin)); err != nil {
			t.Fatal(err)
		}
		if err := open(Opener{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("questions", func(t *testing.T) {
		var said []string
		pin, yes := "pin-1234", true
		ui := &PluginUI{
			Display: func(text string) { said = append(said, text) },
			Ask: func(prompt string, secret bool) (string, error) {
				if !secret {
					t.Error("the PIN is no secret")
				}
				said = append(said, prompt)
				return pin, nil
			},
			Confirm: func(prompt, yesText, noText string) (bool, error) {
				said = append(said, prompt, yesText, noText)
				return yes, nil
			},
		}
		o := pluginOpener(t, "pin", ui)
		if err := open(o); err != nil {
			t.Error(err)
		}
		want := "age-plugin-regshapetest: PIN?[31m of the device|age-plugin-regshapetest: touch the device|age-plugin-regshapetest: really|yes|no"
		if got := strings.Join(said, "|"); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
		yes = false
		wantError(t, open(o), ErrNoSlot, "age-plugin-regshapetest failed: not confirmed")
		pin = "0000"
		wantError(t, open(o), ErrNoSlot, "age-plugin-regshapetest failed: wrong PIN")
		stop := errors.New("stopped by the user")
		ui.Ask = func(string, bool) (string, error) { return "", stop }
		wantError(t, open(o), stop)
	})
	t.Run("no terminal", func(t *testing.T) {
		for _, ui := range []*PluginUI{nil, {}} {
			err := open(pluginOpener(t, "pin", ui))
			wantError(t, err, ErrNoSlot, "needs a terminal")
			_, err = s.Add(ctx, pluginOf(t, "pin", ui), "")
			if err == nil || !strings.Contains(err.Error(), "needs a terminal") {
				t.Errorf("add: %v", err)
			}
		}
	})
	t.Run("another device", func(t *testing.T) {
		wantError(t, open(pluginOpener(t, "other", nil)), ErrNoSlot, "slot 1 (recipient), slot 2 (age-plugin-regshapetest)")
	})
	t.Run("secret in an error", func(t *testing.T) {
		err := open(pluginOpener(t, "fail", nil))
		wantError(t, err, ErrNoSlot, "age-plugin-regshapetest failed")
		if strings.Contains(err.Error(), "CANARY") {
			t.Error(err)
		}
	})
	t.Run("crash", func(t *testing.T) {
		wantError(t, open(pluginOpener(t, "crash", nil)), ErrNoSlot, "age-plugin-regshapetest failed")
	})
	t.Run("hang", func(t *testing.T) {
		start := time.Now()
		limited := func() context.Context {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		_, _, err := s.Open(limited(), k.KID(), pluginOpener(t, "hang", nil))
		wantError(t, err, context.DeadlineExceeded)
		_, err = s.Add(limited(), pluginOf(t, "hang", nil), "")
		wantError(t, err, context.DeadlineExceeded)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
	t.Run("environment", func(t *testing.T) {
		t.Setenv("REGSHAPE_PASSWORD", "x")
		t.Setenv("DOCKER_AUTH_CONFIG", "{}")
		t.Setenv("AGEDEBUG", "plugin")
		t.Setenv("REGSHAPE_TEST_KEPT", "yes")
		if err := open(pluginOpener(t, "environment", nil)); err != nil {
			t.Error(err)
		}
	})
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		for _, o := range []Opener{{}, pluginOpener(t, "", nil)} {
			wantError(t, open(o), ErrNoSlot, "age-plugin-regshapetest is not on PATH")
		}
		_, err := s.Add(ctx, pluginOf(t, "", nil), "")
		if err == nil || !strings.Contains(err.Error(), "age-plugin-regshapetest is not on PATH") {
			t.Errorf("add: %v", err)
		}
	})
	t.Run("beside an identity that opens", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		id := newIdentity(t)
		if _, err := s.Add(ctx, mustRecipient(t, id.Recipient().String()), ""); err != nil {
			t.Fatal(err)
		}
		o := pluginOpener(t, "", nil)
		o.Identities = append(o.Identities, age.Identity(id))
		if err := open(o); err != nil {
			t.Error(err)
		}
	})
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		" a\r\nb\x1b]0;c\x07 ":           "a b?]0;c?",
		"x age-secret-key-1abc":          "(hidden, as it holds a key)",
		strings.Repeat("é", 400):         strings.Repeat("é", 299) + "…",
		"bad \xff bytes \u202e reversed": "bad \ufffd bytes ? reversed",
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
