package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
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
	entries := func(want int) {
		t.Helper()
		v, err := s.look(t.Context())
		if names, _, listErr := v.entryNames(); len(names) != want {
			t.Errorf("%d entries, want %d (%v, %v)", len(names), want, err, listErr)
		}
	}
	const others = 4 // two logins, an answer of the first, and the mark of patterns
	entries(maxAnswers + others)
	for _, registry := range []string{"h1.example.com", "*.example.com"} {
		login, _, err := s.Answered(t.Context(), ParseAddress(registry))
		if err = errors.Join(err, s.EraseAnswer(t.Context(), login)); err != nil || secret("h1.example.com") != "" {
			t.Errorf("after the answers of %s were erased: %v", registry, err)
		}
		if registry == "h1.example.com" {
			entries(maxAnswers - 1 + others)
		}
	}
	entries(others)
	if err := s.EraseAnswer(t.Context(), login); err != nil || secret("a.example") != "" {
		t.Errorf("after it was erased: %q (%v)", secret("a.example"), err)
	}
	s.disk = strangeDisk{renamed: func(string, string) error { return syscall.EIO }}
	named := func(what string, err error, cause error) {
		t.Helper()
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), "a.example: ") || strings.Contains(err.Error(), login.Program.ID) {
			t.Errorf("%s: %v", what, err)
		}
	}
	named("a disk that fails", s.Keep(t.Context(), login, Credential{Secret: "x", Answer: &Answer{}}), syscall.EIO)
	s.disk = durable.OS{}
	v, err := s.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	newer := append([]byte("RGS1\x02"), make([]byte, 100)...)
	if err := os.WriteFile(v.path(login.AnswerKey()), newer, 0o600); err != nil {
		t.Fatal(err)
	}
	named("an answer of a newer version", s.Keep(t.Context(), login, Credential{Secret: "x", Answer: &Answer{}}), ErrNewer)
	if err := s.mark(v.names.kid, "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), login, Credential{Secret: "x", Answer: &Answer{}}); !errors.Is(err, ErrRotating) || secret("a.example") != "" {
		t.Errorf("while the key is changed: %v", err)
	}
}
