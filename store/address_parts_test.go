package store

import (
	"slices"
	"testing"
)

func TestPartsOfEveryKindOfAddress(t *testing.T) {
	type parts struct {
		host, scope, registry string
		hub, plain            bool
	}
	for in, want := range map[string]parts{
		"docker.io":             {host: "docker.io", registry: HubAddress, hub: true},
		"docker.io/library/x":   {host: "docker.io", scope: "library/x", registry: HubAddress},
		"http://docker.io":      {host: "docker.io", registry: "http://docker.io", plain: true},
		"http://docker.io/a":    {host: "docker.io", scope: "a", registry: "http://docker.io", plain: true},
		"h:1":                   {host: "h:1", registry: "h:1"},
		"ghcr.io":               {host: "ghcr.io", registry: "ghcr.io"},
		"http://ghcr.io:8080/a": {host: "ghcr.io:8080", scope: "a", registry: "http://ghcr.io:8080", plain: true},
		"[::1]:5000/a/b":        {host: "[::1]:5000", scope: "a/b", registry: "[::1]:5000"},
		"an opaque key":         {registry: "an opaque key"},
	} {
		a := ParseAddress(in)
		got := parts{a.Host(), a.Scope(), a.Registry().String(), a.Hub(), a.PlainHTTP()}
		if got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
		if r := a.Registry(); r.Scope() != "" || ParseAddress(r.String()).String() != r.String() {
			t.Errorf("the registry of %q has the scope %q", in, r.Scope())
		}
	}
}

func TestOddSpellings(t *testing.T) {
	for in, want := range map[string]string{
		"ho\nst\r.example":                  "host.example", // line breaks within, as the protocol's reader does
		"docker://docker://h":               "h",
		"DOCKER://OrAs://h":                 "h",
		"h///":                              "h",
		"h/a//":                             "h/a",
		"h:1":                               "h:1",
		"h:65535":                           "h:65535",
		"[::1]:":                            "[::1]:",
		"[::1]:0":                           "[::1]:0",
		"[127.0.0.1]":                       "[127.0.0.1]", // IPv4 has no brackets: an opaque key
		"[]":                                "[]",
		"[x]":                               "[x]",
		"[fe80::1%25eth0]:1":                "[fe80::1%25eth0]:1",
		"[::FFFF:1.2.3.4]":                  "[::ffff:1.2.3.4]",
		"h/-._~":                            "h/-._~",
		"h/a/..":                            "h/a/..",
		"h/...":                             "h/...",
		"a-b.c_d.example/AZaz09":            "a-b.c_d.example/AZaz09",
		"AZ09az.example":                    "az09az.example",
		"a@b":                               "a@b",
		"a[b":                               "a[b",
		"a`b":                               "a`b",
		"a{b":                               "a{b",
		"a/b":                               "a/b",
		"a:b":                               "a:b",
		"h/@":                               "h/@",
		"h/[":                               "h/[",
		"h/`":                               "h/`",
		"h/{":                               "h/{",
		"h/:":                               "h/:",
		"docker.io/v1/access-token/":        "docker.io/v1/access-token/",
		"docker.io/v1/other-token":          "docker.io/other-token",
		"docker.io/v2/access-token":         "docker.io/access-token",
		"docker.io/v1/refresh-token/x":      "docker.io/refresh-token/x",
		"http://docker.io/v1/access-token":  "http://docker.io/v1/access-token",
		"ghcr.io/v1/access-token":           "ghcr.io/v1/access-token",
		"ghcr.io/v3":                        "ghcr.io/v3",
		"http://ghcr.io/v2":                 "http://ghcr.io",
		"http://index.docker.io/v2/library": "http://index.docker.io/v2/library",
	} {
		if got := ParseAddress(in).String(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, opaque := range []string{"[::1]:", "[127.0.0.1]", "[]", "a@b", "a[b", "a`b", "a{b", "a:b", "h/@", "h/[", "h/`", "h/{", "h/:", "h/a/..", "docker.io/v1/access-token/"} {
		if !ParseAddress(opaque).Opaque() {
			t.Errorf("%q is taken for a host", opaque)
		}
	}
	var tokens []string
	for _, a := range HubTokens() {
		tokens = append(tokens, a.String())
	}
	want := []string{HubAddress + "access-token", HubAddress + "/access-token", HubAddress + "refresh-token", HubAddress + "/refresh-token"}
	if !slices.Equal(tokens, want) {
		t.Errorf("the tokens of docker's web login are %q, want %q", tokens, want)
	}
}

// What stands under the whole registry never answers for a scope, also where the scope is
// named like the API's root.
func TestLookupsEndAboveTheHost(t *testing.T) {
	for in, want := range map[string][]string{
		"h/v2/a":   {"h/v2/a"},
		"h/v2/a/b": {"h/v2/a/b", "h/v2/a"},
		"h/a/v2":   {"h/a/v2", "h/a"},
		"h/a/b/c":  {"h/a/b/c", "h/a/b", "h/a"},
	} {
		var got []string
		for _, a := range ParseAddress(in).Lookups() {
			got = append(got, a.String())
			if again := ParseAddress(a.String()); again.Scope() != a.Scope() {
				t.Errorf("%q of %q has the scope %q", a, in, a.Scope())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
