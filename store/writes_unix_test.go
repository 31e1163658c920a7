package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"regshape/store/durable"
)

// No file stays open, whether it could be read or not.
func TestReadFile_closes(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which closes what was forgotten
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	if err := errors.Join(os.WriteFile(good, nil, 0o600), os.WriteFile(bad, nil, 0o600), os.Chmod(bad, 0o666)); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if _, err := durable.ReadFile(good, durable.Secret); err != nil {
			t.Fatal(err)
		}
		if _, err := durable.ReadFile(bad, durable.Secret); !errors.Is(err, durable.ErrUnsafe) {
			t.Fatal(err)
		}
	}
	s, _ := notingStore(t, false)
	for range 40 {
		if found, _, err := s.List(t.Context()); len(found) != 1 || err != nil {
			t.Fatal(found, err)
		}
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(open) > 40 {
		t.Errorf("%d files are open (%v)", len(open), err)
	}
}

// A name that was made counts only when the temporary one is gone: a second link to a key
// would outlive it.
func TestPublishFirst_temporaryFileStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	stopped := false
	err := durable.PublishFirst(fault{step: "remove", err: syscall.EIO, stopped: &stopped}.disk(), path, []byte("x"))
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "temporary file") {
		t.Errorf("got %v, want EIO about the temporary file", err)
	}
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = durable.PublishFirst(fault{step: "remove", err: syscall.EIO, stopped: &stopped}.disk(), path, []byte("x"))
	if !errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.EIO) {
		t.Errorf("in a place that is taken: %v", err)
	}
}

// Directories that are old enough are left alone.
func TestSyncDir_settled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	s := &Store{}
	steps := keepDiary(s)
	if err := durable.MakeDirsOn(s.disk, path); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * durable.Settled)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	*steps = nil
	if err := durable.MakeDirsOn(s.disk, path); err != nil || len(*steps) != 0 {
		t.Errorf("make directories: got steps %v, %v, want none", *steps, err)
	}
	if err := s.makeGeneration(path, false); err != nil || len(*steps) != 0 {
		t.Errorf("make the generation: got steps %v, %v, want none", *steps, err)
	}
	if err := durable.MakeDirsOn(s.disk, "/"); err != nil {
		t.Errorf("the root: %v", err)
	}
}
