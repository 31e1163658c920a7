package process

import (
	"os/exec"

	"golang.org/x/sys/windows"
)

// Run runs cmd to its end. The end of its context kills also what it has started, which is in
// a job of its own.
func Run(cmd *exec.Cmd, _ bool) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(job) }()
	cmd.Cancel = func() error {
		_ = windows.TerminateJobObject(job, 1)
		return cmd.Process.Kill() // also where it is in no job
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// What it starts before this is not in the job, and where jobs cannot be nested nothing is.
	if h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid)); err == nil { //nolint:gosec // a pid is not negative
		_ = windows.AssignProcessToJobObject(job, h)
		_ = windows.CloseHandle(h)
	}
	return cmd.Wait()
}
