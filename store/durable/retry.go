package durable

import "time"

// How long to wait for a file that another process holds. Readers of the store and virus
// scanners take milliseconds; what takes longer keeps it open.
const (
	HeldLimit = 2 * time.Second
	HeldPause = 10 * time.Millisecond
)

// WhileHeld tries a step, and again every 10 ms for up to 2 s while its error means that
// another process holds the file. It returns the last error.
func WhileHeld(step func() error, held func(error) bool, sleep func(time.Duration)) error {
	for waited := time.Duration(0); ; waited += HeldPause {
		err := step()
		if err == nil || !held(err) || waited >= HeldLimit {
			return err
		}
		sleep(HeldPause)
	}
}
