package authfile

import (
	"errors"
	"io"
	"io/fs"

	"regshape/store/durable"
)

// maxDocument bounds what is read. Real files of thousands of logins stay under
// 1 MiB; the bound only keeps a wrong path from filling the memory.
const maxDocument = 16 << 20

var (
	// ErrIrregular means a path that leads to no regular file.
	ErrIrregular = errors.New("not a regular file")
	// ErrTooLarge means a file of more than 16 MiB.
	ErrTooLarge = errors.New("larger than 16 MiB")
)

// Read reads a document from a file; symbolic links are followed. An empty file
// is an empty document. Errors: fs.ErrNotExist and others of package os,
// ErrIrregular (a directory, a device; it does not wait for a FIFO), ErrTooLarge,
// *SyntaxError.
func Read(path string, f Format) (*Document, error) {
	data, _, err := readText(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, data, f)
}

// readText reads a regular file whole, within the bound.
func readText(path string) ([]byte, fs.FileInfo, error) {
	f, err := durable.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: ErrIrregular}
	}
	// The size may be out of date by the time of the reading, hence the limit.
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxDocument {
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: ErrTooLarge}
	}
	return data, info, nil
}
