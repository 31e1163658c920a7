package source

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"regshape/store"
	"regshape/store/durable"
)

// claim says whether this process may start the program of a login, and how it gives that up.
// A claim is a file in the state directory. It is made by link(2), which also on NFS succeeds
// for one process alone, and is nobody's when it is older than oldClaim. Where no claim can be
// made each process starts the program, but none uses a refresh token: an issuer takes one that
// is used twice for stolen.
func (s Source) claim(login store.Credential) (mine bool, release func()) {
	unclaimed := login.Program != nil
	dir := s.Location().State
	sum := sha256.Sum256([]byte(login.AnswerKey()))
	path := filepath.Join(dir, "renewing-"+hex.EncodeToString(sum[:8]))
	nobodys := func() {}
	temporary := filepath.Join(dir, ".tmp-"+rand.Text())
	f, err := durable.OS{}.OpenNew(temporary)
	if err != nil {
		return unclaimed, nobodys
	}
	defer func() { _ = durable.Remove(temporary) }()
	if err := f.Close(); err != nil {
		return unclaimed, nobodys
	}
	own, err := os.Lstat(temporary)
	if err != nil {
		return unclaimed, nobodys
	}
	for range 2 {
		err = os.Link(temporary, path)
		if !errors.Is(err, fs.ErrExist) || !removeOld(path, own.ModTime()) {
			break
		}
	}
	switch {
	case err == nil:
		return true, func() {
			if now, err := os.Lstat(path); err == nil && os.SameFile(now, own) {
				_ = durable.Remove(path)
			}
		}
	case errors.Is(err, fs.ErrExist):
		return false, nobodys
	}
	return unclaimed, nobodys
}

// removeOld removes a claim whose maker is gone. Both times are the file system's.
func removeOld(path string, now time.Time) bool {
	old, err := os.Lstat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if now.Sub(old.ModTime()) < oldClaim {
		return false
	}
	// Another process may have put its own in its place meanwhile: that goes back.
	aside := strings.Replace(path, "renewing-", ".tmp-", 1) + rand.Text()
	if err := os.Rename(path, aside); err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	moved, err := os.Lstat(aside)
	if err == nil && !os.SameFile(moved, old) {
		_ = os.Link(aside, path)
	}
	_ = durable.Remove(aside)
	return true
}
