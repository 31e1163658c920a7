package authfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
	"unicode/utf8"

	"github.com/docker/docker-credential-helpers/client"

	"regshape/store/process"
)

const (
	// maxHelperOutput is far above any credential (the protocol carries 64 KiB) and above a list of thousands.
	maxHelperOutput = 1 << 20
	// maxHelperStderr is kept of stderr; the rest is read and dropped, so that the helper does not block.
	maxHelperStderr = 4 << 10
	// pipeGrace is how long output is still read after the helper ended or was killed:
	// a grandchild that left the process group may hold the pipes open for ever.
	pipeGrace = 500 * time.Millisecond
)

// helperRun is one run of a helper: the client's Program.
type helperRun struct {
	ctx          context.Context
	path, action string
	timeout      time.Duration
	environ      []string
	stdin        io.Reader

	stdout, stderr process.Bounded
	err            error // why it failed, in words that may be shown
}

var _ client.Program = (*helperRun)(nil)

// Input sets what the helper reads; never the environment or an argument.
func (r *helperRun) Input(in io.Reader) { r.stdin = in }

// Output runs the helper to its end, to its time limit or to its limit of output.
func (r *helperRun) Output() ([]byte, error) {
	r.err = r.run()
	return r.stdout.Data, r.err
}

func (r *helperRun) run() error {
	timed, stop := context.WithTimeout(r.ctx, r.timeout)
	defer stop()
	r.stdout = process.Bounded{Limit: maxHelperOutput, Full: stop}
	r.stderr = process.Bounded{Limit: maxHelperStderr}

	cmd := exec.CommandContext(timed, r.path, r.action) //nolint:gosec // the helper that the user's configuration names
	cmd.Env = r.environ
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.stdin, &r.stdout, &r.stderr
	cmd.WaitDelay = pipeGrace
	err := process.Run(cmd, false)

	switch {
	case r.stdout.Over:
		return fmt.Errorf("%w: more than 1 MiB of output", ErrHelperAnswer)
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		// ErrWaitDelay: it ended well, and left a process behind that holds its output open.
		if !utf8.Valid(r.stdout.Data) {
			return fmt.Errorf("%w: not UTF-8", ErrHelperAnswer)
		}
		return nil
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case timed.Err() != nil:
		return fmt.Errorf("%w (%v)", ErrHelperTimeout, r.timeout)
	case errors.As(err, new(*exec.ExitError)):
		return fmt.Errorf("%w: %w", ErrHelperFailed, err)
	}
	return fmt.Errorf("%w: it cannot be run: %w", ErrHelperFailed, err)
}
