package durable

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// Files that are replaced are listed; one reading misses some of them.
func TestList_replaced(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "list-")
	if err != nil {
		t.Skipf("no tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var all []string
	for i := range 300 { // more than one call of the system returns
		all = append(all, fmt.Sprintf("%032d", i))
		if err := os.WriteFile(filepath.Join(dir, all[i]), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := w; ; i += 7 {
				temporary := filepath.Join(dir, fmt.Sprint(".tmp-", w, i))
				select {
				case <-stop:
					return
				default:
				}
				err := os.WriteFile(temporary, nil, 0o600)
				if err == nil {
					err = os.Rename(temporary, filepath.Join(dir, all[i%len(all)]))
				}
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(100 * time.Microsecond) // a write that is synced takes longer
			}
		})
	}
	for range 300 {
		names, err := OS{}.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			if !slices.Contains(names, name) {
				t.Errorf("%s is not listed", name)
			}
		}
	}
	close(stop)
	writers.Wait()
}
