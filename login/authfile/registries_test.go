package authfile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// tree is a machine below testdata/registries: etc, usr and home.
func tree(name string, env ...string) Env {
	root := filepath.Join("testdata", "registries", name)
	return Env{Getenv: variables(env...), Home: filepath.Join(root, "home"), GOOS: "linux", UID: 1000, root: root}
}

func TestCredentialHelpers(t *testing.T) {
	auth := []string{AuthFileHelper}
	named := filepath.Join("testdata", "registries", "variable", "named.conf")
	for _, c := range []struct {
		env  Env
		want []string
		from string // below the machine's root
	}{
		{tree("no-such-machine"), auth, ""},
		{tree("default"), auth, ""},
		{tree("system-then-user"), []string{"own"}, "home/.config/containers/registries.conf.d/10-own.conf"},
		{tree("user-main-hides-system"), auth, ""},
		{tree("variable"), []string{"hidden"}, "home/.config/containers/registries.conf"},
		{tree("variable", "CONTAINERS_REGISTRIES_CONF="+named), []string{"named", AuthFileHelper}, "named.conf"},
		{tree("variable", "REGISTRIES_CONFIG_PATH="+named), []string{"named", AuthFileHelper}, "named.conf"},
		{tree("variable", "CONTAINERS_REGISTRIES_CONF="+os.DevNull), auth, ""},
		// The variable hides the main file only, not the drop-ins.
		{tree("system-then-user", "CONTAINERS_REGISTRIES_CONF="+named), []string{"own"}, "home/.config/containers/registries.conf.d/10-own.conf"},
		{tree("empty-list"), auth, ""},
		{tree("old-format"), auth, ""},
		{tree("vendor"), []string{"vendor"}, "usr/share/containers/registries.conf"},
		{tree("odd-spelling"), []string{"cased"}, "home/.config/containers/registries.conf.d/a.conf"},
		{Env{GOOS: "windows"}, auth, ""},
	} {
		if c.from != "" {
			c.from = filepath.Join(c.env.root, filepath.FromSlash(c.from))
		}
		got, from, err := CredentialHelpers(c.env)
		if err != nil || !reflect.DeepEqual(got, c.want) || from != c.from {
			t.Errorf("%s: %q from %q, %v; want %q from %q", c.env.root, got, from, err, c.want, c.from)
		}
	}
}

func TestRegistriesConfOrder(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"system-then-user", "etc/containers/registries.conf etc/containers/registries.conf.d/99-site.conf " +
			"home/.config/containers/registries.conf.d/10-own.conf home/.config/containers/registries.conf.d/20-silent.conf"},
		{"user-main-hides-system", "home/.config/containers/registries.conf"},
		{"no-such-machine", ""},
	} {
		e := tree(c.name)
		var got []string
		for _, p := range RegistriesConf(e) {
			rel, err := filepath.Rel(e.root, p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, filepath.ToSlash(rel))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRegistriesBroken(t *testing.T) {
	for _, c := range []struct {
		name, path   string
		line, column int
		text         string
	}{
		{"broken", "home/.config/containers/registries.conf.d/50-broken.conf", 3, 3, "not valid TOML"},
		{"wrong-type", "home/.config/containers/registries.conf", 1, 22, "must be one list of strings"},
		{"set-twice", "etc/containers/registries.conf", 2, 1, "must be one list of strings"},
	} {
		e := tree(c.name)
		_, _, err := CredentialHelpers(e)
		var broken *SyntaxError
		if !errors.As(err, &broken) || !errors.Is(err, ErrRegistriesConf) {
			t.Fatalf("%s: %v", c.name, err)
		}
		if broken.Name != filepath.Join(e.root, filepath.FromSlash(c.path)) || broken.Line != c.line || broken.Column != c.column ||
			!strings.Contains(broken.Reason, c.text) {
			t.Errorf("%s: %v (%q)", c.name, err, broken.Reason)
		}
	}
	missing := filepath.Join(t.TempDir(), "none.conf")
	if _, _, err := CredentialHelpers(tree("default", "CONTAINERS_REGISTRIES_CONF="+missing)); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, ErrRegistriesConf) {
		t.Errorf("a file that the variable names is missing: %v", err)
	}
}

// What stands in the place of a file must not hang or crash a pull.
func TestRegistriesOddFiles(t *testing.T) {
	e := Env{Home: t.TempDir(), GOOS: "linux", root: t.TempDir()}
	dropIn := RegistriesDropIn(e)
	if err := os.MkdirAll(filepath.Join(filepath.Dir(dropIn), "00-folder.conf"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(data string) {
		if err := os.WriteFile(dropIn, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, ok bool) {
		t.Helper()
		done := make(chan error, 1)
		go func() {
			_, _, err := CredentialHelpers(e)
			done <- err
		}()
		select {
		case err := <-done:
			if (err == nil) != ok || err != nil && !errors.Is(err, ErrRegistriesConf) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: hangs", what)
		}
	}
	write("")
	want("an empty file", true)
	write("\xef\xbb\xbfcredential-helpers = []\r\n")
	want("a byte order mark and CRLF", true)
	write("\x00\xff\xfe[[[")
	want("bytes", false)
	write(strings.Repeat("#", maxDocument+1))
	want("a huge file", false)
	write("")
	odd(t, filepath.Dir(dropIn), want)
}

func TestDropInText(t *testing.T) {
	for _, c := range []struct {
		before []string
		want   string
	}{
		{nil, `["regshape"]`},
		{[]string{AuthFileHelper}, `["regshape"]`},
		{[]string{"pass"}, `["regshape", "pass"]`},
		{[]string{AuthFileHelper, "pass"}, `["regshape", "pass"]`},
		{[]string{"pass", "regshape", AuthFileHelper, "pass"}, `["regshape", "pass"]`},
		{[]string{"a\"b\\c\n\x07é"}, `["regshape", "a\"b\\c\u000A\u0007é"]`},
	} {
		text := DropInText("written by a test", "regshape", c.before)
		if !strings.Contains(string(text), "\ncredential-helpers = "+c.want+"\n") || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("before %q:\n%s", c.before, text)
		}
		// What is written must read back, and writing it again must change nothing.
		e := Env{Home: t.TempDir(), GOOS: "linux", root: t.TempDir()}
		if err := os.MkdirAll(filepath.Dir(RegistriesDropIn(e)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(RegistriesDropIn(e), text, 0o600); err != nil {
			t.Fatal(err)
		}
		helpers, from, err := CredentialHelpers(e)
		if err != nil || from != RegistriesDropIn(e) || helpers[0] != "regshape" {
			t.Fatalf("%q from %q, %v", helpers, from, err)
		}
		if again := DropInText("written by a test", "regshape", helpers); string(again) != string(text) {
			t.Errorf("a second time:\n%s", again)
		}
	}
	before := append(make([]string, 0, 8), "pass")
	DropInText("written by a test", "regshape", before)
	if before[:2][1] != "" {
		t.Error("the caller's list was written to")
	}
}
