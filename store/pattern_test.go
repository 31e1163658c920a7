package store

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

func TestParsePattern(t *testing.T) {
	for in, want := range map[string]string{
		"*.dkr.ecr.*.amazonaws.com":         "*.dkr.ecr.*.amazonaws.com",
		"https://*.DKR.ecr.*.amazonaws.com": "*.dkr.ecr.*.amazonaws.com",
		" *-docker.pkg.dev":                 "",
		"*.pkg.dev":                         "*.pkg.dev",
		"*.pkg.dev:443":                     "*.pkg.dev",
		"*.pkg.dev:5000":                    "*.pkg.dev:5000",
		"a.*.pkg.dev":                       "a.*.pkg.dev",
		"*.*.*.*.*.*.b.c":                   "*.*.*.*.*.*.b.c",
		"*.*.*.*.*.*.*.b.c":                 "", // nine labels
		"*.dev":                             "",
		"*":                                 "",
		"pkg.*.dev":                         "",
		"a.pkg.*":                           "",
		"a.b.pkg.dev":                       "", // no *
		"*.pkg.dev/team":                    "",
		"*.pkg.dev/":                        "",
		"http://*.pkg.dev":                  "",
		"x*.pkg.dev":                        "",
		"**.pkg.dev":                        "",
		"*..pkg.dev":                        "",
		".*.pkg.dev":                        "",
		"*.pkg.dev.":                        "",
		"*.pkg.dev:0":                       "",
		"*.pkg.dev:*":                       "",
		"*.0.0.1":                           "",
		"[*::1]":                            "",
		"[::1.*.3.4]":                       "",
		"*.5.dev":                           "*.5.dev",
		"*.a.5":                             "",
		"*.bücher.example":                  "",
		"*.xn--bcher-kva.example":           "*.xn--bcher-kva.example",
		"u@*.pkg.dev":                       "",
		"*.pkg.dev\n":                       "*.pkg.dev",
		"*.pkg\n.dev":                       "",
	} {
		got, err := ParsePattern(in)
		if got != want || (err == nil) == (want == "") {
			t.Errorf("%q: got %q (%v), want %q", in, got, err, want)
		}
		if want != "" && !ParseAddress(want).Opaque() {
			t.Errorf("%q could be a registry", want)
		}
	}
}

func TestMasks(t *testing.T) {
	for _, c := range []struct {
		pattern, address string
		want             bool
	}{
		{"*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com", true},
		{"*.dkr.ecr.*.amazonaws.com", "https://123.DKR.ecr.eu-west-1.amazonaws.com:443/v2/", true},
		{"*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com.evil", false},
		{"*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu.west-1.amazonaws.com", false},
		{"*.dkr.ecr.*.amazonaws.com", "dkr.ecr.eu-west-1.amazonaws.com", false},
		{"*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com:5000", false},
		{"*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com/team/app", false},
		{"*.dkr.ecr.*.amazonaws.com", "http://123.dkr.ecr.eu-west-1.amazonaws.com", false},
		{"*.dkr.ecr.*.amazonaws.com", "123.dkr.ecr.eu-west-1.amazonaws.com.", false},
		{"*.pkg.dev", "europe-docker.pkg.dev", true},
		{"*.pkg.dev", "evil-pkg.dev", false},
		{"*.pkg.dev", "pkg.dev", false},
		{"*.pkg.dev", "a.b.pkg.dev", false},
		{"*.2.3.4.5.6.b.c", "1.2.3.4.5.6.b.c", true},
		{"*.1.2.3.4.5.6.b.c", "0.1.2.3.4.5.6.b.c", false},
		{"*.pkg.dev:5000", "a.pkg.dev:5000", true},
		{"*.pkg.dev:5000", "a.pkg.dev", false},
		{"*.docker.io", "index.docker.io", false},
		{"*.docker.io", "registry-1.docker.io", false},
		{"*.docker.io", "evil.docker.io", true},
		{"*.0.0.1", "127.0.0.1", false},
		{"*.0.0.0", "00.0.0.0", false},
		{"*.*.b.c", "[::1]", false},
		{"*.bücher.example", "a.bücher.example", false},
	} {
		if got := slices.Contains(ParseAddress(c.address).Masks(), c.pattern); got != c.want {
			t.Errorf("%s matches %s: %t, want %t", c.pattern, c.address, got, c.want)
		}
	}
	if got := strings.Join(ParseAddress("a.b.c.d.e").Masks(), " "); got != "a.b.*.d.e a.*.c.d.e *.b.c.d.e a.*.*.d.e *.b.*.d.e *.*.c.d.e *.*.*.d.e" {
		t.Errorf("got %s", got)
	}
}

func TestIsPattern(t *testing.T) {
	for canonical, want := range map[string]bool{"*.pkg.dev": true, "*.PKG.dev": false, "a.pkg.dev": false, "": false} {
		c := Credential{Canonical: canonical}
		if got := c.MadeBy(Program{}).IsPattern(); got != want || c.IsPattern() {
			t.Errorf("%q: got %t, want %t; without a program %t", canonical, got, want, c.IsPattern())
		}
	}
}

// Only a login by a program answers for what matches, the damaged one that counts hides the
// next, and without the mark nobody looks.
func TestGet_pattern(t *testing.T) {
	s, _ := notingStore(t, false)
	mustPut(t, s, "*.b.c.example", "p") // a client may store anything
	v, err := s.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.disk = strangeDisk{renamed: func(from, to string) error {
		if to == v.path(patternMark) {
			return syscall.EIO
		}
		return os.Rename(from, to)
	}}
	pattern := Credential{ServerURL: "*.*.c.example"}.MadeBy(Program{Words: []string{"/bin/maker"}})
	if err := s.Put(t.Context(), pattern); !errors.Is(err, syscall.EIO) {
		t.Errorf("a mark that cannot be written: %v", err)
	}
	s.disk = durable.OS{}
	if err := s.Put(t.Context(), pattern); err != nil {
		t.Fatal(err)
	}
	get := func() (Credential, error) { return s.Get(t.Context(), ParseAddress("a.b.c.example")) }
	if c, err := get(); err != nil || c.Canonical != "*.*.c.example" || c.For().String() != "a.b.c.example" {
		t.Errorf("got %s for %s (%v)", c, c.For(), err)
	}
	if err := os.WriteFile(v.path("*.b.c.example"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := get(); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged entry: %v", err)
	}
	if err := os.Remove(v.path(patternMark)); err != nil {
		t.Fatal(err)
	}
	if _, err := get(); !errors.Is(err, ErrNotFound) {
		t.Errorf("without the mark: %v", err)
	}
}

// Version 0.1.0 answers and lists no login that has ended, and knows nothing of programs: so
// whatever belongs to a program's login has ended for it.
func TestProgram_hasEndedForVersion010(t *testing.T) {
	s, _ := notingStore(t, false)
	for _, registry := range []string{"a.example", "*.example.com"} {
		login := Credential{ServerURL: registry, Canonical: registry, Username: "u"}.MadeBy(Program{Words: []string{"/bin/maker"}})
		if err := s.Put(t.Context(), login); err != nil {
			t.Fatal(err)
		}
		answer := Credential{Username: "u", Secret: "s", Answer: &Answer{Made: time.Now(), Ends: time.Now().Add(time.Hour)}}
		if err := s.Keep(t.Context(), login, answer); err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v.needKey(t.Context())
	names, _, err := v.entryNames()
	if err != nil || len(names) != 5 || v.keyErr != nil { // two logins, their answers, and the mark of patterns
		t.Fatalf("%d entries, %v, %v", len(names), err, v.keyErr)
	}
	for _, o := range v.openAll(names) {
		if c := o.credential; o.err != nil || c.Expires.IsZero() || !c.Expires.Before(s.now()) {
			t.Errorf("%s ends %v, %v", c.Canonical, c.Expires, o.err)
		}
	}
}

// What version 0.1.0 stores in a program's login keeps the member that it does not know.
func TestProgram_replacedByVersion010(t *testing.T) {
	c, err := unmarshalCredential([]byte(`{"Secret":"s","Program":{"ID":"a","Words":["/bin/maker"]}}`))
	if err != nil || c.Secret != "s" || c.Renews() {
		t.Errorf("secret %q, renews %t, %v", c.Secret, c.Renews(), err)
	}
}

// A pattern is matched by what it says, and by nothing else: whatever comes out for a host
// differs from it in whole labels, none of them one of the last two.
func FuzzMasks(f *testing.F) {
	for _, s := range []string{"a.b.c", "*.b.c", "a.b.c:5000", "x.amazonaws.com.evil", "127.0.0.1", "a..b.c", "*.*.c.d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		host := strings.Split(ParseAddress(s).Host(), ".")
		for _, mask := range ParseAddress(s).Masks() {
			labels := strings.Split(mask, ".")
			if p, err := ParsePattern(mask); err != nil || p != mask || len(labels) != len(host) {
				t.Fatalf("%q has the mask %q (%v)", s, mask, err)
			}
			for i, l := range labels {
				if l != host[i] && (l != "*" || i >= len(host)-2) {
					t.Fatalf("%q has the mask %q", s, mask)
				}
			}
		}
		if p, err := ParsePattern(s); err == nil {
			if again, err := ParsePattern(p); err != nil || again != p || ParseAddress(p).String() != p {
				t.Fatalf("%q is %q, and that is %q (%v)", s, p, again, err)
			}
		}
	})
}
