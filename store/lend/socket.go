package lend

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"regshape/store/durable"
)

// dirs are where the sockets of this user may be. The first depends on the uid alone, since the
// helper may run in another environment than the forward; the second, for systems without it, also
// on TMPDIR.
func dirs() []string {
	uid := strconv.Itoa(outside(os.Geteuid()))
	return []string{
		filepath.Join("/run/user", uid, "regshape-forward"),
		filepath.Join(os.TempDir(), "regshape-forward-"+uid),
	}
}

// Listener accepts the requests of this user on this machine.
type Listener struct {
	*net.UnixListener
	path string
}

// Listen makes a socket, and removes those of forwards that were killed.
func Listen() (l *Listener, err error) {
	for _, path := range sockets() {
		conn, err := net.Dial("unix", path)
		if err == nil {
			_ = conn.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
	all := dirs()
	dir := all[0]
	if durable.CheckDir(filepath.Dir(dir)) != nil {
		dir = all[1]
	}
	for range 3 { // another forward that ends may remove the directory
		if l, err = listenIn(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return l, err
}

func listenIn(dir string) (*Listener, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := durable.CheckDir(dir); errors.As(err, new(*durable.OwnerError)) {
		return nil, fmt.Errorf("%s belongs to another user: have it removed, or set TMPDIR to another directory, also for what asks", dir)
	} else if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fmt.Sprintf("%016x", time.Now().UnixNano())) // they sort by age
	u, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("the path of the socket, %s, is too long: set TMPDIR to a shorter directory, also for what asks", path)
	} else if err != nil {
		return nil, err
	}
	u.SetUnlinkOnClose(false)
	l := &Listener{u, path + suffix}
	if err := os.Rename(path, l.path); err != nil { // only now it is found, and not taken for a dead one
		_ = os.Remove(path)
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close removes the socket, and the directory with the last one.
func (l *Listener) Close() {
	_ = os.Remove(l.path)
	_ = os.Remove(filepath.Dir(l.path))
	_ = l.UnixListener.Close()
}

// AcceptFrom returns the next request of this user, and the name of the program that asks.
func (l *Listener) AcceptFrom() (conn net.Conn, asker string, err error) {
	for {
		if conn, err = l.Accept(); err != nil {
			return nil, "", err
		}
		if asker, err = peer(conn); err == nil {
			return conn, asker, nil
		}
		_ = conn.Close()
	}
}
