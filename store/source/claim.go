package source

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	token := []byte(rand.Text())
	temporary := filepath.Join(dir, ".tmp-"+string(token))
	f, err := durable.OS{}.OpenNew(temporary)
	if err != nil {
		return unclaimed, nobodys
	}
	defer func() { _ = durable.Remove(temporary) }()
	_, err = f.Write(token)
	if err := errors.Join(err, f.Close()); err != nil {
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
	isOwn := func() bool {
		now, err := durable.ReadFile(path, durable.Sealed)
		return err == nil && bytes.Equal(now, token)
	}
	switch {
	case err == nil, isOwn(): // a server may have done what it was asked, and the answer got lost
		return true, func() {
			if isOwn() {
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
	info, err := os.Lstat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if now.Sub(info.ModTime()) < oldClaim {
		return false
	}
	old, err := durable.ReadFile(path, durable.Sealed)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	// Another process may have put its own in its place meanwhile: that goes back.
	aside := filepath.Join(filepath.Dir(path), ".tmp-"+rand.Text())
	if err := os.Rename(path, aside); err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	if moved, err := durable.ReadFile(aside, durable.Sealed); err == nil && !bytes.Equal(moved, old) {
		_ = os.Link(aside, path)
	}
	_ = durable.Remove(aside)
	return true
}
