package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file that opens and holds no credential, or that of another address, is damaged; what it
// holds is not quoted.
func TestOpenedButWrong(t *testing.T) {
	s, key := notingStore(t, false)
	root := key.root(t)
	v := view{store: s, names: root.nameKey(), root: root}
	for what, payload := range map[string]string{"no JSON": "canary", "another address": `{"Canonical":"b.example","Secret":"canary"}`} {
		path := v.path("a.example")
		sealed, err := root.sealer().seal(filepath.Base(path), []byte(payload))
		if err == nil {
			err = os.WriteFile(path, sealed, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Get(t.Context(), ParseAddress("a.example"))
		if !errors.Is(err, ErrDamaged) || c.Secret != "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %v", what, c, err)
		}
		if c, err := s.Peek(t.Context(), ParseAddress("a.example")); !errors.Is(err, ErrDamaged) || c.Secret != "" {
			t.Errorf("%s: peek: %v, %v", what, c, err)
		}
		found, damaged, err := s.List(t.Context())
		if err != nil || len(found) != 0 || len(damaged) != 1 || !errors.Is(damaged[0], ErrDamaged) {
			t.Errorf("%s: list: %v, %v, %v", what, found, damaged, err)
		}
	}
}

func TestNoCredential(t *testing.T) {
	if data, err := (Credential{payload: []byte("[1]")}).marshal(); err == nil {
		t.Errorf("over what was no object is written %q", data)
	}
	for _, payload := range []string{"", "canary", "[]", `{"Secret":1}`} {
		if _, err := unmarshalCredential([]byte(payload)); !errors.Is(err, ErrDamaged) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

// Times are whole seconds of UTC, and the first one stays.
func TestTimesOfAnEntry(t *testing.T) {
	s, _ := notingStore(t, true)
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 7200))
	s.now = func() time.Time { return at }
	mustPut(t, s, "a.example", "s")
	want := time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC)
	c, err := s.Get(t.Context(), ParseAddress("a.example"))
	if err != nil || c.Created != want || c.Updated != want {
		t.Errorf("created %v, updated %v (%v)", c.Created, c.Updated, err)
	}
	at = at.Add(time.Hour)
	mustPut(t, s, "a.example", "s")
	c, err = s.Get(t.Context(), ParseAddress("a.example"))
	if err != nil || c.Created != want || c.Updated != want.Add(time.Hour) {
		t.Errorf("created %v, updated %v (%v)", c.Created, c.Updated, err)
	}
	// A time that JSON has no form for.
	err = s.Put(t.Context(), Credential{ServerURL: "a.example", Username: "u", Secret: "canary", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err == nil || strings.Contains(err.Error(), "canary") || secretOf(s, "a.example") != "s" {
		t.Errorf("a year of five digits: %v", err)
	}
}

// What is refused names the field and not what is in it.
func TestWhatIsNotUTF8(t *testing.T) {
	for want, c := range map[string]Credential{
		"the server address is": {ServerURL: "\xff"}, "the user name is": {Username: "\xff"}, "the secret is": {Secret: "\xff"},
	} {
		if err := c.validate(); !errors.Is(err, ErrNotUTF8) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if got := (Renewal{ClientID: "c", Issuer: "i", Token: "x"}).String(); got != "c@i" {
		t.Errorf("%q", got)
	}
}

// An expired login of a scope does not hide that of a shorter one.
func TestExpiredScopeIsPassedOver(t *testing.T) {
	s, _ := notingStore(t, true)
	mustPut(t, s, "h/a", "short")
	err := s.Put(t.Context(), Credential{ServerURL: "h/a/b", Username: "u", Secret: "long", Expires: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"h/a/b", "h/a/b/c", "h/a"} {
		if got := secretOf(s, server); got != "short" {
			t.Errorf("%s: %s", server, got)
		}
	}
}
