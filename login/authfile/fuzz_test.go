package authfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"regshape/login/redact"
)

func seed(f *testing.F) {
	f.Helper()
	for _, text := range texts(f, "testdata/documents/*.json") {
		f.Add(text)
	}
	for _, s := range []string{
		"", " ", "{ }", "{\n}", "{\r\n\r\n}\r\n", `{"auths":null}`, `{"auths":null,"credHelpers":null}`,
		`{"auths":{"new.example":null}}`, `{"auths":{"new.example":{}},"Auths":{}}`, `{"a" :1 ,"b":2 }`,
		`{"auths":{ },"credHelpers": {"a":null}}`, `{"auths":{"k":5,"k":{"auth":"!","Auth":""}}}`, `[]`, `{"\ud800":1}`,
		"{\"a\":\n1,\n\n\"b\":\r2}", `{"credsStore":""}`, "\xef\xbb\xbf{}", "{\"\xff\":1}",
	} {
		f.Add([]byte(s))
	}
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, format := range []Format{Docker, DockercfgFormat} {
			d, err := Parse("f", text, format)
			if err != nil {
				se, ok := errors.AsType[*SyntaxError](err)
				if !ok || se.Line < 1 || se.Column < 1 {
					t.Fatalf("%v", err)
				}
				continue
			}
			if !bytes.Equal(d.Bytes(), text) || len(bytes.TrimSpace(text)) > 0 && !json.Valid(text) {
				t.Fatalf("%q reads as %q", text, d.Bytes())
			}
			seen := map[string]bool{}
			for _, e := range d.Entries() {
				got, ok := d.Lookup(e.Key)
				if seen[e.Key] || !ok || got.Secret != e.Secret || got.Username != e.Username {
					t.Fatalf("%q: entry %q is looked up as another", text, e.Key)
				}
				seen[e.Key] = true
			}
			d.CredHelpers()
			d.CredsStore()
		}
	})
}

func FuzzEdit(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Parse("f", text, Docker); err != nil {
			return
		}
		for _, r := range reversibles {
			d := parse(t, "f", text)
			if !r.lacks(d) || has(d, "new.example", "new.example/ns", "b.example", "previous") {
				continue
			}
			r.edit(d)
			edited := d.Bytes()
			if d.Err() != nil {
				if !bytes.Equal(edited, text) {
					t.Fatalf("%s was refused and changed %q to %q", r.name, text, edited)
				}
				continue
			}
			if !json.Valid(edited) {
				t.Fatalf("%s of %q gives %q", r.name, text, edited)
			}
			keepsTheRest(t, text, edited)
			r.undo(d)
			if got := d.Bytes(); !bytes.Equal(got, text) {
				t.Fatalf("%s of %q undone gives %q", r.name, text, got)
			}
		}
	})
}

// An entry for the kubelet is added and taken out again, and nothing else changes.
func FuzzSetProvider(f *testing.F) {
	for _, list := range []string{`[]`, `[ ]`, `[{"name":"a"}]`, "[\n  {\"name\": \"a\"},\n  {\"name\": \"b\"}\n]", "[\r\n\r\n\t1,\r\n2 ]", `[{"name":"new"},{"name":"new"}]`, `{}`} {
		f.Add([]byte(`{"kind":"CredentialProviderConfig","providers":` + list + "}\n"))
	}
	f.Add([]byte(`{"kind":"other","providers":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse("f", text, Docker)
		if err != nil {
			return
		}
		before, n, err := d.Providers("new")
		d.SetProvider("new", `{"name":"new","matchImages":["*"]}`)
		if (d.Err() != nil) != (err != nil || len(before) > 1) {
			t.Fatalf("%q with %q: %v, %v", text, before, err, d.Err())
		}
		if d.Err() != nil || len(before) > 0 {
			return
		}
		if named, all, err := d.Providers("new"); err != nil || len(named) != 1 || all != n+1 || !json.Valid(d.Bytes()) {
			t.Fatalf("%q becomes %q: %q of %d (%v)", text, d.Bytes(), named, all, err)
		}
		d.SetProvider("new", "")
		if got := d.Bytes(); !bytes.Equal(got, text) {
			t.Fatalf("%q undone is %q", text, got)
		}
	})
}

// Which registries the kubelet asks a provider for.
func TestProvider_matches(t *testing.T) {
	for _, c := range []struct {
		pattern, host string
		want          bool
	}{
		{"*", "localhost", true},
		{"*", "ghcr.io", false},
		{"*.*", "ghcr.io", true},
		{"*.*", "ghcr.io:443", false},
		{"*.io", "ghcr.io", true},
		{"g*.io", "ghcr.io", true},
		{"*.io", "a.ghcr.io", false},
		{"ghcr.io/team", "ghcr.io", false},
		{"*.example:5000", "a.example:5000", true},
		{"*.example:5000", "a.example:5001", false},
		{"[::1]:5000", "[::1]:5000", true},
		{"*.*.example", "*.b.example", true},
		{"[.io", "ghcr.io", false},
	} {
		if got := (Provider{MatchImages: []string{c.pattern}}).Matches(c.host); got != c.want {
			t.Errorf("%s matches %s: got %t, want %t", c.pattern, c.host, got, c.want)
		}
	}
}

// has reports whether a document holds what the edits add.
func has(d *Document, hosts ...string) bool {
	for _, name := range []string{nameAuths, nameCredHelpers} {
		for _, o := range d.objectsNamed(name) {
			for _, host := range hosts {
				if _, n := find(o, func(s string) bool { return strings.EqualFold(s, host) }); n > 0 {
					return true
				}
			}
		}
	}
	return false
}

// A registries.conf gives a list or the place where it goes wrong, never its content; and
// the drop-in that setup makes of such a list gives that list again, helper first.
func FuzzRegistriesConf(f *testing.F) {
	for _, text := range texts(f, "testdata/registries/*/etc/containers/registries.conf") {
		f.Add(text)
	}
	for _, s := range []string{
		"", "\xef\xbb\xbf", `credential-helpers = ["a\u0000b", "\"", "\\", "é"]`, "Credential-Helpers = [\"x\"]\n[[registry]]\n",
		"credential-helpers = [1]", "credential-helpers = [\"a\"]\ncredential-helpers = []", "[credential-helpers]", "a.b.c = 1\n\x00",
	} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "registries.conf")
	read := func(t *testing.T, text []byte) ([]string, error) {
		t.Helper()
		put(t, path, string(text))
		return readHelpers(path, Podman4)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := read(t, text)
		if err != nil {
			se, ok := errors.AsType[*SyntaxError](err)
			if !ok || se.Line < 1 || se.Column < 1 || se.Line > bytes.Count(text, []byte("\n"))+1 || se.Name != path {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		want := existing(append([]string{"regshape"}, list...)...)
		made := DropInText("written by a test", WithHelper(list, "regshape", false))
		if got, err := read(t, made); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q lists %q; the drop-in %q lists %q (%v), want %q", text, list, made, got, err, want)
		}
	})
}

// A login that is put into a file is read out of it to the byte, under its key alone; one
// that the format cannot hold is refused and changes nothing. Neither the error nor the
// diff that is shown holds the secret.
func FuzzLogins(f *testing.F) {
	f.Add([]byte(""), "ghcr.io", "user", "", false)
	f.Add([]byte(`{"auths":{"ghcr.io":{"auth":"dTpw","email":"e"}},"x":1}`), "ghcr.io", "", "\x00", true)
	f.Add([]byte("{\"auths\": {\n\t\"a\": {}\n}, \"HttpHeaders\": {\"X\": \"y\"}}\n"), "https://index.docker.io/v1/", "a:b", "ü\n\"", false)
	f.Add([]byte(`{"auths":{"h":{"identitytoken":"t","auth":"OjA="}}}`), "h", "u", "\xff", false)
	f.Add([]byte(`{"h":{"username":"a","password":"b"}}`), "h", "ada lovelace", ":\"\\\n\u2028ä", false)
	f.Add([]byte(""), "host/ns \"q\"", "", "<&>", true)
	f.Fuzz(func(t *testing.T, text []byte, key, user, rest string, token bool) {
		const canary = "CANARY-c2Vj"
		secret := canary + rest
		if bytes.Contains(text, []byte(canary)) || strings.Contains(key+user, canary) {
			return
		}
		for _, format := range []Format{Docker, Containers, DockercfgFormat} {
			d, err := Parse("f", text, format)
			if err != nil {
				continue
			}
			before := d.Bytes()
			d.SetAuth(key, user, secret, token)
			if err := d.Err(); err != nil {
				if strings.Contains(err.Error(), canary) || !bytes.Equal(d.Bytes(), before) {
					t.Fatalf("a refusal (%v) made %q of %q", err, d.Bytes(), text)
				}
				continue
			}
			after := d.Bytes()
			if again, err := Parse("f", after, format); err != nil {
				t.Fatalf("%q became %q: %v", text, after, err)
			} else if e, ok := again.Lookup(key); !ok || e.Secret != secret || e.IdentityToken != token || !token && e.Username != user || e.Err != nil {
				t.Fatalf("%q became %q, where %q is %q, %v", text, after, key, e.Secret, e.Err)
			}
			basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
			d.RemoveAuth(key)
			if bytes.Contains(d.Bytes(), []byte(canary)) || bytes.Contains(d.Bytes(), []byte(basic)) {
				t.Fatalf("%q keeps the secret after its removal: %q", text, d.Bytes())
			}
		}
	})
}

// The "auth" of an entry is base64 of a user name, a colon and a password, and nothing
// else is taken for a login.
func FuzzDecodeAuth(f *testing.F) {
	for _, s := range []string{"dXNlcjpwYXNz", "dTpw==\r\n", "OnA=", "dQ==", "dTo=", "dTpwAAA=", "!", "dTpw\ndTpw", "Og=="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, auth string) {
		user, password, wrong := decodeAuth(auth)
		if wrong != "" {
			if user+password != "" || len(auth) > 12 && strings.Contains(wrong, auth) {
				t.Fatalf("%q: %q and %q beside %q", auth, user, password, wrong)
			}
			return
		}
		if user == "" && password != "" || strings.Contains(user, ":") || strings.Trim(password, "\x00") != password {
			t.Fatalf("%q gives the user %q and the password %q", auth, user, password)
		}
		again := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		if u, p, w := decodeAuth(again); u != user || p != password || w != "" {
			t.Fatalf("%q gives %q:%q, which is read as %q:%q (%s)", auth, user, password, u, p, w)
		}
	})
}

// What is shown of another tool's helper that failed is short, on one line, and without
// the secret that the helper was given or has answered with.
func FuzzHelperMessage(f *testing.F) {
	f.Add([]byte("error getting credentials"), []byte("\x1b[31mfatal\r\n"), "s3cret with \"quotes\"", []byte(""))
	f.Add([]byte("s3cret"), []byte("czNjcmV0"), "s3cret", []byte(`{"Secret":"s3cret"}`))
	f.Add([]byte(""), []byte("a\u202eb abc"), "abc", []byte(`{"secret":1}`))
	f.Fuzz(func(t *testing.T, stdout, stderr []byte, secret string, answer []byte) {
		// A secret that is part of the mark itself, or has what is made safe, says nothing here.
		plain := len(secret) >= minRedacted && utf8.ValidString(secret) && !strings.ContainsAny(secret, "[]?;…") && !strings.ContainsFunc(secret, func(r rune) bool {
			return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r)
		})
		for _, err := range [][]byte{stderr, []byte(string(stderr) + secret), []byte(secret + string(stderr))} {
			shown := message(stdout, err, []string{secret, answered(answer)})
			if strings.ContainsFunc(shown, func(r rune) bool { return !unicode.IsPrint(r) }) || utf8.RuneCountInString(shown) > 2*(maxMessage+1)+2 {
				t.Fatalf("%q and %q are shown as %q", stdout, err, shown)
			}
			if plain && strings.Contains(shown, secret) && !strings.Contains(redact.Mark, secret) {
				t.Fatalf("%q and %q show the secret: %q", stdout, err, shown)
			}
		}
		var creds struct{ Secret string }
		if s := answered(answer); s != "" && json.NewDecoder(bytes.NewReader(answer)).Decode(&creds) == nil && creds.Secret != s {
			t.Fatalf("%q answers with %q", answer, s)
		}
	})
}

// The name of a helper comes from a file: no name leads to a program outside of PATH, or
// to one that is not a credential helper.
func FuzzHelperName(f *testing.F) {
	for _, s := range []string{"pass", "a/b", `a\b`, "../x", "a b", "", "ecr-login", "x\x00", "-h", strings.Repeat("a", 129), strings.Repeat("a", 128), "gcr;id", "é", "\x1b[2J", "a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		_, err := Helper{Name: name}.find()
		if !IsHelperName(name) {
			if !errors.Is(err, ErrHelperName) || strings.ContainsAny(err.Error(), "\x1b\n\r") {
				t.Fatalf("%q: %v", name, err)
			}
			return
		}
		if program := "docker-credential-" + name; filepath.Base(program) != program || strings.ContainsAny(program, " \x00$;&|\\\"'") {
			t.Fatalf("%q stands for %q", name, program)
		}
	})
}
