package account

import (
	"errors"
	"strings"
	"testing"

	"regshape/login/app"
	"regshape/store"
)

// What is given as REGISTRY is an address or a mistake that is explained; of an image, the
// registry that is named instead is one.
func FuzzRegistryArgument(f *testing.F) {
	for _, s := range []string{
		"ghcr.io", "https://GHCR.io/v2/", "ghcr.io/ns/app:tag", "app:tag", "host:5000/app@sha256:00", "[::1]:5000/x:y", "localhost/x:1", "docker.io/library/x", "a b", "\x1b[31m", ":", "/:", "@", "x/y:z:w",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, spelling string) {
		a, err := app.RegistryArg{Argument: spelling}.Target("login")
		if err != nil {
			u, ok := errors.AsType[*app.UsageError](err)
			if !ok || strings.ContainsAny(u.Error()+u.Hint, "\x1b\n\r\x00") {
				t.Fatalf("%q: %q", spelling, err)
			}
			host, image := app.HostOfImage(spelling)
			if image && store.ParseAddress(host).Opaque() {
				t.Fatalf("%q is taken for an image of the invalid registry %q", spelling, host)
			}
			return
		}
		if a.Opaque() || a.Host() == "" {
			t.Fatalf("%q is taken for %q", spelling, a)
		}
		// That it is plain http is a field of the entry.
		if again := store.ParseAddress(a.Bare().String()); again.Opaque() || again.Scope() != a.Scope() || !a.PlainHTTP() && again.String() != a.String() {
			t.Fatalf("%q is %q, whose bare form %q is %q", spelling, a, a.Bare(), again)
		}
		if name := secretName(a.Name()); !isSubdomain(name) {
			t.Fatalf("%q would be the Secret %q", spelling, name)
		}
	})
}
