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

// windows is a machine with Windows, which has no user numbers.
func onWindows(e Env) Env {
	e.GOOS, e.UID = "windows", -1
	return e
}

func TestCredentialHelpers(t *testing.T) {
	auth := []string{AuthFileHelper}
	const own, named = "home/.config/containers/", "named.conf"
	variable := filepath.Join("testdata", "registries", "variable", named)
	type result struct {
		helpers []string
		from    string // below the machine's root
	}
	for _, c := range []struct {
		env                       Env
		podman4, skopeo1, podman6 result
	}{
		{tree("no-such-machine"), result{auth, ""}, result{auth, ""}, result{auth, ""}},
		{tree("default"), result{auth, ""}, result{auth, ""}, result{auth, ""}},
		{
			tree("system-then-user"),
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"site", AuthFileHelper}, "etc/containers/registries.conf.d/99-site.conf"},
		},
		{tree("user-main-hides-system"), result{auth, ""}, result{auth, ""}, result{[]string{"site"}, "etc/containers/registries.conf.d/99-site.conf"}},
		{tree("variable"), result{[]string{"hidden"}, own + "registries.conf"}, result{[]string{"hidden"}, own + "registries.conf"}, result{[]string{"hidden"}, own + "registries.conf"}},
		{
			tree("variable", "CONTAINERS_REGISTRIES_CONF="+variable),
			result{[]string{"named", AuthFileHelper}, named},
			result{[]string{"hidden"}, own + "registries.conf"},
			result{[]string{"named", AuthFileHelper}, named},
		},
		{
			tree("variable", "REGISTRIES_CONFIG_PATH="+variable),
			result{[]string{"named", AuthFileHelper}, named},
			result{[]string{"hidden"}, own + "registries.conf"},
			result{[]string{"hidden"}, own + "registries.conf"},
		},
		{tree("variable", "CONTAINERS_REGISTRIES_CONF="+os.DevNull), result{auth, ""}, result{[]string{"hidden"}, own + "registries.conf"}, result{auth, ""}},
		// Before podman 6 the variable hides the main file only, not the drop-ins.
		{
			tree("system-then-user", "CONTAINERS_REGISTRIES_CONF="+variable),
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"named", AuthFileHelper}, "../variable/named.conf"},
		},
		{
			tree("system-then-user", "CONTAINERS_REGISTRIES_CONF_OVERRIDE="+variable),
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"named", AuthFileHelper}, "../variable/named.conf"},
		},
		{
			tree("system-then-user", "XDG_CONFIG_HOME="+filepath.Join("testdata", "registries", "odd-spelling", "home", ".config")),
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"cased"}, "../odd-spelling/" + own + "registries.conf.d/a.conf"},
		},
		{tree("empty-list"), result{auth, ""}, result{auth, ""}, result{auth, ""}},
		{tree("old-format"), result{auth, ""}, result{auth, ""}, result{}}, // podman 6 stops
		{tree("vendor"), result{auth, ""}, result{auth, ""}, result{[]string{"vendor"}, "usr/share/containers/registries.conf"}},
		{tree("rootless"), result{[]string{"site"}, "etc/containers/registries.conf.d/50-site.conf"}, result{[]string{"site"}, "etc/containers/registries.conf.d/50-site.conf"}, result{[]string{"ann"}, "etc/containers/registries.rootless.conf.d/1000/50-site.conf"}},
		{
			tree("odd-spelling"),
			result{[]string{"cased"}, own + "registries.conf.d/a.conf"},
			result{[]string{"cased"}, own + "registries.conf.d/a.conf"},
			result{[]string{"cased"}, own + "registries.conf.d/a.conf"},
		},
		// Windows, with %APPDATA% and %ProgramData% of podman 6 in other trees.
		{Env{GOOS: "windows", root: "none"}, result{auth, ""}, result{auth, ""}, result{auth, ""}},
		{onWindows(tree("rootless")), result{[]string{"site"}, "etc/containers/registries.conf.d/50-site.conf"}, result{[]string{"site"}, "etc/containers/registries.conf.d/50-site.conf"}, result{auth, ""}},
		{
			onWindows(tree("system-then-user", "ProgramData="+filepath.Join("testdata", "registries", "vendor", "usr", "share"))),
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"own"}, own + "registries.conf.d/10-own.conf"},
			result{[]string{"vendor"}, "../vendor/usr/share/containers/registries.conf"},
		},
		{
			onWindows(tree("user-main-hides-system", "APPDATA="+filepath.Join("testdata", "registries", "odd-spelling", "home", ".config"), "XDG_CONFIG_HOME=/none")),
			result{auth, ""},
			result{auth, ""},
			result{[]string{"cased"}, "../odd-spelling/" + own + "registries.conf.d/a.conf"},
		},
	} {
		for g, want := range map[Generation]result{Podman4: c.podman4, Skopeo1: c.skopeo1, Podman6: c.podman6} {
			if want.from != "" {
				want.from = filepath.Join(c.env.root, filepath.FromSlash(want.from))
			}
			got, from, err := CredentialHelpers(c.env, g)
			if (err != nil) != (want.helpers == nil) || !reflect.DeepEqual(got, want.helpers) || from != want.from {
				t.Errorf("%s, %s: got %q from %q, %v; want %q from %q", c.env.root, g, got, from, err, want.helpers, want.from)
			}
		}
	}
}

func TestRegistriesFiles_order(t *testing.T) {
	const etc, own, usr = "etc/containers/", "home/.config/containers/", "usr/share/containers/"
	for _, c := range []struct {
		name, podman4, podman6 string
	}{
		{
			"system-then-user", etc + "registries.conf " + etc + "registries.conf.d/99-site.conf " + own + "registries.conf.d/10-own.conf " + own + "registries.conf.d/20-silent.conf",
			etc + "registries.conf " + own + "registries.conf.d/10-own.conf " + own + "registries.conf.d/20-silent.conf " + etc + "registries.conf.d/99-site.conf",
		},
		{"user-main-hides-system", own + "registries.conf", own + "registries.conf " + etc + "registries.conf.d/99-site.conf"},
		{
			"rootless", etc + "registries.conf.d/50-site.conf " + own + "registries.conf.d/20-own.conf", usr + "registries.rootless.conf.d/10-all.conf " + own + "registries.conf.d/20-own.conf " + usr + "registries.conf.d/30-vendor.conf " +
				etc + "registries.rootless.conf.d/1000/50-site.conf",
		},
		{"no-such-machine", "", ""},
	} {
		e := tree(c.name)
		for g, want := range map[Generation]string{Podman4: c.podman4, Podman6: c.podman6} {
			files, _, err := registriesFiles(e, g, "")
			var got []string
			for _, p := range files {
				rel, err := filepath.Rel(e.root, p)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, filepath.ToSlash(rel))
			}
			if strings.Join(got, " ") != want || err != nil {
				t.Errorf("%s, %s: got %q, %v; want %q", c.name, g, got, err, want)
			}
		}
	}
}

func TestRegistriesDropIn(t *testing.T) {
	e := tree("system-then-user")
	site := filepath.Join(e.root, "etc", "containers", "registries.conf.d", "99-site.conf")
	for _, c := range []struct {
		env  Env
		g    Generation
		last string
		want string
	}{
		{e, Podman4, site, "50-regshape.conf"},
		{e, Podman6, site, "zzz-regshape.conf"}, // "99-regshape.conf" comes before it
		{e, Podman6, "", "50-regshape.conf"},
		{tree("system-then-user", "CONTAINERS_REGISTRIES_CONF="+os.DevNull), Podman4, site, "50-regshape.conf"},
		{tree("system-then-user", "CONTAINERS_REGISTRIES_CONF="+os.DevNull), Podman6, os.DevNull, ""},
		{tree("system-then-user", "CONTAINERS_REGISTRIES_CONF_OVERRIDE="+os.DevNull), Podman6, os.DevNull, ""},
		{Env{GOOS: "linux"}, Podman6, "", ""},
	} {
		got := RegistriesDropIn(c.env, c.g, c.last)
		if c.want != "" {
			c.want = filepath.Join(c.env.Home, ".config", "containers", "registries.conf.d", c.want)
		}
		if got != c.want {
			t.Errorf("%s, after %s: got %q, want %q", c.g, c.last, got, c.want)
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
		_, _, err := CredentialHelpers(e, Podman4)
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
	if _, _, err := CredentialHelpers(tree("default", "CONTAINERS_REGISTRIES_CONF="+missing), Podman4); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, ErrRegistriesConf) {
		t.Errorf("a file that the variable names is missing: %v", err)
	}
}

// What stands in the place of a file must not hang or crash a pull.
func TestRegistriesOddFiles(t *testing.T) {
	for _, g := range []Generation{Podman4, Podman6} {
		e := Env{Home: t.TempDir(), GOOS: "linux", root: t.TempDir()}
		dropIn := RegistriesDropIn(e, g, "")
		if err := os.MkdirAll(filepath.Join(filepath.Dir(dropIn), "00-folder.conf"), 0o700); err != nil {
			t.Fatal(err)
		}
		write := func(data string) { put(t, dropIn, data) }
		want := func(what string, ok bool) {
			t.Helper()
			done := make(chan error, 1)
			go func() {
				_, _, err := CredentialHelpers(e, g)
				done <- err
			}()
			select {
			case err := <-done:
				if (err == nil) != ok || err != nil && !errors.Is(err, ErrRegistriesConf) {
					t.Errorf("%s, %s: %v", g, what, err)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("%s, %s: hangs", g, what)
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
		write("[registries.search]\nregistries = []\n")
		want("version 1", false)
		write("")
		odd(t, filepath.Dir(dropIn), g, want)
	}
}

func TestDropInText(t *testing.T) {
	for _, c := range []struct {
		before     []string
		filesFirst bool
		want       string
	}{
		{nil, false, `["regshape"]`},
		{[]string{AuthFileHelper}, false, `["regshape", "containers-auth.json"]`},
		{[]string{AuthFileHelper}, true, `["containers-auth.json", "regshape"]`},
		{[]string{"pass"}, false, `["regshape", "pass"]`},
		{[]string{AuthFileHelper, "pass"}, false, `["regshape", "containers-auth.json", "pass"]`},
		{[]string{"pass", AuthFileHelper, "other"}, true, `["pass", "containers-auth.json", "regshape", "other"]`},
		{[]string{"pass", "regshape", AuthFileHelper, "pass"}, false, `["regshape", "pass", "containers-auth.json"]`},
		{[]string{"a\"b\\c\n\x07é"}, false, `["regshape", "a\"b\\c\u000A\u0007é"]`},
	} {
		text := DropInText("written by a test", WithHelper(c.before, "regshape", c.filesFirst))
		if !strings.Contains(string(text), "\ncredential-helpers = "+c.want+"\n") || !strings.HasPrefix(string(text), "# ") {
			t.Errorf("before %q:\n%s", c.before, text)
		}
		// What is written must read back, and writing it again must change nothing.
		e := Env{Home: t.TempDir(), GOOS: "linux", root: t.TempDir()}
		path := RegistriesDropIn(e, Podman4, "")
		put(t, path, string(text))
		helpers, from, err := CredentialHelpers(e, Podman4)
		if err != nil || from != path {
			t.Fatalf("%q from %q, %v", helpers, from, err)
		}
		if again := DropInText("written by a test", WithHelper(helpers, "regshape", c.filesFirst)); string(again) != string(text) {
			t.Errorf("a second time:\n%s", again)
		}
	}
	before := append(make([]string, 0, 8), "pass")
	WithHelper(before, "regshape", false)
	if before[0] != "pass" || before[:2][1] != "" {
		t.Error("the caller's list was written to")
	}
}
