package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// From ptrace(2); package syscall has the calls but not these two names.
const (
	ptraceTraceExit = 0x40
	ptraceEventExit = 6
)

// peakMemory runs o once more and returns the most memory it held, in bytes.
// ru_maxrss cannot tell: a child started by Go shares its parent's memory
// until it executes the program, and the kernel counts that too, so a small
// program seems as large as this one. The child is therefore stopped at its
// exit, where /proc still has the peak of its own memory.
func (o *operation) peakMemory(ctx context.Context) (int64, error) {
	if err := o.prepare(ctx); err != nil {
		return 0, err
	}
	cmd, done, err := o.start(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	runtime.LockOSThread() // ptrace answers only the thread that started it
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			return 0, nil // a container that forbids ptrace: no figure
		}
		return 0, err
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	var peak int64
	for optionsSet := false; ; {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err == syscall.EINTR {
			continue
		} else if err != nil {
			return 0, fmt.Errorf("wait: %w", err)
		}
		if !status.Stopped() {
			return peak, cmd.Process.Release()
		}
		deliver := int(status.StopSignal())
		switch {
		case deliver != int(syscall.SIGTRAP): // the program's own signal
		case status.TrapCause() == ptraceEventExit:
			if peak, err = highWater(pid); err != nil {
				return 0, err
			}
			deliver = 0
		default:
			deliver = 0
		}
		if !optionsSet {
			if err := syscall.PtraceSetOptions(pid, ptraceTraceExit); err != nil {
				return 0, fmt.Errorf("ptrace: %w", err)
			}
			optionsSet = true
		}
		if err := syscall.PtraceCont(pid, deliver); err != nil {
			return 0, fmt.Errorf("ptrace: %w", err)
		}
	}
}

// highWater reads the peak resident memory of a process, in bytes.
func highWater(pid int) (int64, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib * 1024, err
		}
	}
	return 0, errors.New("no VmHWM in /proc")
}
