package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"regshape/store"
	"regshape/store/durable"
)

// RecordVersion is raised when an older regshape could not undo what is written.
const RecordVersion = 1

// Record is what --undo needs: setup.json beside the store's config. It is written
// before the edits, so that it may tell of one that was never made.
type Record struct {
	Version int      `json:"version"`
	Edits   []Edit   `json:"edits"`             // in the order in which they were made
	Program string   `json:"program,omitempty"` // the second program name, if setup made it
	Target  string   `json:"target,omitempty"`  // what it is a link to
	Folders []string `json:"folders,omitempty"` // that setup made for this record, outermost first

	read []byte // as read; nil where there is none
}

// Edit is one edit of one file: as a splice, which goes back exactly while the file is
// what setup left, and in words, for a file that others have changed since.
//
// The bytes lie within or around "credsStore" and "credHelpers", or are those of the
// drop-in: none of them is a secret.
type Edit struct {
	Tool    string   `json:"tool"` // "docker" or "podman"
	File    string   `json:"file"` // absolute path, symbolic links not followed
	Existed bool     `json:"existed"`
	Folders []string `json:"folders,omitempty"` // that setup made for it, outermost first

	Before   string `json:"before"` // SHA-256 of the whole file in hexadecimal
	After    string `json:"after"`
	Offset   int    `json:"offset"` // of the splice, in bytes
	Removed  []byte `json:"removed,omitempty"`
	Inserted []byte `json:"inserted,omitempty"`

	Helper string            `json:"helper"`          // what setup wrote
	Store  *string           `json:"store,omitempty"` // credsStore as it was; nil: not edited
	Hosts  map[string]string `json:"hosts,omitempty"` // credHelpers as they were, "" for none
}

func setupRecordFile(loc store.Location) string { return filepath.Join(loc.Config, "setup.json") }

// loadSetupRecord reads the record; without a file it is empty.
func loadSetupRecord(loc store.Location) (Record, error) {
	path := setupRecordFile(loc)
	r := Record{Version: RecordVersion}
	data, err := durable.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read what setup changed: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: restore it, or remove it and edit the files by hand", path)
	}
	if r.Version != RecordVersion {
		return r, fmt.Errorf("%s has version %d: %w", path, r.Version, store.ErrNewer)
	}
	r.read = data
	return r, nil
}

// Save writes the record durably, or removes it, and the folders made for it, once
// there is nothing left to undo.
func (r Record) Save(loc store.Location) error {
	path := setupRecordFile(loc)
	if len(r.Edits) == 0 && r.Program == "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove what setup noted: %w", err)
		}
		removeFolders(r.Folders)
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode what setup changes: %w", err)
	}
	if err := durable.WriteOver(path, append(data, '\n')); err != nil {
		return fmt.Errorf("note what setup changes: %w", err)
	}
	return nil
}

// Splice fills in how before becomes after.
func (x *Edit) Splice(before, after []byte) {
	x.Before, x.After = sum(before), sum(after)
	start := 0
	for start < min(len(before), len(after)) && before[start] == after[start] {
		start++
	}
	end := 0
	for end < min(len(before), len(after))-start && before[len(before)-1-end] == after[len(after)-1-end] {
		end++
	}
	x.Offset = start
	x.Removed = slices.Clone(before[start : len(before)-end])
	x.Inserted = slices.Clone(after[start : len(after)-end])
}

// Back gives the bytes of before the edit, if text is what the edit left.
func (x Edit) Back(text []byte) (before []byte, exact bool) {
	// Not by their sum: of a damaged record it may overflow.
	if sum(text) != x.After || x.Offset < 0 || x.Offset > len(text) || len(x.Inserted) > len(text)-x.Offset {
		return nil, false
	}
	end := x.Offset + len(x.Inserted)
	before = slices.Concat(text[:x.Offset], x.Removed, text[end:])
	return before, sum(before) == x.Before
}

// sum names a content.
func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// missingFolders are the parents of a file that have to be made, outermost first.
func missingFolders(path string) []string {
	var missing []string
	for dir := filepath.Dir(path); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		missing = append(missing, dir)
	}
	slices.Reverse(missing)
	return missing
}

// removeFolders removes those that are empty; others are in use by now.
func removeFolders(folders []string) {
	for _, dir := range slices.Backward(folders) {
		if os.Remove(dir) != nil {
			return
		}
	}
}
