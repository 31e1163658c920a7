//go:build unix

package login

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regshape/login/authfile"
)

const (
	podmanAuth   = ".config/containers/auth.json"
	podmanConf   = ".config/containers/registries.conf"
	podmanDropIn = ".config/containers/registries.conf.d/50-regshape.conf"
)

// installs puts programs of these versions on PATH.
func (h *setupHome) installs(podman, skopeo, buildah string) {
	h.t.Helper()
	for name, version := range map[string]string{"podman": podman, "skopeo": skopeo, "buildah": buildah} {
		text := "#!/bin/sh\necho '" + name + " version " + version + "'\n"
		if err := os.WriteFile(filepath.Join(h.bin, name), []byte(text), 0o700); err != nil {
			h.t.Fatal(err)
		}
	}
}

// asks fails the test unless these helpers are asked, in this order.
func (h *setupHome) asks(g authfile.Generation, want ...string) {
	h.t.Helper()
	helpers, _, err := authfile.CredentialHelpers(authfile.Env{Getenv: os.Getenv, Home: h.dir, GOOS: "linux", UID: os.Getuid()}, g)
	if err != nil || !slices.Equal(helpers, want) {
		h.t.Errorf("%s: got helpers %q (%v), want %q", g, helpers, err, want)
	}
}

// The user's own list of helpers is extended: its entries stay, in their order.
func TestSetup_podmanList(t *testing.T) {
	for own, want := range map[string]string{
		``:   "regshape containers-auth.json",
		`[]`: "regshape containers-auth.json",
		`["containers-auth.json", "secretservice"]`: "regshape containers-auth.json secretservice",
		`["secretservice", "containers-auth.json"]`: "regshape secretservice containers-auth.json",
		`["other"]`:                            "regshape other", // podman reads no file
		`["other", "regshape"]`:                "other regshape",
		`["containers-auth.json", "regshape"]`: "containers-auth.json regshape",
	} {
		t.Run(own, func(t *testing.T) {
			h := newSetupHome(t)
			if own != "" {
				h.write(podmanConf, "credential-helpers = "+own+"\n")
			}
			before := h.files()
			h.ok("--podman")
			for _, g := range authfile.Generations {
				h.asks(g, strings.Fields(want)...)
			}
			if out := h.ok("--podman"); !strings.Contains(out, "set up already") {
				t.Errorf("a second time: got\n%s", out)
			}
			h.undo(before)
		})
	}
}

// A list that an older setup wrote gets the files back.
func TestSetup_podmanOldList(t *testing.T) {
	h := newSetupHome(t)
	h.write(podmanDropIn, "# Written by `regshape auth setup --podman`\ncredential-helpers = [\"regshape\", \"other\"]\n")
	before := h.files()
	h.ok("--podman")
	h.asks(authfile.Podman6, "regshape", authfile.AuthFileHelper, "other")
	h.undo(before)
}

// Podman finds a namespace's login in its files alone. They come first only where regshape
// has a login for the whole registry, which podman would use in its place.
func TestSetup_podmanNamespaces(t *testing.T) {
	const host, namespace = `"r.example":{"auth":"YWxpY2U6c2VjcmV0"}`, `"r.example/team":{"auth":"dGVhbTpzZWNyZXQ="}`
	const warning = "podman has logins for r.example/team and for the whole registry"
	h := newSetupHome(t)
	h.write(podmanAuth, `{"auths":{`+namespace+`}}`)
	if out := h.ok("--podman"); strings.Contains(out, warning) || !strings.Contains(out, "r.example/team: team stays in ~/"+podmanAuth) {
		t.Errorf("a namespace: got\n%s", out)
	}
	h.asks(authfile.Podman4, "regshape", authfile.AuthFileHelper)

	// Docker's login goes into the store with docker's setup, in a second run.
	h.write(setupConfig, `{"auths":{`+host+`}}`)
	if out := h.ok("--docker", "--podman"); !strings.Contains(out, warning) {
		t.Errorf("another login for the registry: got\n%s", out)
	}
	h.asks(authfile.Podman4, authfile.AuthFileHelper, "regshape")
	if out := h.ok("--docker", "--podman"); !strings.Contains(out, "set up already") || strings.Contains(out, warning) {
		t.Errorf("a third time: got\n%s", out)
	}
	h.write(setupConfig, `{"credsStore":"regshape"}`)
	if out := h.ok("--podman"); !strings.Contains(out, "set up already") {
		t.Errorf("with the registry's login in the store alone: got\n%s", out)
	}

	// Without the namespace regshape is first again.
	h.write(podmanAuth, `{}`)
	h.ok("--podman")
	h.asks(authfile.Podman4, "regshape", authfile.AuthFileHelper)
	h.ok("--undo")
	h.asks(authfile.Podman4, authfile.AuthFileHelper)

	h.write(podmanAuth, `{"auths":{`+namespace+","+host+`}}`)
	h.write(podmanConf, `credential-helpers = ["other", "containers-auth.json", "pass"]`)
	h.ok("--podman")
	h.asks(authfile.Podman4, "other", authfile.AuthFileHelper, "regshape", "pass")
	h.ok("--undo")

	// A list without the files hides them, and stays the user's.
	h.write(podmanConf, `credential-helpers = ["other"]`)
	if out := h.ok("--podman"); strings.Contains(out, warning) {
		t.Errorf("a list without the files: got\n%s", out)
	}
	h.asks(authfile.Podman4, "regshape", "other")
}

// Podman still asks the helpers that its files name for single registries, unless regshape
// has another login for one.
func TestSetup_podmanHelpers(t *testing.T) {
	h := newSetupHome(t)
	h.write(podmanAuth, `{"credHelpers":{"x.example":"other","y.example":"regshape-work","z.example":"regshape"}}`)
	h.ok("--podman")
	h.asks(authfile.Podman4, "regshape", authfile.AuthFileHelper)
	h.ok("--undo")

	h.write(setupConfig, `{"auths":{"y.example":{"auth":"YWxpY2U6c2VjcmV0"}}}`)
	h.ok("--docker")
	if code, out := h.run("--podman"); code != 1 || !strings.Contains(out, "names regshape-work for y.example") {
		t.Errorf("got exit code %d and\n%s", code, out)
	}
	h.ok("--podman", "--keep")
	h.asks(authfile.Podman4, "regshape", authfile.AuthFileHelper)
	h.ok("--undo")

	// If podman reads no file anyway, there is nothing to move.
	h.write(podmanConf, `credential-helpers = ["other"]`)
	h.write(podmanAuth, `{"auths":{"broken.example":{"auth":"!"}}}`)
	h.ok("--podman")
}

// Every generation of podman asks regshape, or setup says which does not.
func TestSetup_podmanGenerations(t *testing.T) {
	const older, newer = "4.3.1 1.9.3 1.28.2", "6.0.0 1.23.0 1.44.0"
	only := []string{authfile.AuthFileHelper}
	both := []string{"regshape", authfile.AuthFileHelper}
	for name, c := range map[string]struct {
		versions                  string
		variable, value           string
		file, text                string
		linked                    bool
		code                      int
		says                      []string
		podman4, skopeo1, podman6 []string
	}{
		"nothing special": {versions: older, podman4: both, skopeo1: both, podman6: both},
		"XDG_CONFIG_HOME": {versions: older, variable: "XDG_CONFIG_HOME", value: "xdg", podman4: both, skopeo1: both, podman6: both},
		"XDG_CONFIG_HOME with a list": {
			versions: newer, variable: "XDG_CONFIG_HOME", value: "xdg",
			file: "xdg/containers/registries.conf.d/99-own.conf", text: `credential-helpers = ["containers-auth.json", "pass"]`,
			podman4: both, skopeo1: both, podman6: []string{"regshape", authfile.AuthFileHelper, "pass"},
		},
		"a later drop-in of the user's": {
			versions: older, file: ".config/containers/registries.conf.d/zz-own.conf", text: `credential-helpers = ["pass"]`,
			podman4: []string{"regshape", "pass"}, skopeo1: []string{"regshape", "pass"}, podman6: []string{"regshape", "pass"},
		},
		"the last drop-in of the user's": {
			versions: older, file: ".config/containers/registries.conf.d/zzz.conf", text: `credential-helpers = ["pass"]`, code: 1,
			says:    []string{"zzz.conf names other credential-helpers, and no drop-in is read after it; nothing was changed", `Hint: add "regshape"`},
			podman4: []string{"pass"}, skopeo1: []string{"pass"}, podman6: []string{"pass"},
		},
		"a variable, older": {
			versions: older, variable: "CONTAINERS_REGISTRIES_CONF", value: "named.conf", file: "named.conf",
			says: []string{
				"Warning: podman 6 will not ask regshape: CONTAINERS_REGISTRIES_CONF names ", "named.conf, and then no drop-in is read; put credential-helpers = [\"regshape\", \"containers-auth.json\"] into that file",
			},
			podman4: both, skopeo1: both, podman6: only,
		},
		"a variable, newer": {
			versions: newer, variable: "CONTAINERS_REGISTRIES_CONF", value: "named.conf", file: "named.conf", code: 1,
			says:    []string{"no drop-in is read; nothing was changed", "Hint: put credential-helpers"},
			podman4: only, skopeo1: only, podman6: only,
		},
		"a variable, mixed": {
			versions: "6.0.0 1.9.3 1.28.2", variable: "CONTAINERS_REGISTRIES_CONF", value: "named.conf", file: "named.conf",
			says:    []string{"Warning: podman 6 will not ask regshape"},
			podman4: both, skopeo1: both, podman6: only,
		},
		"a variable and its file names regshape": {
			versions: newer, variable: "CONTAINERS_REGISTRIES_CONF", value: "named.conf", file: "named.conf", text: `credential-helpers = ["regshape"]`,
			podman4: both, skopeo1: both, podman6: []string{"regshape"},
		},
		"an override": {
			versions: older, variable: "CONTAINERS_REGISTRIES_CONF_OVERRIDE", value: "last.conf", file: "last.conf", text: `credential-helpers = ["pass"]`,
			says:    []string{"Warning: podman 6 will not ask regshape: ", "last.conf names other credential-helpers, and no drop-in is read after it; add"},
			podman4: both, skopeo1: both, podman6: []string{"pass"},
		},
		"an override without a list": {
			versions: newer, variable: "CONTAINERS_REGISTRIES_CONF_OVERRIDE", value: "last.conf", file: "last.conf",
			podman4: both, skopeo1: both, podman6: both,
		},
		"a linked directory": {
			versions: newer, linked: true,
			says:    []string{"Warning: podman before 6 will not ask regshape: ", "registries.conf.d is a symbolic link"},
			podman4: only, skopeo1: only, podman6: both,
		},
		"version 1": {
			versions: older, file: podmanConf, text: "[registries.search]\nregistries = ['docker.io']\n",
			says:    []string{"Warning: podman 6 will not ask regshape: ", "are of version 1, which podman refuses"},
			podman4: both, skopeo1: both,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newSetupHome(t)
			v := strings.Fields(c.versions)
			h.installs(v[0], v[1], v[2])
			if c.file != "" {
				h.write(c.file, c.text+"\n")
			}
			if c.linked {
				h.write(".dotfiles/own.conf", "")
				h.write(podmanConf, "")
				if err := os.Symlink("../../.dotfiles", filepath.Dir(h.path(podmanDropIn))); err != nil {
					t.Fatal(err)
				}
			}
			if c.variable != "" {
				t.Setenv(c.variable, h.path(c.value))
			}
			before := h.files()
			code, out := h.run("--podman")
			for _, text := range c.says {
				if !strings.Contains(out, text) {
					t.Errorf("%q is not in\n%s", text, out)
				}
			}
			if code != c.code || len(c.says) == 0 && strings.Contains(out, "will not ask") {
				t.Errorf("got exit code %d, want %d, and\n%s", code, c.code, out)
			}
			for g, want := range map[authfile.Generation][]string{authfile.Podman4: c.podman4, authfile.Skopeo1: c.skopeo1, authfile.Podman6: c.podman6} {
				if want != nil {
					h.asks(g, want...)
				}
			}
			if code == 0 {
				if out := h.ok("--podman"); !strings.Contains(out, "set up already") {
					t.Errorf("a second time: got\n%s", out)
				}
			}
			h.undo(before)
		})
	}
}
