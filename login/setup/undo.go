package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/login/lookup"
	"regshape/store"
	"regshape/store/durable"
)

// recordVersion changes when an older regshape could not undo what is recorded: version 0.1.0
// knows no node, and a record without one stays as it can read it.
const (
	recordVersion = 1
	nodeVersion   = 2
)

// record is what --undo needs, in setup.json beside the store's config. It is written before
// the edits, so an edit in it may never have been made.
type record struct {
	Version int      `json:"version"`
	Edits   []edit   `json:"edits"`             // in the order in which they were made
	Program string   `json:"program,omitempty"` // the second program name, if setup created it
	Target  string   `json:"target,omitempty"`  // what it is a link to
	Dirs    []string `json:"folders,omitempty"` // that setup created for this file, outermost first

	Node *lookup.Node `json:"kubelet,omitempty"`
}

// empty reports whether there is nothing to undo.
func (r record) empty() bool { return len(r.Edits) == 0 && r.Program == "" && r.Node == nil }

// edit is one edit of one file. The splice restores the exact bytes of a file that is still
// as setup left it (null, escaped or oddly spaced members too); the values are for a file
// that has changed since, such as by docker login.
//
// The bytes are within or around "credsStore" and "credHelpers", or those of the drop-in or
// of the kubelet's provider: none of them is a secret.
type edit struct {
	Tool    string   `json:"tool"` // "docker", "podman", "helm" or "kubelet"
	File    string   `json:"file"` // absolute path, symbolic links not followed
	Existed bool     `json:"existed"`
	Dirs    []string `json:"folders,omitempty"` // that setup created for it, outermost first

	Before   string `json:"before"` // hexadecimal SHA-256 of the file
	After    string `json:"after"`
	Offset   int    `json:"offset"` // of the splice, in bytes
	Removed  []byte `json:"removed,omitempty"`
	Inserted []byte `json:"inserted,omitempty"`

	Helper string            `json:"helper"`          // what setup wrote
	Store  *string           `json:"store,omitempty"` // previous credsStore, nil: not edited; or the kubelet's previous provider of that name
	Hosts  map[string]string `json:"hosts,omitempty"` // previous credHelpers, "" for none
}

// loadRecord reads the record; without a file it is empty, with the directories to be created.
func loadRecord(loc store.Location) (record, error) {
	path := lookup.SetupFile(loc)
	r := record{Version: recordVersion}
	data, err := durable.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		r.Dirs = missingDirs(path)
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read what setup changed: %w", err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: restore it, or remove it and edit the files by hand", path)
	}
	if r.Version != recordVersion && r.Version != nodeVersion {
		return r, fmt.Errorf("%s has version %d: %w", path, r.Version, store.ErrNewer)
	}
	return r, nil
}

// save writes the record durably, or removes it and its directories if there is nothing left
// to undo.
func (r record) save(loc store.Location) error {
	path := lookup.SetupFile(loc)
	if r.empty() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the record of setup: %w", err)
		}
		removeDirs(r.Dirs)
		return nil
	}
	r.Version = recordVersion
	if r.Node != nil {
		r.Version = nodeVersion
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the record of setup: %w", err)
	}
	if err := durable.WriteOver(path, append(data, '\n')); err != nil {
		return fmt.Errorf("write the record of setup: %w", err)
	}
	return nil
}

// splice records how before becomes after.
func (x *edit) splice(before, after []byte) {
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

// unsplice returns the bytes before the edit, if text is what the edit left.
func (x edit) unsplice(text []byte) (before []byte, ok bool) {
	// Compared without a sum, which could overflow for a damaged record.
	if sum(text) != x.After || x.Offset < 0 || x.Offset > len(text) || len(x.Inserted) > len(text)-x.Offset {
		return nil, false
	}
	end := x.Offset + len(x.Inserted)
	before = slices.Concat(text[:x.Offset], x.Removed, text[end:])
	return before, sum(before) == x.Before
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// The outcomes of undoing the edits of a file; the first three are in the JSON.
const (
	restored  = "restored" // the exact bytes of before
	removed   = "removed"  // setup had created the file
	edited    = "edited"   // the file has other changes, which stay
	unchanged = ""         // nothing of setup's is left in it
)

// undo reverts what the record lists.
func (s *setup) undo() error {
	r, err := loadRecord(s.loc)
	if err != nil {
		return err
	}
	if r.empty() {
		if s.JSON {
			return app.WriteJSON(s.Out, s.result)
		}
		s.say("There is nothing to undo: setup has not changed anything.")
		return nil
	}
	var failed error
	for _, file := range s.filesToUndo(r.Edits) {
		edits := slices.DeleteFunc(slices.Clone(r.Edits), func(x edit) bool { return x.File != file })
		if err := s.undoFile(file, edits); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		r.Edits = slices.DeleteFunc(r.Edits, func(x edit) bool { return x.File == file })
	}
	if failed == nil && r.Node != nil && s.undoes("kubelet") {
		failed = s.undoNode(&r)
	}
	if failed == nil && len(r.Edits) == 0 && r.Program != "" {
		name := secondName{path: r.Program, target: r.Target}
		if failed = s.undoProgram(name.path, name.remove); failed == nil {
			r.Program, r.Target = "", ""
		}
	}
	if !s.DryRun {
		if err := r.save(s.loc); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	switch {
	case failed != nil:
		return failed
	case s.JSON:
		return app.WriteJSON(s.Out, s.result)
	case s.DryRun:
		s.say("Nothing was written (--dry-run).")
	default:
		s.say("Logins in the store stay there; '%s' prints one.", s.Own("auth", "export", "REGISTRY", "--format", "FORMAT"))
	}
	return nil
}

// filesToUndo lists the files to undo, the last edited first.
func (s *setup) filesToUndo(edits []edit) []string {
	var files []string
	for _, x := range slices.Backward(edits) {
		if s.undoes(x.Tool) && !slices.Contains(files, x.File) {
			files = append(files, x.File)
		}
	}
	return files
}

// undoes reports whether --undo is for a tool: for all if none is named.
func (s *setup) undoes(tool string) bool {
	named := map[string]bool{"docker": s.Docker, "podman": s.Podman, "helm": s.Helm, "kubelet": s.Kubelet}
	return named[tool] || !s.Docker && !s.Podman && !s.Helm && !s.Kubelet
}

func (s *setup) undoFile(file string, edits []edit) error {
	before, after, outcome, err := undoEdits(file, edits, s.DryRun)
	if err != nil {
		return err
	}
	if outcome != unchanged {
		s.changed(file, outcome)
	}
	switch outcome {
	case restored:
		s.say("%s: restored as it was before setup.", file)
	case removed:
		s.say("%s: removed, since setup created it.", file)
	case edited:
		s.say("%s: setup's changes reverted; later changes are kept.", file)
	case unchanged:
		s.say("%s: nothing left of setup's changes.", file)
	}
	if outcome == restored || outcome == edited {
		s.sayChanges(edits[0].Tool, before, after)
	}
	return nil
}

// undoProgram removes a program that setup created, unless it is another one by now.
func (s *setup) undoProgram(path string, remove func() error) error {
	existed := exists(path)
	if !s.DryRun {
		if err := remove(); err != nil {
			return err
		}
		if existed && exists(path) {
			s.say("%s: changed since, not removed.", path)
			existed = false
		}
	}
	if existed {
		s.changed(path, removed)
		s.say("%s: removed, since setup created it.", path)
	}
	return nil
}

// undoEdits undoes the edits of one file, and returns what it was and what it became. A dry run
// writes nothing.
func undoEdits(file string, edits []edit, dryRun bool) (before, after []byte, outcome string, err error) {
	before, err = os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, unchanged, nil
	}
	if err == nil {
		after, outcome, err = undoText(before, edits)
	}
	switch {
	case err != nil, dryRun, outcome == unchanged:
	case outcome == removed:
		// A write by another program between the read above and this is lost.
		if err = os.Remove(lookup.ThroughLinks(file)); err == nil {
			for _, x := range slices.Backward(edits) {
				removeDirs(x.Dirs)
			}
		}
	case edits[0].Tool == "podman":
		err = durable.WriteOver(lookup.ThroughLinks(file), after)
	default:
		_, err = authfile.Update(file, authfile.Docker, 0o600, func(d *authfile.Document) error {
			// Computed again, since the file may have changed.
			text, _, err := undoText(d.Bytes(), edits)
			if err != nil {
				return err
			}
			return replace(d, text)
		})
	}
	if err != nil && !errors.Is(err, durable.ErrUnsure) && !errors.Is(err, authfile.ErrUnsure) {
		return nil, nil, "", fmt.Errorf("undo setup: %w", err)
	}
	return before, after, outcome, nil
}

// undoText undoes the edits of a text, the last one first: exactly while the text is what the
// edit left, else value by value.
func undoText(text []byte, edits []edit) (after []byte, outcome string, err error) {
	after, exact, met := text, true, false
	for _, x := range slices.Backward(edits) {
		if sum(after) == x.Before {
			continue // never made, or undone already
		}
		met = true
		before, ok := x.unsplice(after)
		if !ok {
			exact = false
			if before, err = x.undoValues(after); err != nil {
				return nil, "", err
			}
		}
		after = before
	}
	switch {
	case !met:
		return text, unchanged, nil
	case exact && !edits[0].Existed:
		return nil, removed, nil
	case exact:
		return after, restored, nil
	case bytes.Equal(after, text):
		return text, unchanged, nil
	case edits[0].Tool == "podman" && !edits[0].Existed && isDefault(after),
		edits[0].Tool == "kubelet" && !edits[0].Existed && noProvider(after):
		return after, removed, nil
	}
	return after, edited, nil
}

// undoValues puts the previous values back where setup's are still set.
func (x edit) undoValues(text []byte) ([]byte, error) {
	if x.Tool == "podman" {
		return x.undoDropIn(text)
	}
	d, err := authfile.Parse(x.File, text, authfile.Docker)
	if err != nil {
		return nil, err
	}
	if x.Tool == "kubelet" {
		if now, _, err := d.Providers(x.Helper); err == nil && len(now) > 0 {
			d.SetProvider(x.Helper, *x.Store)
		}
		return d.Bytes(), d.Err()
	}
	if x.Store != nil && d.CredsStore() == x.Helper {
		if *x.Store == "" {
			d.RemoveCredsStore()
		} else {
			d.SetCredsStore(*x.Store)
		}
	}
	for host, previous := range x.Hosts {
		if now, ok := hostHelper(d, host); !ok || now != x.Helper {
			continue
		}
		if previous == "" {
			d.RemoveCredHelper(host)
		} else {
			d.SetCredHelper(host, previous)
		}
	}
	return d.Bytes(), d.Err()
}

// missingDirs are the parent directories of a file that do not exist, outermost first.
func missingDirs(path string) []string {
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

// removeDirs removes directories that are empty.
func removeDirs(dirs []string) {
	for _, dir := range slices.Backward(dirs) {
		if os.Remove(dir) != nil {
			return
		}
	}
}
