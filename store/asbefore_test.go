package store

import (
	"syscall"
	"testing"
)

// What a rotation that was cut short is begun again with.
func TestAsBefore(t *testing.T) {
	s, key := notingStore(t, false)
	to := NewRootKey()
	if err := key.Stage(t.Context(), to, ""); err != nil {
		t.Fatal(err)
	}
	slots := KeySource{Source: SourceSlots, Recipient: "age1x"}
	file, command, environment := KeySource{Source: SourceFile}, KeySource{Source: SourceCommand}, KeySource{Source: SourceEnvironment}
	for _, test := range []struct {
		now, next KeySource
		kid       string
		refuse    string
		again     bool
		key       bool
	}{
		{file, file, to.KID(), "", true, false},
		{file, file, s.config.KID, "", false, false},
		{file, file, to.KID(), "choose", false, false},
		{slots, slots, to.KID(), "", true, false},
		{slots, slots, s.config.KID, "", false, false},
		{command, command, to.KID(), "", true, true},
		{environment, environment, to.KID(), "", true, true},
		{command, command, to.KID(), "load", false, false},
		// Another place is the user's to say.
		{slots, KeySource{Source: SourceSlots, Recipient: "age1y"}, to.KID(), "", false, false},
		{slots, file, to.KID(), "", false, false},
		{slots, command, to.KID(), "", false, false},
		{file, KeySource{Source: SourceKeyring}, to.KID(), "", false, false},
	} {
		clear(key.refuse)
		if test.refuse != "" {
			key.refuse[test.refuse] = syscall.EIO
		}
		s.config.Key = test.now
		r := s.asBefore(t.Context(), Config{Key: test.next, KID: test.kid})
		if (r != nil) != test.again {
			t.Errorf("%+v: %+v", test, r)
			continue
		}
		if r != nil && (!r.Source.Equal(test.next) || r.Place != key || (r.Key != nil) != test.key || r.Key != nil && !r.Key.Equal(to)) {
			t.Errorf("%+v: %+v", test, r)
		}
	}
}

// Resume goes on to the end, and tells how far it is.
func TestResumeTellsProgress(t *testing.T) {
	s, key, _ := markedStore(t, oneToken)
	mark := 0
	done, err := s.Resume(t.Context(), func(done, total int) { mark = done + 10*total })
	if !done || err != nil || mark != 11 {
		t.Errorf("%t, %v, progress %d", done, err, mark)
	}
	settledTree(t, s, key.memoryKey)
	// New slots need their ways in, which only the user has: that is taken back, and no more.
	s, key, kid := markedStore(t)
	next := s.config
	next.Key, next.KID = KeySource{Source: SourceSlots, Recipient: "age1x"}, NewRootKey().KID()
	if err := s.stage(oneToken, next); err != nil {
		t.Fatal(err)
	}
	if done, err := s.Resume(t.Context(), nil); !done || err != nil {
		t.Errorf("%t, %v", done, err)
	}
	if custody, err := s.Custody(); err != nil || custody.KID != kid {
		t.Errorf("the key is %s, want %s (%v)", custody.KID, kid, err)
	}
	settledTree(t, s, key.memoryKey)
}
