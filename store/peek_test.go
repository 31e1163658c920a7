package store_test

import (
	"errors"
	"testing"
	"time"

	"regshape/store"
)

// Peek reads what Get no longer answers, and only the very address.
func TestPeek(t *testing.T) {
	s := open(t, t.TempDir())
	ghcr := store.ParseAddress("ghcr.io/team")
	if _, err := s.Peek(t.Context(), ghcr); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of an empty store: %v", err)
	}
	err := s.Put(t.Context(), store.Credential{
		ServerURL: "ghcr.io/team", Username: "alice", Secret: "x", Kind: store.KindDevice,
		Expires: time.Now().Add(-time.Hour), Renew: &store.Renewal{Token: "r"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantMissing(t, s, "ghcr.io/team")
	if c, err := s.Peek(t.Context(), ghcr); err != nil || c.Secret != "x" || c.Renew.Token != "r" {
		t.Errorf("of an expired entry: %v, %v", c, err)
	}
	for _, other := range []string{"ghcr.io/team/app", "ghcr.io"} {
		if _, err := s.Peek(t.Context(), store.ParseAddress(other)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want not found", other, err)
		}
	}
}
