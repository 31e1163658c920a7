//go:build unix

package keys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"regshape/store/durable"
)

// The directories of the slots are the user's own, and no links.
func TestSlots_links(t *testing.T) {
	s, _ := freshSlots(t, time.Now().Add(time.Minute))
	stageNew(t, s, "")
	for _, dir := range []string{s.dir(), filepath.Dir(s.dir())} {
		aside := filepath.Join(t.TempDir(), "aside")
		if err := errors.Join(os.Rename(dir, aside), os.Symlink(aside, dir)); err != nil {
			t.Fatal(err)
		}
		if slots, err := s.List(); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("a link to slots: %v, %v", slots, err)
		}
		if err := errors.Join(os.Remove(dir), os.Rename(aside, dir)); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() != 0 {
			continue // only root can give directories away
		}
		if err := os.Chown(dir, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if slots, err := s.List(); !errors.Is(err, durable.ErrUnsafe) {
			t.Errorf("another user's slots: %v, %v", slots, err)
		}
		if err := os.Chown(dir, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if slots, err := s.List(); err != nil || len(slots) == 0 {
		t.Errorf("as it was: %v, %v", slots, err)
	}
}
