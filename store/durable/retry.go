package durable

import (
	"time"
)

// How long a file that somebody holds is waited for. Readers of the store and virus scanners
// take milliseconds; who takes longer has it open for good.
const (
	HeldLimit = 2 * time.Second
	HeldPause = 10 * time.Millisecond
)

// WhileHeld does a step, and again every 10 ms for up to 2 s while its error says that
// somebody holds the file. It returns the last error.
func WhileHeld(step func() error, held func(error) bool, sleep func(time.Duration)) error {
	for waited := time.Duration(0); ; waited += HeldPause {
		err := step()
		if err == nil || !held(err) || waited >= HeldLimit {
			return err
		}
		sleep(HeldPause)
	}
}
