package importer

import (
	"encoding/json"
	"testing"

	"regshape/login/authfile"
	"regshape/store"
)

// The key of a file and the address that its login is stored under mean one registry, in
// whatever spelling it comes next.
func FuzzFileAddress(f *testing.F) {
	for _, s := range []string{"https://index.docker.io/v1/", "ghcr.io/ns", "https://ghcr.io/v2/ns", "http://h:80/x", "https://index.docker.io/v1/access-token", "opaque key", "", "docker.io/library"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		for _, format := range []authfile.Format{authfile.Docker, authfile.Containers, authfile.DockercfgFormat} {
			l := loginUnder(t, key, format)
			a := l.Address
			if again := store.ParseAddress(a.String()); again.String() != a.String() {
				t.Fatalf("%q is stored under %q, which is %q", key, a, again)
			}
			if stored := store.ParseAddress(l.credential().ServerURL); stored.String() != a.String() {
				t.Fatalf("%q is %q and would be stored under %q", key, a, stored)
			}
		}
	})
}

// loginUnder is a login that a file has under a key.
func loginUnder(t *testing.T, key string, format authfile.Format) Login {
	t.Helper()
	entries := map[string]any{key: map[string]string{"username": "u", "password": "p"}}
	var file any = map[string]any{"auths": entries}
	if format == authfile.DockercfgFormat {
		file = entries
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := authfile.Parse("file", text, format)
	if err != nil {
		t.Fatal(err)
	}
	return fileLogins(d, "")[0]
}
