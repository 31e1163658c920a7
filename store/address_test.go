package store

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseAddress_canonical(t *testing.T) {
	const opaque = "(as is)"
	tests := []struct{ in, want string }{
		// Docker Hub is one address.
		{"docker.io", HubAddress},
		{"index.docker.io", HubAddress},
		{"registry-1.docker.io", HubAddress},
		{"registry.hub.docker.com", HubAddress},
		{"https://index.docker.io/v1/", HubAddress},
		{"https://index.docker.io/v1", HubAddress},
		{"index.docker.io/v1/", HubAddress},
		{"https://registry-1.docker.io/v2/", HubAddress},
		{"https://Docker.IO", HubAddress},
		{"docker://docker.io/", HubAddress},
		{"docker.io:443", HubAddress},
		{"registry.hub.docker.com/", HubAddress},
		{"http://docker.io", "http://docker.io"},
		{"docker.io:8443", "docker.io:8443"},
		{"docker.io.evil.example", "docker.io.evil.example"},
		// A further path is a scope of it.
		{"index.docker.io/library/x", "docker.io/library/x"},
		{"https://index.docker.io/v1/library/x/", "docker.io/library/x"},
		{"docker.io/library", "docker.io/library"},
		{"docker.io/v1/v2/x", "docker.io/x"},
		// docker's web login: exact match only.
		{"https://index.docker.io/v1/access-token", opaque},
		{"https://index.docker.io/v1/refresh-token", opaque},
		{"https://index.docker.io/v1//access-token", opaque},
		{"https://index.docker.io/v1//refresh-token", opaque},
		{"index.docker.io/V1/Access-Token", opaque},
		// Other hosts.
		{"ghcr.io", "ghcr.io"},
		{"GHCR.io", "ghcr.io"},
		{"https://ghcr.io", "ghcr.io"},
		{"HTTPS://ghcr.io/", "ghcr.io"},
		{"ghcr.io:443", "ghcr.io"},
		{"https://ghcr.io:443/v2/", "ghcr.io"},
		{"ghcr.io/v1", "ghcr.io"},
		{"ghcr.io//", "ghcr.io"},
		{"ghcr.io:80", "ghcr.io:80"},
		{"http://ghcr.io:80/", "http://ghcr.io"},
		{"http://ghcr.io:443", "http://ghcr.io:443"},
		{"http://ghcr.io", "http://ghcr.io"},
		{"localhost:5000", "localhost:5000"},
		{"oras://localhost:5000/v2", "localhost:5000"},
		{"oci://ghcr.io", "ghcr.io"},
		{"oci://https://ghcr.io:443/v2/", "ghcr.io"},
		{"oci://registry-1.docker.io/", HubAddress},
		{"oci://http://localhost:5000", "http://localhost:5000"},
		{"oci://GHCR.io/Team/charts", "ghcr.io/Team/charts"},
		{"docker://https://ghcr.io", "ghcr.io"},
		{"127.0.0.1:5000", "127.0.0.1:5000"},
		{"[::1]:5000", "[::1]:5000"},
		{"[0:0:0:0:0:0:0:1]:443", "[::1]"},
		{"[::1]", "[::1]"},
		{"host\r\n", "host"},
		{"  host ", "host"},
		{"pycreds_test_ab12", "pycreds_test_ab12"},
		// Scopes.
		{"ghcr.io/team/app", "ghcr.io/team/app"},
		{"https://GHCR.io/Team/app/", "ghcr.io/Team/app"},
		{"http://host:80/ns", "http://host/ns"},
		{"host/ns/v2", "host/ns/v2"},
		{"host/v2/ns", "host/v2/ns"},
		// Opaque keys.
		{"", opaque},
		{"/", opaque},
		{"https://", opaque},
		{"ssh://host", opaque},
		{"user@host", opaque},
		{"host:", opaque},
		{"host:0", opaque},
		{"host:0443", opaque},
		{"host:65536", opaque},
		{"host:tag", opaque},
		{"host/app:tag", opaque},
		{"host/app@sha256:0a", opaque},
		{"host//ns", opaque},
		{"host/../ns", opaque},
		{"host/./ns", opaque},
		{"host?x=1", opaque},
		{"host/ns#x", opaque},
		{"a b", opaque},
		{"::1", opaque},
		{"[::1", opaque},
		{"[::1]x", opaque},
		{"[fe80::1%25eth0]", opaque},
		{"münchen.example", opaque},
		{"-host", opaque},
		{".host", opaque},
		{"ho..st", opaque},
		{"\xff\xfe", opaque},
	}
	for _, test := range tests {
		want := test.want
		if want == opaque {
			want = test.in
		}
		a := ParseAddress(test.in)
		if a.String() != want || a.Opaque() != (test.want == opaque) {
			t.Errorf("ParseAddress(%q) = %q (opaque %v), want %q (opaque %v)", test.in, a, a.Opaque(), want, test.want == opaque)
		}
	}
}

func TestLookups(t *testing.T) {
	tests := []struct{ in, want string }{
		{"ghcr.io", "ghcr.io"},
		{"ghcr.io/ns/repo", "ghcr.io/ns/repo ghcr.io/ns"},
		{"http://h/ns/repo", "http://h/ns/repo http://h/ns"},
		{"docker.io/library/x", "docker.io/library/x docker.io/library"},
		{"docker.io", HubAddress},
		{"https://index.docker.io/v1/access-token", "https://index.docker.io/v1/access-token"},
		{"a b/c", "a b/c"},
	}
	for _, test := range tests {
		var spelled []string
		for _, l := range ParseAddress(test.in).Lookups() {
			spelled = append(spelled, l.String())
		}
		if got := strings.Join(spelled, " "); got != test.want {
			t.Errorf("Lookups of %q = %q, want %q", test.in, got, test.want)
		}
	}
	deep := ParseAddress("host" + strings.Repeat("/n", 40)).Lookups()
	if len(deep) != maxScopes || !strings.HasSuffix(deep[0].String(), strings.Repeat("/n", 40)) {
		t.Errorf("40 segments: %d lookups beginning with %q, want %d beginning with the address itself", len(deep), deep[0], maxScopes)
	}
}

func TestAddress_parts(t *testing.T) {
	a := ParseAddress("https://Host:5000/ns/repo/")
	if a.Host() != "host:5000" || a.Scope() != "ns/repo" || a.Hub() || a.Registry().String() != "host:5000" {
		t.Errorf("parts of %q: host %q, scope %q, registry %q", a, a.Host(), a.Scope(), a.Registry())
	}
	if hub := ParseAddress("docker.io/library/x").Registry(); !hub.Hub() || hub.String() != HubAddress {
		t.Errorf("the registry of a Docker Hub scope is %q", hub)
	}
	tokens := HubTokens()
	for _, token := range tokens {
		if !token.Opaque() || token.String() == HubAddress {
			t.Errorf("%q is not an address of its own", token)
		}
	}
	if len(tokens) != 4 {
		t.Errorf("%d token addresses, want 4", len(tokens))
	}
}

// Bare takes off http:// alone, and Name shows no URL for Docker Hub.
func TestAddress_bareAndName(t *testing.T) {
	for in, want := range map[string]struct{ bare, name string }{
		"docker.io":                            {HubAddress, "docker.io"},
		"http://docker.io":                     {HubAddress, "http://docker.io"},
		"http://index.docker.io/library":       {"docker.io/library", "http://index.docker.io/library"},
		"http://h:80/a/b":                      {"h/a/b", "http://h/a/b"},
		"http://h:443":                         {"h", "http://h:443"},
		"https://GHCR.io:8443/v2/":             {"ghcr.io:8443", "ghcr.io:8443"},
		HubAddress + "access-token":            {HubAddress + "access-token", HubAddress + "access-token"},
		"a key\x1b[31m":                        {"a key\x1b[31m", "a key?[31m"},
		"http://user:canary-secret@h.example/": {"http://user:canary-secret@h.example/", "http://***@h.example/"},
	} {
		a := ParseAddress(in)
		if got := a.Bare().String(); got != want.bare {
			t.Errorf("%q: Bare() = %q, want %q", in, got, want.bare)
		}
		if got := a.Name(); got != want.name {
			t.Errorf("%q: Name() = %q, want %q", in, got, want.name)
		}
		if got := (Credential{ServerURL: in}).Address().String(); got != a.String() {
			t.Errorf("%q: a credential's Address() = %q, want %q", in, got, a)
		}
	}
}

// The canonical form is a fixed point, and no spelling of one registry answers for
// another: what comes out parses to the same parts again.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{
		"docker.io", "https://index.docker.io/v1/", "https://index.docker.io/v1//access-token", "http://h:80/a/b",
		"[::ffff:1.2.3.4]:443/x", "docker://oras://oci://h", "index.docker.io/v1/v1/x", "h/v2/v2", "ſ://x", "a\nb", "http:///x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := ParseAddress(s)
		b := ParseAddress(a.String())
		if b.String() != a.String() || b.Opaque() != a.Opaque() || b.Host() != a.Host() || b.Scope() != a.Scope() || b.PlainHTTP() != a.PlainHTTP() {
			t.Fatalf("%q -> %#v -> %#v", s, a, b)
		}
		bare := a.Bare()
		if bare.PlainHTTP() || bare.Bare().String() != bare.String() || !bare.Opaque() && bare.Scope() != "" && bare.Scope() != a.Scope() {
			t.Fatalf("%q: Bare() = %#v", s, bare)
		}
		for _, l := range a.Lookups()[1:] {
			if !strings.HasPrefix(a.String(), l.String()+"/") || ParseAddress(l.String()).Scope() == "" {
				t.Fatalf("%q is answered by %q", s, l)
			}
		}
	})
}

func TestAddress_partsOfEveryKind(t *testing.T) {
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

func TestParseAddress_oddSpellings(t *testing.T) {
	for in, want := range map[string]string{
		"ho\nst\r.example":                  "host.example", // line breaks within, as the protocol's reader does
		"docker://docker://h":               "h",
		"DOCKER://OrAs://h":                 "h",
		"OCI://oci://docker://Oci://h":      "h",
		"https://oci://h":                   "https://oci://h", // the scheme of the registry comes last
		"oci:h":                             "oci:h",
		"oci:/h":                            "oci:/h",
		"oci://":                            "oci://",
		"oci://h/app:v1":                    "oci://h/app:v1",
		"docker-daemon:h":                   "docker-daemon:h",
		"docker-daemon://h":                 "docker-daemon://h",
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
func TestLookups_endAboveHost(t *testing.T) {
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

// A message holds no more of a long address than a line or two.
func TestName_long(t *testing.T) {
	name := ParseAddress("h.example/" + strings.Repeat("a", 400)).Name()
	if got := utf8.RuneCountInString(name); got != 300 {
		t.Errorf("the name of a long address has %d characters, want 300", got)
	}
}
