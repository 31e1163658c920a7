package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"regshape/store/durable"
)

// Slot is one file with the store's identity.
type Slot struct {
	Number int    // from 1
	Type   string // "passphrase", "recipient", or "plugin-" and the plugin's name
	File   string // its path
}

const (
	typePassphrase = "passphrase"
	typeRecipient  = "recipient"
	typePlugin     = "plugin-" // followed by the name
)

// String names a slot as a user may tell it from the others.
func (s Slot) String() string {
	what := s.Type
	if name, ok := strings.CutPrefix(s.Type, typePlugin); ok {
		what = "age-plugin-" + name
	}
	return fmt.Sprintf("slot %d (%s)", s.Number, what)
}

func (s Slots) dir() string { return s.Location.SlotsDir(s.Recipient) }

// List returns the slots by number. A store without slots has no directory for them; files
// that are named otherwise are not looked at.
func (s Slots) List() ([]Slot, error) {
	for _, dir := range []string{filepath.Dir(s.dir()), s.dir()} {
		if err := durable.CheckDirIfAny(dir); err != nil {
			return nil, err
		}
	}
	entries, err := durable.ReadDir(s.dir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the slots: %w", err)
	}
	var slots []Slot
	for _, e := range entries {
		name, isAge := strings.CutSuffix(e.Name(), ".age")
		number, kind, _ := strings.Cut(name, ".")
		n, err := strconv.Atoi(number)
		known := kind == typePassphrase || kind == typeRecipient || len(kind) > len(typePlugin) && strings.HasPrefix(kind, typePlugin)
		if !isAge || !known || err != nil || n < 1 || strconv.Itoa(n) != number {
			continue
		}
		slots = append(slots, Slot{Number: n, Type: kind, File: filepath.Join(s.dir(), e.Name())})
	}
	// ReadDir sorts by name, so that two of one number keep one order everywhere.
	sort.SliceStable(slots, func(i, j int) bool { return slots[i].Number < slots[j].Number })
	return slots, nil
}

// Add encrypts the store's identity to a new slot, durably. identity is what
// [Slots.Unlocked] or [Slots.Open] returned, or "" for the one that [NewSlots] made.
// The error is [ErrFIPS], that of ctx, what a plugin says, or that of a write.
func (s Slots) Add(ctx context.Context, to Recipient, identity string) (Slot, error) {
	if err := checkFIPS(); err != nil {
		return Slot{}, err
	}
	if identity == "" && s.fresh != nil {
		identity = s.fresh.identity
	}
	if err := s.Prove(identity); err != nil {
		return Slot{}, err
	}
	data, err := encrypt(ctx, identity+"\n", to)
	if err != nil {
		return Slot{}, err
	}
	slot, err := s.publish(to.kind, data)
	if err == nil && s.fresh != nil {
		s.fresh.mu.Lock()
		s.fresh.made[slot.File] = data
		s.fresh.mu.Unlock()
	}
	return slot, err
}

// publish writes a slot under the first number that is free. Two runs may add slots of
// different types under one number at once: then whoever sees that moves on, both if need
// be, since the other one may have looked already.
func (s Slots) publish(kind string, data []byte) (Slot, error) {
	var given []Slot // numbers that turned out to be another's
	for {
		slots, err := s.List()
		if err != nil {
			return Slot{}, err
		}
		slot := Slot{Number: firstFree(slots), Type: kind}
		slot.File = filepath.Join(s.dir(), fmt.Sprintf("%d.%s.age", slot.Number, kind))
		err = durable.WriteFirst(slot.File, data)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return Slot{}, fmt.Errorf("write the slot: %w", err)
		}
		if slots, err = s.List(); err != nil {
			return Slot{}, err
		}
		if slices.ContainsFunc(slots, func(o Slot) bool { return o.Number == slot.Number && o != slot }) {
			given = append(given, slot)
			continue
		}
		for _, g := range given {
			if err := removeFile(g.File); err != nil {
				return slot, fmt.Errorf("remove a slot that was written twice: %w", err)
			}
		}
		return slot, nil
	}
}

func firstFree(slots []Slot) int {
	n := 1
	for slices.ContainsFunc(slots, func(s Slot) bool { return s.Number == n }) {
		n++
	}
	return n
}

// Remove removes a slot, durably, and refuses to remove the last one. It takes back
// nothing that somebody has read: the root key should be rotated afterwards.
func (s Slots) Remove(number int) error {
	slots, err := s.List()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(slots, func(o Slot) bool { return o.Number == number })
	switch {
	case i < 0:
		return fmt.Errorf("there is no slot %d: %s: choose one of these", number, inWords(slots))
	case len(slots) == 1:
		return errLastSlot
	}
	path := slots[i].File
	// Moved away first and looked again: two runs may each remove one of the last two.
	aside := filepath.Join(s.dir(), temporaryName())
	if err := durable.RenameOver(path, aside); err != nil {
		return fmt.Errorf("remove the slot: %w", err)
	}
	slots, err = s.List()
	if err != nil || len(slots) == 0 {
		backErr := os.Link(aside, path)
		if backErr != nil && !errors.Is(backErr, fs.ErrExist) {
			// Without hard links nobody can have made a slot of this name, see publish.
			backErr = durable.RenameOver(aside, path)
		}
		if backErr != nil && !errors.Is(backErr, fs.ErrExist) {
			return fmt.Errorf("the last slot is now %s and belongs under %s: move it back: %w", aside, path, backErr)
		}
		_ = durable.Remove(aside)
		if err == nil {
			err = errLastSlot
		}
		return err
	}
	if err := removeFile(aside); err != nil {
		return fmt.Errorf("remove the slot: %w", err)
	}
	if s.fresh != nil {
		s.fresh.mu.Lock()
		delete(s.fresh.made, path)
		s.fresh.mu.Unlock()
	}
	return nil
}

var errLastSlot = errors.New("the last slot cannot be removed: add another slot first")

// inWords lists slots for an error.
func inWords(slots []Slot) string {
	if len(slots) == 0 {
		return "the store has none"
	}
	words := make([]string, len(slots))
	for i, s := range slots {
		words[i] = s.String()
	}
	return "the store has " + strings.Join(words, ", ")
}

// removeFile removes a file durably. One that is not there, or whose directory is not, is
// no error.
func removeFile(path string) error {
	if err := durable.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// temporaryName is one that no reader takes for a file of the store.
func temporaryName() string { return ".tmp-" + rand.Text() }
