// Package lend is how one machine lends logins to another, and how the other one asks.
//
// On the far machine a process listens on a socket that only its user can reach. It speaks with
// the near machine over its standard input and output, which ssh or another program connects.
// Both ways carry frames: 4 bytes, the length, big-endian, then that much JSON, 64 KiB at most.
//
// The far side begins with a NUL, "regshape-forward", the number of this protocol, its version of
// regshape and a line feed, since a login shell may print something before. The near side says
// hello, then both send a heartbeat every 5 s. Only the far side asks, and only for the login of
// one address. Whatever either side says is its claim.
package lend

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"regshape/store"
	"regshape/store/printable"
)

const (
	protocol = "1"
	maxFrame = 64 << 10
	// maxBanner is how much may come before the greeting: the message of the day, and what
	// the start file of a shell prints.
	maxBanner = 64 << 10
	// AtOnce is how many requests are under way at once; the next one waits.
	AtOnce = 16

	// Beat is the time between two heartbeats.
	Beat = 5 * time.Second
	// Silence is how long nothing may come over the way between the machines.
	Silence = 15 * time.Second

	helloWait = 2 * time.Second  // for the process on this machine
	wait      = 10 * time.Second // for an answer
	// WorkingWait is how long one waits while the near side says that it is working.
	WorkingWait = 40 * time.Second
)

const greeting = "\x00regshape-forward "

// Kind is what a frame is.
type Kind string

// The kinds of frames.
const (
	Hello   Kind = "hello"   // From
	Alive   Kind = "alive"   // a heartbeat
	Get     Kind = "get"     // ID, Address, Asker
	Working Kind = "working" // ID: the answer takes longer
	Answer  Kind = "answer"  // ID, and Login or Problem
)

// Frame is one message.
type Frame struct {
	Kind    Kind   `json:"kind"`
	ID      int    `json:"id,omitempty"` // of the request, between the machines
	From    string `json:"from,omitempty"`
	Address string `json:"address,omitempty"`
	Asker   string `json:"asker,omitempty"`
	Login   *Login `json:"login,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// What an answer without a login says.
const (
	NotFound = "not-found" // not stored, or not lent
	Locked   = "locked"
	Failed   = "failed" // the terminal of the near side says why
)

// Login is what is lent of a login: what a client needs, and nothing that renews it.
type Login struct {
	Canonical string          `json:"canonical"`
	Username  string          `json:"username"`
	Secret    string          `json:"secret"`
	Kind      store.Kind      `json:"kind"`
	Transport store.Transport `json:"transport,omitempty"`
	Expires   time.Time       `json:"expires,omitzero"`
}

// Lent is what is lent of a login of a store.
func Lent(c store.Credential) *Login {
	return &Login{c.For().String(), c.Username, c.Secret, c.Kind, c.Transport, c.Expires}
}

func (l Login) credential() store.Credential {
	return store.Credential{
		ServerURL: l.Canonical, Canonical: l.Canonical, Username: l.Username, Secret: l.Secret,
		Kind: l.Kind, Transport: l.Transport, Expires: l.Expires,
	}
}

var (
	// ErrFrame is what no side of a forward sends.
	ErrFrame = errors.New("what the other side sent is not the protocol: check that nothing else writes there")
	// ErrLarge is a frame that is too large to be sent.
	ErrLarge = errors.New("a login of more than 64 KiB cannot be lent: log in there")
)

// Read reads a frame.
func Read(r io.Reader) (f Frame, err error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return f, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n > maxFrame {
		return f, ErrFrame
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return f, io.ErrUnexpectedEOF
	}
	if json.Unmarshal(body, &f) != nil { // its error would quote the input
		return Frame{}, ErrFrame
	}
	return f, nil
}

// Write writes a frame at once.
func Write(w io.Writer, f Frame) error {
	out := bytes.NewBuffer(make([]byte, 4))
	text := json.NewEncoder(out)
	text.SetEscapeHTML(false) // it would make some secrets six times as large
	if err := text.Encode(f); err != nil {
		return err
	}
	n := out.Len() - 4
	if n > maxFrame {
		return ErrLarge
	}
	binary.BigEndian.PutUint32(out.Bytes(), uint32(n)) //nolint:gosec // below maxFrame
	_, err := w.Write(out.Bytes())
	return err
}

// Greet writes the greeting of the far side.
func Greet(w io.Writer, version string) error {
	_, err := fmt.Fprintf(w, "%s%s %s\n", greeting, protocol, version)
	return err
}

// Greeted reads up to the end of the greeting. The error is of r where nothing greets.
func Greeted(r *bufio.Reader) error {
	var seen []byte
	for !bytes.HasSuffix(seen, []byte(greeting)) {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if seen = append(seen, b); len(seen) > maxBanner {
			return errors.New("64 KiB came from there, and no greeting of regshape: check what the shell's start files print, or what is started there")
		}
	}
	line, err := r.ReadSlice('\n') // as long as the buffer at most
	if err != nil {
		return ErrFrame
	}
	number, version, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	if number != protocol {
		return fmt.Errorf("regshape %s there speaks version %s of the protocol, this one version %s: install the same version on both machines",
			printable.Line(version, 40), printable.Line(number, 20), protocol)
	}
	return nil
}
