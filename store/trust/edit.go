package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"regshape/store/durable"
)

const (
	// turnTimeout is how long a writer waits for another one, which takes milliseconds; then
	// that one was killed.
	turnTimeout = 5 * time.Second
	pause       = 10 * time.Millisecond

	// editTimeout is when a writer gives up: somebody else keeps taking its turn.
	editTimeout = time.Minute
)

// read returns the list, nil where there is none. Whatever another user could have written
// is refused.
func (l list) read() ([]byte, error) {
	if err := guarded(filepath.Dir(l.path), outerRoot()); err != nil {
		return nil, ifThere(err)
	}
	info, err := os.Lstat(l.path)
	if err != nil {
		return nil, ifThere(err)
	}
	if uid, known := durable.OwnerOf(info); known && uid != os.Geteuid() {
		return nil, fmt.Errorf("%w: %s belongs to uid %d and you are uid %d: move it away", durable.ErrUnsafe, l.path, uid, os.Geteuid())
	}
	data, err := durable.ReadSecret(l.path)
	return data, ifThere(err)
}

func ifThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// edit changes the list's lines, durably. The new list is first made, by link(2), under a name
// that only one writer at a time can have. That writer checks that the list is still the one it
// changed, and renames the new one over it. Then it checks again, since a writer that was
// stopped for long may have lost its turn, and its change.
func (l list) edit(change func(lines []string) []string) error {
	turn := l.path + ".next"
	began, waiting := time.Now(), time.Now()
	for ; ; time.Sleep(pause) {
		data, err := l.read()
		if err != nil {
			return err
		}
		old := lines(data)
		changed := change(old)
		if slices.Equal(old, changed) {
			return nil
		}
		if time.Since(began) > editTimeout {
			return fmt.Errorf("other runs keep changing %s: try again", l.path)
		}
		text := ""
		if len(changed) > 0 {
			text = strings.Join(changed, "\n") + "\n"
		}
		err = durable.WriteFirst(turn, []byte(text))
		if errors.Is(err, fs.ErrExist) {
			if time.Since(waiting) > turnTimeout {
				if err := durable.Remove(turn); ifThere(err) != nil {
					return fmt.Errorf("remove what a killed run has left: %w", err)
				}
				waiting = time.Now()
			}
			continue
		}
		if err != nil {
			return err
		}
		waiting = time.Now()
		now, err := l.read()
		if err != nil || !bytes.Equal(now, data) {
			_ = durable.Remove(turn) // what is left of it waits for turnTimeout to end
			if err != nil {
				return err
			}
			continue
		}
		if err := durable.RenameOver(turn, l.path); ifThere(err) != nil {
			_ = durable.Remove(turn)
			return err
		}
		if err := durable.SyncDir(filepath.Dir(l.path)); err != nil {
			return fmt.Errorf("%w: %w", durable.ErrUnsure, err)
		}
	}
}
