package durable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"unicode/utf16"

	"regshape/store/printable"
)

// MaxFile bounds what is read of any file of the store, as [Large] says. A secret of 64 KiB,
// every character of it escaped in JSON, stays below.
const MaxFile = 1 << 20

// Secrecy is the permission bits that a file of the store must not have.
type Secrecy fs.FileMode

// What a file is read as.
const (
	Sealed Secrecy = 0o022 // nobody else may write it
	Secret Secrecy = 0o077 // nobody else may even read it
	Unread Secrecy = 0o044 // nobody else may read it
)

// ReadFile reads one of the store's files: regular, not a symbolic link, not too
// large, and private. Opening never blocks, whatever stands at the path.
func ReadFile(path string, s Secrecy) ([]byte, error) { return ReadInto(nil, path, s) }

// ReadInto is [ReadFile] that reuses the memory of buf if that is large enough.
func ReadInto(buf []byte, path string, s Secrecy) ([]byte, error) {
	f, err := openRaw(path)
	if err != nil {
		return nil, shapeError(err, path, false)
	}
	defer f.close()
	info, err := f.stat()
	switch {
	case err != nil:
		return nil, err
	case !info.regular:
		return nil, &ShapeError{Path: path, Is: Irregular}
	case info.size > MaxFile:
		return nil, &ShapeError{Path: path, Is: Large}
	case info.owned && info.uid != os.Geteuid():
		return nil, &OwnerError{Path: path, UID: info.uid}
	case ModesMatter && info.perm&fs.FileMode(s) != 0:
		return nil, fmt.Errorf("%w: %s is open to other users (mode %04o): run '%s'", ErrUnsafe, path, info.perm, printable.Shell("chmod", "600", path))
	}
	data := slices.Grow(buf[:0], int(info.size))[:info.size]
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return data, nil
}

// rawInfo is what a read checks of its file.
type rawInfo struct {
	regular bool
	perm    fs.FileMode
	size    int64 // in bytes
	uid     int   // of its owner, if owned
	owned   bool
}

// ReadSecret reads a file of the store that holds a secret, such as a key line. Errors
// are [ErrUnsafe] where others have access to it, and those of package os.
func ReadSecret(path string) ([]byte, error) { return ReadFile(path, Secret) }

// shapeError makes an error of opening a path one about what stands there, if that is why.
func shapeError(err error, path string, named bool) error {
	switch {
	case !named && isSymlinkError(err): // a named one is followed
		return &ShapeError{Path: path, Is: Link}
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV): // a socket, or a device without its driver
		return &ShapeError{Path: path, Is: Irregular, Named: named}
	}
	return err
}

// Exists reports whether something is at a path, without opening it or following links.
func Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if err = notThere(path, err); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// CheckDir refuses a directory of the store that is a link or not the user's alone.
func CheckDir(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return notThere(path, err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return &ShapeError{Path: path, Is: Link}
	}
	return checkInfo(path, info)
}

// CheckTopDir is [CheckDir] for the directory that holds all others. It may be a link if link
// and directory are the user's.
func CheckTopDir(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() && !Foreign(info) {
		info, err = os.Stat(path)
	}
	if err != nil {
		return err
	}
	return checkInfo(path, info)
}

func checkInfo(path string, info fs.FileInfo) error {
	if uid, known := OwnerOf(info); known && uid != os.Geteuid() {
		return &OwnerError{Path: path, UID: uid}
	}
	if !info.IsDir() {
		return &ShapeError{Path: path, Is: NoDir}
	}
	if ModesMatter && info.Mode().Perm()&fs.FileMode(Sealed) != 0 {
		return fmt.Errorf("%w: other users can write to %s (mode %04o): run '%s'",
			ErrUnsafe, path, info.Mode().Perm(), printable.Shell("chmod", "700", path))
	}
	return nil
}

// CheckDirIfAny refuses a directory below the store's top directory that is a link or not the
// user's alone: [ErrUnsafe]. One that is not there is fine.
func CheckDirIfAny(path string) error {
	if err := CheckDir(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// OpenNamed opens a file that the user has named and that decides whom to trust. It follows
// links, and never waits for the other end of a pipe. [ErrUnsafe] means that it is not a regular
// file, belongs to another user who is not root, or can be written by others.
func OpenNamed(path string) (*os.File, error) {
	trusted := func(info fs.FileInfo) error {
		if uid, known := OwnerOf(info); known && uid != os.Geteuid() && uid != 0 {
			return &OwnerError{Path: path, UID: uid, Named: true}
		}
		return nil
	}
	link, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := trusted(link); err != nil { // the owner of a link decides where it leads
		return nil, err
	}
	f, err := Open(path)
	if err != nil {
		return nil, shapeError(err, path, true)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = &ShapeError{Path: path, Is: Irregular, Named: true}
	case ModesMatter && info.Mode().Perm()&fs.FileMode(Sealed) != 0:
		err = fmt.Errorf("%w: other users can write to %s (mode %04o): run '%s'", ErrUnsafe, path, info.Mode().Perm(), printable.Shell("chmod", "go-w", path))
	default:
		err = trusted(info)
	}
	if err != nil {
		_ = f.Close() // it was only opened
		return nil, err
	}
	return f, nil
}

// Text is the text of a file that the user has named. The PowerShell that comes with Windows
// writes what is redirected to a file in UTF-16, with a byte order mark.
func Text(data []byte) []byte {
	rest, marked := bytes.CutPrefix(data, []byte("\xff\xfe"))
	if !marked || len(rest)%2 != 0 {
		return data
	}
	units := make([]uint16, len(rest)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(rest[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// Foreign reports whether a file is known to be another user's.
func Foreign(info fs.FileInfo) bool {
	uid, known := OwnerOf(info)
	return known && uid != os.Geteuid()
}
