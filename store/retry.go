package store

import "time"

// How long a file that somebody holds is waited for. Readers of the store and virus scanners
// take milliseconds; who takes longer has it open for good.
const (
	heldLimit = 2 * time.Second
	heldPause = 10 * time.Millisecond
)

// whileHeld does a step, and again every 10 ms for up to 2 s while its error says that
// somebody holds the file. It returns the last error.
func whileHeld(step func() error, held func(error) bool, sleep func(time.Duration)) error {
	for waited := time.Duration(0); ; waited += heldPause {
		err := step()
		if err == nil || !held(err) || waited >= heldLimit {
			return err
		}
		sleep(heldPause)
	}
}
