package canary

import (
	"encoding/base64"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

const secret = `S3cret/"ü+?x~~`

func TestFindAndRedact(t *testing.T) {
	// All lengths modulo 3 of what stands before the secret.
	for _, user := range []string{"", "a", "al", "ali", "alice"} {
		for name, text := range map[string]string{
			"raw":       user + secret + "\n",
			"JSON":      user + `S3cret/\"ü+?x~~`,
			"URL":       "?p=" + url.QueryEscape(secret),
			"base64":    base64.StdEncoding.EncodeToString([]byte(user + ":" + secret)),
			"base64url": base64.URLEncoding.EncodeToString([]byte(user + secret + "\n")),
		} {
			if Find([]byte("{"+text+"}"), "other secret", secret) == "" {
				t.Errorf("%s after %q is not found", name, user)
			}
			if left := Redact(text, secret); Find([]byte(left), secret) != "" {
				t.Errorf("%s after %q is not redacted", name, user)
			}
		}
	}
	for _, text := range []string{"", "S3cret", base64.StdEncoding.EncodeToString([]byte("alice:another secret"))} {
		if how := Find([]byte(text), secret, ""); how != "" {
			t.Errorf("%s is found in %q", how, text)
		}
	}
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a/clean", "nothing")
	if files, found, err := Tree(dir, secret); files != 1 || len(found) != 0 || err != nil {
		t.Errorf("clean tree: %d files, found %v, error %v", files, found, err)
	}
	write("a/.hidden/config", `{"auth":"`+base64.StdEncoding.EncodeToString([]byte("u:"+secret))+`"}`)
	if files, found, err := Tree(dir, secret); files != 2 || len(found) != 1 || err != nil {
		t.Errorf("tree with a leak: %d files, found %v, error %v", files, found, err)
	}
	if _, _, err := Tree(filepath.Join(dir, "missing"), secret); err == nil {
		t.Error("a missing tree is no error")
	}
}

func TestInTrace(t *testing.T) {
	key := []byte{0x11, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09, 0x1a}
	for trace, want := range map[string]int{
		"main.f({0xc000123456, 0xf8e7d6c5b4a39211, 0x1})": 5,
		"main.f(0xb4a3920000000000?)":                     0,
		"main.f(0xb4a3921100000000?, {...})":              1,
		"main.f(0x1192a3b4c5d6?)":                         3,
		"main.f({0x1192a3b400000000, 0x0, ...})":          1,
		"rax    0xb4a39211":                               1,
		"r9 b4a39211":                                     1,
		"main.f()\n\t/x.go:7 +0xb4a39211 fp=0xb4a39211":   0,
		"main.f(0xc000123456, 0x20, 0x20)":                0,
		"":                                                0,
	} {
		if got := InTrace(trace, key); got != want {
			t.Errorf("%q: %d runs, want %d", trace, got, want)
		}
	}
}
