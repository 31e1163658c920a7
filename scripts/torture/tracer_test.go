//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracer runs a program and lets meet decide what happens to each system call on a path
// below dir. It counts over all threads.
type tracer struct {
	dir   string
	meet  func(pid int, c call) verdict
	shift func() time.Duration // how much later it is for the program; nil leaves its clock alone

	pid    int
	failed map[int]unix.Errno // threads whose present call fails, and the error
	asked  map[int]uint64     // threads that ask for the time, and where it is put
}

// verdict is what is done to a call: nothing, an error in its place, an error although it was
// done, or the end of all.
type verdict struct {
	err  unix.Errno
	done bool
	kill bool
}

// run runs the program and returns how it ended.
func (t *tracer) run(cmd *exec.Cmd) (unix.WaitStatus, error) {
	runtime.LockOSThread() // ptrace answers one thread only
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	t.pid, t.failed, t.asked = cmd.Process.Pid, map[int]unix.Errno{}, map[int]uint64{}
	var ws unix.WaitStatus
	if _, err := wait(t.pid, &ws); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("the program did not stop at its beginning: %w", err)
	}
	if err := unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, fmt.Errorf("ptrace is not allowed here: %w", err)
	}
	if t.shift != nil {
		if err := t.hideClock(); err != nil {
			return 0, fmt.Errorf("take the program's clock away: %w", err)
		}
	}
	for next, signal := t.pid, 0; ; {
		if err := unix.PtraceSyscall(next, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, err
		}
		for {
			id, err := wait(-1, &ws)
			if err != nil {
				return 0, err
			}
			if ws.Stopped() {
				next = id
				break
			}
			if id == t.pid {
				return ws, nil // the last thread to be reported
			}
		}
		var err error
		if signal, err = t.stopped(next, ws); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, err
		}
	}
}

func wait(pid int, ws *unix.WaitStatus) (int, error) {
	for {
		id, err := unix.Wait4(pid, ws, unix.WALL, nil)
		if !errors.Is(err, unix.EINTR) {
			return id, err
		}
	}
}

// stopped deals with a stop and returns the signal to go on with.
func (t *tracer) stopped(id int, ws unix.WaitStatus) (signal int, err error) {
	switch s := ws.StopSignal(); s {
	case unix.SIGTRAP | 0x80: // a system call
		return 0, t.syscallStop(id)
	case unix.SIGTRAP, unix.SIGSTOP: // a thread begins
		return 0, nil
	default:
		return int(s), nil
	}
}

// Of struct ptrace_syscall_info, <linux/ptrace.h>.
const (
	getSyscallInfo = 0x420e
	infoEntry      = 1
	infoSize       = 88
)

func (t *tracer) syscallStop(id int) error {
	var info [infoSize]byte
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(id), infoSize, uintptr(unsafe.Pointer(&info)), 0, 0); errno != 0 {
		return errno
	}
	word := func(n int) uint64 { return binary.LittleEndian.Uint64(info[24+8*n:]) }
	if info[0] != infoEntry {
		errno, failing := t.failed[id]
		if !failing {
			return t.turnClock(id)
		}
		delete(t.failed, id)
		return t.setRegisters(id, func(r *unix.PtraceRegs) { r.Rax = uint64(-int64(errno)) })
	}
	if t.shift != nil && word(0) == unix.SYS_CLOCK_GETTIME && word(1) == unix.CLOCK_REALTIME {
		t.asked[id] = word(2)
		return nil
	}
	c, ok := t.name(id, int(word(0)), func(n int) uint64 { return word(1 + n) })
	if !ok {
		return nil
	}
	v := t.meet(t.pid, c)
	if v == (verdict{}) {
		return nil
	}
	if v.done {
		t.failed[id] = v.err
		return nil
	}
	// A number that is no call's: the kernel does nothing.
	err := t.setRegisters(id, func(r *unix.PtraceRegs) { r.Orig_rax = ^uint64(0) })
	if v.kill {
		return errors.Join(err, unix.Kill(t.pid, unix.SIGKILL))
	}
	t.failed[id] = v.err
	return err
}

func (t *tracer) setRegisters(id int, change func(*unix.PtraceRegs)) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(id, &r); err != nil {
		return err
	}
	change(&r)
	return unix.PtraceSetRegs(id, &r)
}

// text reads a string of the program, up to a page's end at a time.
func (t *tracer) text(id int, address uint64) string {
	var all []byte
	for len(all) < unix.PathMax {
		part := make([]byte, 4096-address%4096)
		n, err := unix.ProcessVMReadv(id, []unix.Iovec{{Base: &part[0], Len: uint64(len(part))}},
			[]unix.RemoteIovec{{Base: uintptr(address), Len: len(part)}}, 0)
		if err != nil || n == 0 {
			break
		}
		before, _, found := bytes.Cut(part[:n], []byte{0})
		all = append(all, before...)
		if found {
			break
		}
		address += uint64(n)
	}
	return string(all)
}

// call is one system call that has to do with the store.
type call struct {
	Kind string
	Path string // below the folder that is watched
}

// A call is of one kind. "flush" is the close of a file that was written to: on NFS that is
// where data goes to the server, and where its refusal shows.
var (
	changing = []string{"create", "mkdir", "unlink", "link", "rename", "write", "sync", "chmod"}
	looking  = []string{"open", "read", "list", "stat", "fstat", "lock", "close", "flush"}
)

// name returns the call, if it is one of those that Go programs work on files with and is
// about something below the folder that is watched.
func (t *tracer) name(id, number int, arg func(int) uint64) (call, bool) {
	kind, paths := "", []string{}
	fd := func(n int) string {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int32(arg(n))))
		return target
	}
	// What a name leads to, seen from an open folder, as os.RemoveAll gives it.
	at := func(folder int) string {
		path := t.text(id, arg(folder+1))
		if !filepath.IsAbs(path) && int32(arg(folder)) >= 0 {
			path = filepath.Join(fd(folder), path)
		}
		return path
	}
	switch number {
	case unix.SYS_OPENAT:
		kind, paths = "open", []string{at(0)}
		if arg(2)&unix.O_CREAT != 0 {
			kind = "create"
		}
	case unix.SYS_MKDIRAT:
		kind, paths = "mkdir", []string{at(0)}
	case unix.SYS_UNLINKAT:
		kind, paths = "unlink", []string{at(0)}
	case unix.SYS_LINKAT:
		kind, paths = "link", []string{at(2), at(0)}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		kind, paths = "rename", []string{at(2), at(0)}
	case unix.SYS_FCHMODAT:
		kind, paths = "chmod", []string{at(0)}
	case unix.SYS_FCHMOD, unix.SYS_FCHOWN:
		kind, paths = "chmod", []string{fd(0)}
	case unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_FTRUNCATE:
		kind, paths = "write", []string{fd(0)}
	case unix.SYS_READ, unix.SYS_PREAD64:
		kind, paths = "read", []string{fd(0)}
	case unix.SYS_GETDENTS64:
		kind, paths = "list", []string{fd(0)}
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		kind, paths = "sync", []string{fd(0)}
	case unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT:
		kind, paths = "stat", []string{at(0)}
	case unix.SYS_FSTAT:
		kind, paths = "fstat", []string{fd(0)}
	case unix.SYS_FLOCK:
		kind, paths = "lock", []string{fd(0)}
	case unix.SYS_CLOSE:
		kind, paths = "close", []string{fd(0)}
	}
	for _, path := range paths {
		if below, ok := strings.CutPrefix(path, t.dir); ok {
			if kind == "close" && t.writes(int(int32(arg(0)))) {
				kind = "flush"
			}
			return call{kind, below}, true
		}
	}
	return call{}, false
}

// writes reports whether a file was opened for writing.
func (t *tracer) writes(fd int) bool {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", t.pid, fd))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(info), "flags:")
	var flags int
	_, err = fmt.Sscanf(after, "%o", &flags)
	return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
}

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
