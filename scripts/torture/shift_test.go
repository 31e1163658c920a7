//go:build torture && linux && amd64

package torture

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Of the auxiliary vector, <linux/auxvec.h>.
const (
	auxNull   = 0
	auxIgnore = 1
	auxVDSO   = 33 // AT_SYSINFO_EHDR
)

// hideClock is called at the program's first instruction. It strikes the kernel's page of
// code out of what the program is told of its surroundings, so that the program makes a call
// for the time, which can be seen and changed, and does not read it there.
func (t *tracer) hideClock() error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(t.pid, &r); err != nil {
		return err
	}
	at := r.Rsp
	next := func() (uint64, error) {
		var word [8]byte
		_, err := unix.PtracePeekData(t.pid, uintptr(at), word[:])
		at += 8
		return binary.LittleEndian.Uint64(word[:]), err
	}
	for skipped := 0; skipped < 2; { // the arguments with their count before them, and the environment
		word, err := next()
		if err != nil {
			return err
		}
		if word == 0 {
			skipped++
		}
	}
	for {
		kind, err := next()
		switch {
		case err != nil:
			return err
		case kind == auxNull:
			return errors.New("the program has no page to read the time from")
		case kind == auxVDSO:
			var ignore [8]byte
			binary.LittleEndian.PutUint64(ignore[:], auxIgnore)
			_, err := unix.PtracePokeData(t.pid, uintptr(at-8), ignore[:])
			return err
		}
		at += 8
	}
}

// turnClock changes the time that a thread has just been told.
func (t *tracer) turnClock(id int) error {
	address, asked := t.asked[id]
	if !asked {
		return nil
	}
	delete(t.asked, id)
	var told [16]byte // struct timespec
	if _, err := unix.PtracePeekData(id, uintptr(address), told[:]); err != nil {
		return err
	}
	seconds, nanoseconds := binary.LittleEndian.Uint64(told[:8]), binary.LittleEndian.Uint64(told[8:])
	shifted := time.Unix(int64(seconds), int64(nanoseconds)).Add(t.shift())
	binary.LittleEndian.PutUint64(told[:8], uint64(shifted.Unix()))
	binary.LittleEndian.PutUint64(told[8:], uint64(shifted.Nanosecond()))
	_, err := unix.PtracePokeData(id, uintptr(address), told[:])
	return err
}
