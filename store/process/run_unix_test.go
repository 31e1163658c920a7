//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// What a program has started ends with it when the context does.
func TestRun_ended(t *testing.T) {
	for _, session := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		started, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := testenv.CommandContext(ctx, testenv.Environ(t.TempDir()), "sh", "-c", "sleep 60 & echo $$ $!; wait")
		cmd.Stdout = out
		ended := make(chan error, 1)
		go func() { ended <- Run(cmd, session) }()
		var parent, child int
		if _, err := fmt.Fscan(started, &parent, &child); err != nil {
			t.Fatal(err)
		}
		group, groupErr := unix.Getpgid(child)
		sid, sidErr := unix.Getsid(child)
		if err := errors.Join(groupErr, sidErr); err != nil || group != parent || (sid == parent) != session {
			t.Errorf("session %t: of process %d group %d, session %d, %v", session, parent, group, sid, err)
		}
		cancel()
		var exit *exec.ExitError
		if err := <-ended; !errors.As(err, &exit) {
			t.Errorf("session %t: %v, want an exit error", session, err)
		}
		_ = out.Close() // the programs have ends of their own
		_ = started.SetReadDeadline(time.Now().Add(10 * time.Second))
		var rest bytes.Buffer
		if _, err := rest.ReadFrom(started); err != nil { // who has the other end open is alive
			t.Errorf("session %t: what it started runs on: %v", session, err)
			_ = unix.Kill(child, unix.SIGKILL)
		}
	}
}
