package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"regshape/store/durable"
)

// Program makes the secrets of a login; package source starts it. The login's entry has no
// secret, and an end in the past: version 0.1.0 does not answer it.
type Program struct {
	ID     string        // random: an answer counts only for the login that it was made for
	Words  []string      // the program, by its absolute path, and its arguments
	Helper bool          `json:",omitempty"` // it is a credential helper, and asked as one
	Path   string        // PATH when the login was made
	Every  time.Duration `json:",omitempty"` // how long a secret lives that does not say so
}

// Answer is the last that a program did for a login. It is kept with user name and secret in
// an entry of its own, which is never listed and which version 0.1.0 does not answer.
type Answer struct {
	Made, Ends time.Time // the secret's; zero where there is none
	Before     string    `json:",omitempty"` // the [Digest] of the secret before this one
	Tried      time.Time `json:",omitzero"`  // when the program last brought none
	Problem    string    `json:",omitempty"` // why; "" where it knows no login
}

// Digest stands for a secret that only has to be recognized.
func Digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}

// MadeBy makes a login without a secret of its own of c.
func (c Credential) MadeBy(p Program) Credential {
	p.ID = rand.Text()
	c.Program, c.Secret, c.Expires = &p, "", longAgo
	return c
}

var longAgo = time.Unix(0, 0).UTC()

// For is the address that the credential answers for: its own, or the one that a pattern was
// found for.
func (c Credential) For() Address { return ParseAddress(cmp.Or(c.asked, c.Canonical)) }

// Renews reports whether a new secret can be had without the user: by a program, or by the
// refresh token of a device login.
func (c Credential) Renews() bool { return c.Program != nil || c.renewsToken() }

func (c Credential) renewsToken() bool {
	return c.Kind == KindDevice && c.Renew != nil && c.Renew.Token != "" && !c.Expires.IsZero()
}

// AnswerKey is the address of the entry of a login's answer. No client can ask for it: it is no
// registry, and the ID is known to nobody.
func (c Credential) AnswerKey() string {
	id := ""
	if c.Program != nil {
		id = c.Program.ID
	} else {
		id = Digest(c.Renew.Token)
	}
	return "answer " + id + " " + c.For().String()
}

// Answered is [Store.Get] that also returns the last answer for a login that renews: what the
// program of the login has made, or the token of a device login, also one that has ended. It is
// empty where there is none yet, or it cannot be read.
func (s *Store) Answered(ctx context.Context, a Address) (login, answer Credential, err error) {
	err = s.retryOnRotation(func(s *Store) error {
		v, err := s.look(ctx)
		if err != nil {
			return err
		}
		if login, err = v.get(ctx, a, s.alive); err != nil || !login.Renews() {
			return err
		}
		if answer, err = v.read(ctx, login.AnswerKey()); err != nil {
			return errNoAnswer // or a rotation has moved it
		}
		return nil
	})
	if errors.Is(err, errNoAnswer) {
		err = nil
	}
	if answer.Answer == nil {
		answer = Credential{Answer: &Answer{}}
	}
	if login.renewsToken() { // the answer's entry has only the last failure
		answer.Username, answer.Secret, answer.Kind = login.Username, login.Secret, login.Kind
		answer.Answer.Made, answer.Answer.Ends = login.Updated, login.Expires
	}
	return login, answer, err
}

// alive reports whether a login answers, or can be renewed to answer.
func (s *Store) alive(c Credential) bool { return c.Renews() || !c.Expired(s.now()) }

var errNoAnswer = errors.New("the program has not answered yet")

// Keep stores what the program of a login has answered. It can be made again, so Keep neither
// waits for a rotation nor aborts one, and fails with [ErrRotating] while it runs.
func (s *Store) Keep(ctx context.Context, login, answer Credential) error {
	answer.ServerURL, answer.Canonical, answer.asked = login.AnswerKey(), login.AnswerKey(), login.For().String()
	if login.renewsToken() {
		answer.Username, answer.Secret = "", ""
	}
	answer.Expires, answer.Updated = longAgo, s.now().UTC().Truncate(time.Second)
	if err := errors.Join(answer.validate(), s.loc.checkWritable()); err != nil {
		return err
	}
	return s.retryOnRotation(func(s *Store) error {
		v, err := s.look(ctx)
		if err != nil {
			return err
		}
		if v.needKey(ctx); v.keyErr != nil {
			return v.keyErr
		}
		tokens, err := s.markers(v.names.kid)
		if err == nil && len(tokens) > 0 {
			err = ErrRotating
		}
		if err != nil {
			return err
		}
		if login.asked != "" {
			if err := v.makeRoom(login, answer.Canonical); err != nil {
				return err
			}
		}
		_, err = v.write(ctx, answer)
		if entry, is := errors.AsType[*EntryError](err); is {
			entry.Address = answer.asked // the ID is nothing to show
		}
		return err
	})
}

// maxAnswers is for how many registries answers of one pattern are kept: whoever can ask for
// any name must not fill the disk.
const maxAnswers = 200

// makeRoom removes the oldest answers of a pattern where a new one would be one too many.
func (v view) makeRoom(login Credential, canonical string) error {
	if there, err := durable.Exists(v.path(canonical)); err != nil || there {
		return err
	}
	return v.removeAnswers(login, maxAnswers-1)
}

// removeAnswers removes the answers of a login for all registries but the newest.
func (v view) removeAnswers(login Credential, keep int) error {
	names, _, err := v.entryNames()
	if err = errors.Join(err, v.keyErr); err != nil {
		return err
	}
	answers := slices.DeleteFunc(v.openAll(names), func(o *opened) bool {
		return o.err != nil || !strings.HasPrefix(o.credential.Canonical, "answer "+login.Program.ID+" ")
	})
	slices.SortFunc(answers, func(a, b *opened) int { return a.credential.Updated.Compare(b.credential.Updated) })
	for _, o := range answers[:max(0, len(answers)-keep)] {
		_, removeErr := v.removeConfirmed(o.name)
		err = errors.Join(err, removeErr)
	}
	return err
}

// EraseAnswer removes what the program of a login has answered, that of a pattern for all
// registries, or for the one that the pattern was found for.
func (s *Store) EraseAnswer(ctx context.Context, login Credential) error {
	if login.IsPattern() && login.asked == "" {
		ready := func(s *Store) (view, error) { return s.lookForErase(ctx) }
		return s.change(ctx, ready, func(v view) error { return v.removeAnswers(login, 0) })
	}
	_, err := s.Erase(ctx, ParseAddress(login.AnswerKey()))
	return err
}
