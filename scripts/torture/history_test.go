//go:build torture && linux && amd64

package torture

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// event is a line of a process's log. A writer logs an intent, acts, and logs the end; a
// reader logs what it saw when it has seen it.
type event struct {
	Do    string            // "put", "erase", "end", "get" or "list"
	Key   string            `json:",omitempty"` // the address
	Value string            `json:",omitempty"` // what was stored or seen there, "" for nothing
	All   map[string]string `json:",omitempty"` // what a list has seen, address -> value
	Start int64             `json:",omitempty"` // CLOCK_MONOTONIC in ns, which all processes share
	End   int64             `json:",omitempty"`
	Err   string            `json:",omitempty"`
}

// change is a put or an erase.
type change struct {
	key, value string // value is "" for an erase
	start, end int64
	// acked: it was reported as done. One that was not may have been done or not, but not
	// after its end.
	acked bool
}

// look is a get of an address, or a list.
type look struct {
	scopes     []string // of a get: the address, and those that answer in its stead
	value      string   // of a get
	all        map[string]string
	start, end int64
}

type history struct {
	changes []change
	looks   []look
	errors  []string
}

// now reads the clock that all processes of the machine share.
func now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// value makes the secret of one put. It names its address, so that another's is noticed.
func value(key, id string) string { return key + "#" + id }

// keyOf returns the address that a value was stored under.
func keyOf(value string) string {
	key, _, _ := strings.Cut(value, "#")
	return key
}

// scopes lists the addresses that answer for an address: its own, then the wider scopes on
// the same host, but not the host itself.
func scopes(key string) []string {
	found := []string{key}
	for strings.Count(key, "/") > 1 {
		key = key[:strings.LastIndex(key, "/")]
		found = append(found, key)
	}
	return found
}

// add reads the log of a process that was gone at a time. What it was doing then is not
// acknowledged, and cannot be done later.
func (h *history) add(path string, gone int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	var open *change
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // also a line that was cut short: what it tells of did not begin, or did not end
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if e.Err != "" {
			h.errors = append(h.errors, fmt.Sprintf("%s: %s %s: %s", path, e.Do, e.Key, e.Err))
		}
		switch e.Do {
		case "put", "erase":
			open = &change{key: e.Key, value: e.Value, start: e.Start}
		case "end":
			open.end, open.acked = e.End, e.Err == ""
			h.changes = append(h.changes, *open)
			open = nil
		case "get":
			if e.Err == "" {
				h.looks = append(h.looks, look{scopes: scopes(e.Key), value: e.Value, start: e.Start, end: e.End})
			}
		case "list":
			if e.Err == "" {
				h.looks = append(h.looks, look{all: e.All, start: e.Start, end: e.End})
			}
		}
	}
	if open != nil {
		open.end = gone
		h.changes = append(h.changes, *open)
	}
	return nil
}
