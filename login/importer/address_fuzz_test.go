package importer

import (
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
			a := fileAddress(key, format)
			if again := store.ParseAddress(a.String()); again.String() != a.String() {
				t.Fatalf("%q is stored under %q, which is %q", key, a, again)
			}
			l := Login{Entry: authfile.Entry{Key: key}, Address: a}
			if stored := store.ParseAddress(l.credential().ServerURL); stored.String() != a.String() {
				t.Fatalf("%q is %q and would be stored under %q", key, a, stored)
			}
			if rank := l.rank(format); rank < 0 || rank > 2 {
				t.Fatalf("%q has rank %d", key, rank)
			}
		}
	})
}
