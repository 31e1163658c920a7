package lend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"regshape/store"
	"regshape/store/durable"
	"regshape/store/printable"
)

// Error is about a machine that lends logins, and did not lend this one.
type Error struct {
	From    string        // the machine
	Problem string        // [Locked], [Failed], or "" for no answer
	Waited  time.Duration // for an answer, in whole seconds
}

func (e *Error) Error() string {
	what := fmt.Sprintf("did not answer within %v", e.Waited)
	switch e.Problem {
	case Locked:
		what = "has a locked store"
	case Failed:
		what = "could not make this login"
	}
	return e.From + ", which lends logins here, " + what
}

// Ask asks the forwards to this machine for the login of an address, the newest first, and says
// which one had it. [store.ErrNotFound] means that none has, or that there is none.
func Ask(ctx context.Context, a store.Address) (c store.Credential, from string, err error) {
	ctx, cancel := context.WithTimeout(ctx, WorkingWait)
	defer cancel()
	err = store.ErrNotFound
	for _, path := range sockets() {
		login, name, failed := ask(ctx, path, a.String())
		if failed == nil {
			return login.credential(), name, nil
		}
		if errors.Is(err, store.ErrNotFound) {
			err = failed
		}
	}
	return c, "", err
}

// Forwards names the machines that lend logins here.
func Forwards(ctx context.Context) (names []string) {
	for _, path := range sockets() {
		conn, name, err := dial(ctx, path)
		if err == nil {
			_ = conn.Close()
			names = append(names, name)
		}
	}
	return names
}

// dial reaches a forward, which says hello. The end of ctx ends what is read from it.
func dial(ctx context.Context, path string) (conn net.Conn, from string, err error) {
	var d net.Dialer
	if conn, err = d.DialContext(ctx, "unix", path); err != nil {
		return nil, "", err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(helloWait))
	var hello Frame
	if _, err = peer(conn); err == nil {
		hello, err = Read(conn)
	}
	if err == nil && hello.Kind != Hello {
		err = ErrFrame
	}
	if err != nil {
		_ = conn.Close()
	}
	_ = conn.SetDeadline(time.Now().Add(wait))
	return conn, printable.Line(hello.From, 100), err
}

// ask asks one forward. One that has ended or is frozen, or whose other side is silent, has
// nothing: it must not stand in the way of what needs no login.
func ask(ctx context.Context, path, address string) (login Login, from string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, from, err := dial(ctx, path)
	if err != nil {
		return login, "", store.ErrNotFound
	}
	begun := time.Now()
	err = Write(conn, Frame{Kind: Get, Address: address})
	for err == nil {
		var f Frame
		switch f, err = Read(conn); {
		case err != nil:
		case f.Kind == Working:
			_ = conn.SetDeadline(time.Now().Add(Silence)) // or ctx, which ends first
		case f.Kind != Answer:
			err = ErrFrame
		case f.Login != nil:
			return *f.Login, from, nil
		case f.Problem == Locked, f.Problem == Failed:
			return login, from, &Error{from, f.Problem, 0}
		default:
			return login, from, store.ErrNotFound
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return login, from, ctx.Err()
	case ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return login, from, &Error{from, "", time.Since(begun).Round(time.Second)}
	}
	return login, from, store.ErrNotFound
}

const suffix = ".sock"

// sockets are the forwards of this user, the newest first. A directory that somebody else could
// have made is passed over.
func sockets() (paths []string) {
	for _, dir := range dirs() {
		if durable.CheckDir(dir) != nil {
			continue
		}
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), suffix) {
				paths = append(paths, filepath.Join(dir, e.Name()))
			}
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.Base(b), filepath.Base(a)) })
	return paths
}
