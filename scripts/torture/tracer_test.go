//go:build torture && linux && amd64

package torture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is one system call that has to do with the store.
type call struct {
	Kind string
	Path string // below the store's folder
}

// tracer runs a program and lets meet decide what happens to each system call on a path
// below dir. It counts over all threads.
type tracer struct {
	dir  string
	meet func(pid int, c call) verdict

	pid    int
	failed map[int]unix.Errno // threads whose present call is not to be done, and its result
}

// verdict is what is done to a call: nothing, the error in its place, or the end of all.
type verdict struct {
	err  unix.Errno
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
	t.pid, t.failed = cmd.Process.Pid, map[int]unix.Errno{}
	var ws unix.WaitStatus
	if _, err := wait(t.pid, &ws); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("the program did not stop at its beginning: %w", err)
	}
	if err := unix.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, fmt.Errorf("ptrace is not allowed here: %w", err)
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
			return nil
		}
		delete(t.failed, id)
		return t.setRegisters(id, func(r *unix.PtraceRegs) { r.Rax = uint64(-int64(errno)) })
	}
	c, ok := t.name(id, int(word(0)), func(n int) uint64 { return word(1 + n) })
	if !ok {
		return nil
	}
	v := t.meet(t.pid, c)
	if v == (verdict{}) {
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

// name returns the call, if it is one of those that Go programs work on files with and is
// about something below the store's folder.
func (t *tracer) name(id, number int, arg func(int) uint64) (call, bool) {
	kind, paths := "", []string{}
	at := func(n int) string { return t.text(id, arg(n)) }
	fd := func() []string {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", t.pid, int(arg(0))))
		return []string{target}
	}
	switch number {
	case unix.SYS_OPENAT:
		kind, paths = "open", []string{at(1)}
		if arg(2)&unix.O_CREAT != 0 {
			kind = "create"
		}
	case unix.SYS_MKDIRAT:
		kind, paths = "mkdir", []string{at(1)}
	case unix.SYS_UNLINKAT:
		kind, paths = "unlink", []string{at(1)}
	case unix.SYS_LINKAT:
		kind, paths = "link", []string{at(3), at(1)}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		kind, paths = "rename", []string{at(3), at(1)}
	case unix.SYS_WRITE:
		kind, paths = "write", fd()
	case unix.SYS_READ:
		kind, paths = "read", fd()
	case unix.SYS_GETDENTS64:
		kind, paths = "list", fd()
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		kind, paths = "sync", fd()
	case unix.SYS_CLOSE:
		kind, paths = "close", fd()
	}
	for _, path := range paths {
		if below, ok := strings.CutPrefix(path, t.dir); ok {
			return call{kind, below}, true
		}
	}
	return call{}, false
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
