package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// What is kept is answered for that login and that registry alone, and of a pattern for the last
// 200 registries.
func TestKeep(t *testing.T) {
	s, key := notingStore(t, false)
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
	asked, _, err := s.Answered(t.Context(), ParseAddress("h2.example.com"))
	if err = errors.Join(err, s.Keep(t.Context(), asked, Credential{Secret: "again", Answer: &Answer{Made: now, Ends: now}})); err != nil || secret("h1.example.com") == "" {
		t.Errorf("kept once more: %v, and h1 is %q", err, secret("h1.example.com"))
	}
	pattern := asked
	pattern.asked = ""
	asked.asked = "new.example.com"
	for what, do := range map[string]func() error{
		"room for one more":        func() error { return s.Keep(t.Context(), asked, Credential{Answer: &Answer{}}) },
		"all answers of a pattern": func() error { return s.EraseAnswer(t.Context(), pattern) },
		"one answer":               func() error { return s.EraseAnswer(t.Context(), login) },
	} {
		stopped := false
		s.disk = fault{step: "remove", err: syscall.EIO, stopped: &stopped}.disk()
		if err := do(); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s, on a disk that removes nothing: %v", what, err)
		}
		s.disk = durable.OS{}
		key.refuse["load"] = syscall.EIO
		if err := do(); (err == nil) != (what == "one answer") {
			t.Errorf("%s, without the key: %v", what, err)
		}
		clear(key.refuse)
	}
	const others = 3 // two logins and the mark of patterns
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

// A device login is answered from its own entry; what is kept beside it is only why it was not
// renewed.
func TestKeep_device(t *testing.T) {
	s, _ := notingStore(t, false)
	device := Credential{
		ServerURL: "d.example", Username: "u", Secret: "access", Kind: KindDevice,
		Expires: s.now().UTC().Add(-time.Hour).Truncate(time.Second), Renew: &Renewal{Token: "refresh"},
	}
	if err := s.Put(t.Context(), device); err != nil {
		t.Fatal(err)
	}
	tried := s.now().UTC()
	for _, want := range []Answer{{}, {Tried: tried, Problem: "x"}} {
		login, last, err := s.Answered(t.Context(), ParseAddress("d.example"))
		want.Made, want.Ends = login.Updated, device.Expires
		if err != nil || last.Username != "u" || last.Secret != "access" || last.Kind != KindDevice || *last.Answer != want {
			t.Errorf("got %s with %+v (%v), want %+v", last.Secret, *last.Answer, err, want)
		}
		last.Answer.Tried, last.Answer.Problem = tried, "x"
		if err := s.Keep(t.Context(), login, last); err != nil {
			t.Fatal(err)
		}
		kept, err := s.Peek(t.Context(), ParseAddress(login.AnswerKey()))
		if err != nil || kept.Username != "" || kept.Secret != "" {
			t.Errorf("kept is %s (%v)", kept, err)
		}
		if id := strings.Fields(login.AnswerKey())[1]; len(id) != 32 {
			t.Errorf("its ID is %q", id)
		}
	}
	for what, change := range map[string]func(c *Credential){
		"a password":       func(c *Credential) { c.Kind = KindPassword },
		"no renewal":       func(c *Credential) { c.Renew = nil },
		"no refresh token": func(c *Credential) { c.Renew = &Renewal{} },
		"no end":           func(c *Credential) { c.Expires = time.Time{} },
	} {
		c := device
		change(&c)
		if c.Renews() {
			t.Errorf("%s renews", what)
		}
	}
}

// What is replaced or removed is what was there at first, also where a change of the key has it
// done once more.
func TestReplace_rotation(t *testing.T) {
	for step, do := range map[string]func(s *Store) (Credential, error){
		"rename": func(s *Store) (Credential, error) {
			return s.Replace(t.Context(), Credential{ServerURL: "a.example", Username: "u", Secret: "new"})
		},
		"remove": func(s *Store) (Credential, error) {
			old, _, err := s.Remove(t.Context(), ParseAddress("a.example"))
			return old, err
		},
	} {
		s, key := notingStore(t, false)
		other := *s
		var once sync.Once
		s.disk = &lyingDisk{lie: func(did, _ string, do func() error) error {
			err := do()
			if did == step {
				once.Do(func() {
					if err := other.Rotate(t.Context(), Rotation{Source: key.Default(), Place: key}); err != nil {
						t.Errorf("%s: the key was not changed: %v", step, err)
					}
				})
			}
			return err
		}}
		if old, err := do(s); err != nil || old.Secret != "s" {
			t.Errorf("%s: it was %q (%v)", step, old.Secret, err)
		}
	}
}
