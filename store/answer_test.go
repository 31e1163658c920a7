package store

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// What is kept is answered for that login and that registry alone, and of a pattern for the last
// 200 registries.
func TestKeep(t *testing.T) {
	s, _ := notingStore(t, false)
	now := time.Now().UTC().Truncate(time.Second)
	s.now = func() time.Time { return now }
	for _, registry := range []string{"a.example", "*.example.com"} {
		if err := s.Put(t.Context(), Credential{ServerURL: registry, Username: "u"}.MadeBy(Program{Words: []string{"/bin/maker"}})); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(registry string) (login Credential) {
		t.Helper()
		login, last, err := s.Answered(t.Context(), ParseAddress(registry))
		if err != nil || last.Secret != "" {
			t.Fatalf("%s: %q before it was kept (%v)", registry, last.Secret, err)
		}
		made := Credential{Username: "u", Secret: "of " + registry, Answer: &Answer{Made: now, Ends: now.Add(time.Hour)}}
		if err := s.Keep(t.Context(), login, made); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
		return login
	}
	secret := func(registry string) string {
		t.Helper()
		_, last, err := s.Answered(t.Context(), ParseAddress(registry))
		if err != nil {
			t.Fatal(err)
		}
		return last.Secret
	}
	login := keep("a.example")
	for n := range maxAnswers + 1 {
		keep(fmt.Sprintf("h%d.example.com", n))
	}
	for registry, want := range map[string]string{
		"a.example": "of a.example", "h0.example.com": "", "h1.example.com": "of h1.example.com", "h200.example.com": "of h200.example.com",
	} {
		if got := secret(registry); got != want {
			t.Errorf("%s: got %q, want %q", registry, got, want)
		}
	}
	if err := s.EraseAnswer(t.Context(), login); err != nil || secret("a.example") != "" {
		t.Errorf("after it was erased: %q (%v)", secret("a.example"), err)
	}
	v, err := s.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.mark(v.names.kid, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), login, Credential{Secret: "x", Answer: &Answer{}}); !errors.Is(err, ErrRotating) || secret("a.example") != "" {
		t.Errorf("while the key is changed: %v", err)
	}
}
