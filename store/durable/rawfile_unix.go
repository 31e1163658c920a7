//go:build unix

package durable

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// rawFile is a file that is only read. Package os would try to register each one with the
// network poller: six needless system calls of a lookup, and one for each entry of a list.
type rawFile struct {
	fd   int
	path string
}

// openRaw neither follows a symbolic link nor waits for a FIFO's other end.
func openRaw(path string) (f rawFile, err error) {
	f.path = path
	err = f.again("open", func() error {
		f.fd, err = syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|openNoFollow, 0)
		return err
	})
	return f, err
}

func (f rawFile) stat() (rawInfo, error) {
	var st syscall.Stat_t
	err := f.again("stat", func() error { return syscall.Fstat(f.fd, &st) })
	return rawInfo{
		regular: st.Mode&syscall.S_IFMT == syscall.S_IFREG,
		perm:    fs.FileMode(st.Mode & 0o777),
		size:    st.Size,
		uid:     int(st.Uid),
		owned:   true,
	}, err
}

func (f rawFile) Read(p []byte) (n int, err error) {
	err = f.again("read", func() error {
		n, err = syscall.Read(f.fd, p)
		return err
	})
	if n <= 0 {
		n = 0
		if err == nil && len(p) > 0 {
			err = io.EOF
		}
	}
	return n, err
}

func (f rawFile) close() { _ = syscall.Close(f.fd) }

// again retries what a signal interrupts, and adds operation and path to an error.
func (f rawFile) again(op string, act func() error) error {
	for {
		switch err := act(); {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EINTR):
			return &fs.PathError{Op: op, Path: f.path, Err: err}
		}
	}
}
