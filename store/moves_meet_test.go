package store

import (
	"errors"
	"os"
	"testing"
)

// Two runs that move the same key to the same place at once keep it in one file there: one of
// them is told, and what it clears away is not the other's.
func TestMovesMeet(t *testing.T) {
	for what, to := range map[string][2]KeySource{
		"the same place":   {{Source: "memory"}, {Source: "memory"}},
		"slots of its own": {{Source: SourceSlots, Recipient: "age1a"}, {Source: SourceSlots, Recipient: "age1b"}},
	} {
		s, key := movedStore(t)
		place := func(note func(what string)) Key {
			return &notingKey{memoryKey: key.memoryKey, note: note}
		}
		staging, goOn, ended := make(chan bool), make(chan bool), make(chan error)
		other := memoryStoreOf(t, s, key)
		go func() {
			ended <- other.Move(t.Context(), Rotation{Source: to[0], Place: place(func(what string) {
				if what == "stage" {
					staging <- true
					<-goOn
				}
			})})
		}()
		<-staging
		var otherErr error
		met := false
		s.disk = strangeDisk{renamed: func(from, name string) error {
			if name == s.loc.configFile() {
				met = true
				close(goOn)
				otherErr = <-ended
			}
			return os.Rename(from, name)
		}}
		err := s.Move(t.Context(), Rotation{Source: to[1], Place: place(nil)})
		if !met {
			close(goOn)
			otherErr = <-ended
		}
		if (err == nil) == (otherErr == nil) || !errors.Is(errors.Join(err, otherErr), ErrRotating) {
			t.Errorf("%s: one says %v, the other %v", what, err, otherErr)
		}
		wantMoved(t, what, s, key)
	}
}

// A run that is late with clearing away what it moved leaves the key that was moved back.
func TestMovedBackMeanwhile(t *testing.T) {
	s, key := movedStore(t)
	back := Rotation{Source: s.config.Key, Place: key.elsewhere}
	if err := s.Move(t.Context(), here(key.memoryKey)); err != nil {
		t.Fatal(err)
	}
	late := memoryStoreOf(t, s, key)
	finish := func(what string) {
		if _, err := late.finish(t.Context(), ""); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	key.elsewhere.note = func(what string) {
		if what == "load" { // the new key is staged, and looked for there
			finish("while it is moved back")
		}
	}
	err := s.Move(t.Context(), back)
	key.elsewhere.note = nil
	if err != nil {
		t.Error(err)
	}
	finish("after it was moved back")
	wantMoved(t, "moved back", s, key.elsewhere)
}

// movedStore is a store whose key is elsewhere.
func movedStore(t *testing.T) (*Store, *notingKey) {
	t.Helper()
	s, key := notingStore(t, false)
	key.elsewhere = &notingKey{memoryKey: &memoryKey{}}
	source := KeySource{Source: "memory", Command: []string{"elsewhere"}}
	if err := s.Move(t.Context(), Rotation{Source: source, Place: key.elsewhere}); err != nil {
		t.Fatal(err)
	}
	return memoryStoreOf(t, s, key), key
}

// wantMoved fails unless the key is in this place alone, and opens the store.
func wantMoved(t *testing.T, what string, s *Store, place *notingKey) {
	t.Helper()
	if len(place.keys) != 1 || place.elsewhere != nil && len(place.elsewhere.keys) != 0 {
		t.Errorf("%s: the key is in %d places", what, len(place.keys))
	}
	s.disk = osDisk{}
	if got := secretOf(s, "a.example"); got != "s" {
		t.Errorf("%s: get says %s", what, got)
	}
	settledTree(t, s, place.memoryKey)
}
