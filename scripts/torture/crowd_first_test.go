//go:build torture && linux && amd64

package torture

import (
	"fmt"
	"strings"
	"time"

	"regshape/scripts/testenv"
)

// firstRun is one run of the helper among many in a store that is not there yet.
type firstRun struct {
	dir, key, spelled, id string
	erases                bool
	killAfter             time.Duration // 0: it is not killed
}

// run returns what it has changed, or may have if it was killed.
func (r *firstRun) run() (made change, killed bool, err error) {
	made = change{key: r.key}
	action, input := "erase", r.spelled
	if !r.erases {
		made.value = value(r.key, r.id)
		action, input = "store", storeInput(r.spelled, made.value)
	}
	cmd := testenv.Command(storeEnviron(r.dir), helper, action)
	cmd.Stdin = strings.NewReader(input)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	made.start = now()
	if err := cmd.Start(); err != nil {
		return made, false, err
	}
	if r.killAfter > 0 {
		timer := time.AfterFunc(r.killAfter, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err = cmd.Wait()
	made.end = now()
	made.acked = err == nil
	killed = cmd.ProcessState.ExitCode() < 0
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return made, killed, err
}
