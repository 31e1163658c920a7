package authfile

import (
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/windows"
)

// lockDir is what it is on other systems, with a mutex of the user's session that has a name
// made from the directory's: Windows has no lock on a directory, and a lock file would remain
// among the user's own. A mutex ends with the process that holds it.
func lockDir(dir string, timeout time.Duration) (unlock func()) {
	sum := sha256.Sum256([]byte(strings.ToLower(dir)))
	name, err := windows.UTF16PtrFromString(`Local\regshape-` + hex.EncodeToString(sum[:]))
	if err != nil {
		return func() {}
	}
	mutex, _ := windows.CreateMutex(nil, false, name) // that it exists already is an error with a handle
	if mutex == 0 {
		return func() {}
	}
	runtime.LockOSThread() // a mutex belongs to a thread
	event, err := windows.WaitForSingleObject(mutex, uint32(timeout.Milliseconds()))
	held := err == nil && (event == windows.WAIT_OBJECT_0 || event == windows.WAIT_ABANDONED)
	return func() {
		if held {
			_ = windows.ReleaseMutex(mutex)
		}
		_ = windows.CloseHandle(mutex)
		runtime.UnlockOSThread()
	}
}
