//go:build torture && linux && amd64

package torture

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

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

// check compares every look of a history with the changes. A look may see what an
// acknowledged change has left that none has replaced which ended before the look began,
// and what a change has left, or is about to leave, that overlaps it or was not
// acknowledged. lost are looks that miss an acknowledged change, wrong are all others.
func (h history) check() (lost, wrong []string) {
	registers := map[string]*register{}
	for _, c := range h.changes {
		if registers[c.key] == nil {
			registers[c.key] = &register{puts: map[string]change{}}
		}
		registers[c.key].add(c)
	}
	for _, r := range registers {
		r.index()
	}
	for _, l := range h.looks {
		lostHere, wrongHere := l.check(registers)
		lost, wrong = append(lost, lostHere...), append(wrong, wrongHere...)
	}
	return lost, wrong
}

func (l look) check(registers map[string]*register) (lost, wrong []string) {
	judge := func(key, value string) {
		r := registers[key]
		if r == nil {
			r = &register{}
			r.index()
		}
		switch fault := r.judge(value, l.start, l.end); fault {
		case legal:
		case stale:
			lost = append(lost, fmt.Sprintf("%s: %q is seen from %d to %d, where an acknowledged change has replaced it", key, value, l.start, l.end))
		default:
			wrong = append(wrong, fmt.Sprintf("%s: %q is seen from %d to %d: %s", key, value, l.start, l.end, fault))
		}
	}
	if l.scopes == nil {
		for key := range registers {
			judge(key, l.all[key])
		}
		for key, value := range l.all {
			if registers[key] == nil {
				judge(key, value)
			}
		}
		return lost, wrong
	}
	for _, key := range l.scopes {
		if l.value != "" && keyOf(l.value) == key {
			judge(key, l.value)
			return lost, wrong
		}
		judge(key, "") // whoever sees a wider scope's, or nothing, has not seen this one's
	}
	if l.value != "" {
		wrong = append(wrong, fmt.Sprintf("%s: %q is another address's", l.scopes[0], l.value))
	}
	return lost, wrong
}

// fault is what is wrong with a look at one address.
type fault string

const (
	legal   fault = ""
	stale   fault = "it was replaced"
	unknown fault = "it was never stored there"
	early   fault = "it was stored only later"
)

// register is what is known of one address.
type register struct {
	puts map[string]change // by value

	emptied     []change // what leaves nothing, by start, beginning with the time before all
	emptiedEnd  []int64  // the latest end of these and all before
	replacing   timeline // acknowledged changes
	replacePuts timeline // acknowledged puts
}

func (r *register) add(c change) {
	if c.value == "" {
		r.emptied = append(r.emptied, c)
	} else {
		r.puts[c.value] = c
	}
	if c.acked {
		r.replacing.changes = append(r.replacing.changes, c)
		if c.value != "" {
			r.replacePuts.changes = append(r.replacePuts.changes, c)
		}
	}
}

func (r *register) index() {
	r.emptied = append(r.emptied, change{start: math.MinInt64, end: math.MinInt64})
	slices.SortFunc(r.emptied, func(a, b change) int { return cmp.Compare(a.start, b.start) })
	latest := int64(math.MinInt64)
	for _, c := range r.emptied {
		latest = max(latest, c.end)
		r.emptiedEnd = append(r.emptiedEnd, latest)
	}
	r.replacing.index()
	r.replacePuts.index()
}

// judge says what is wrong with seeing a value, "" for nothing, at some time between start
// and end.
func (r *register) judge(value string, start, end int64) fault {
	if value == "" {
		begun := sort.Search(len(r.emptied), func(i int) bool { return r.emptied[i].start > end })
		if r.emptiedEnd[begun-1] < r.replacePuts.lastStart(start) {
			return stale
		}
		return legal
	}
	put, known := r.puts[value]
	switch {
	case !known:
		return unknown
	case put.start > end:
		return early
	case put.end < r.replacing.lastStart(start):
		return stale
	}
	return legal
}

// timeline answers when the last of the changes began that ended before a time.
type timeline struct {
	changes []change // by end
	started []int64  // the latest start of these and all before
}

func (t *timeline) index() {
	slices.SortFunc(t.changes, func(a, b change) int { return cmp.Compare(a.end, b.end) })
	latest := int64(math.MinInt64)
	for _, c := range t.changes {
		latest = max(latest, c.start)
		t.started = append(t.started, latest)
	}
}

func (t *timeline) lastStart(before int64) int64 {
	n := sort.Search(len(t.changes), func(i int) bool { return t.changes[i].end >= before })
	if n == 0 {
		return math.MinInt64
	}
	return t.started[n-1]
}

func get(key, value string, start, end int64) look {
	if value != "" && value[0] == '#' {
		value = key + value
	}
	return look{scopes: scopes(key), value: value, start: start, end: end}
}

func list(start, end int64, values ...string) look {
	all := map[string]string{}
	for _, v := range values {
		all[keyOf(v)] = v
	}
	return look{all: all, start: start, end: end}
}

func put(v string, start, end int64) change {
	return change{key: keyOf(v), value: v, start: start, end: end, acked: true}
}

func erase(key string, start, end int64) change {
	return change{key: key, start: start, end: end, acked: true}
}

func killed(c change) change {
	c.acked = false
	return c
}

// A checker that accepts everything would prove nothing: it must refuse these histories,
// and accept their legal neighbours.
func TestChecker(t *testing.T) {
	for _, c := range []struct {
		name        string
		changes     []change
		looks       []look
		lost, wrong int
	}{
		{
			"reads in order",
			[]change{put("a#1", 10, 20), put("a#2", 30, 40), erase("a", 50, 60)},
			[]look{get("a", "", 1, 2), get("a", "#1", 21, 22), get("a", "#2", 41, 42), get("a", "", 61, 62)},
			0, 0,
		},
		{
			"reads beside a put see old or new",
			[]change{put("a#1", 10, 20), put("a#2", 30, 40)},
			[]look{get("a", "#1", 35, 36), get("a", "#2", 35, 36), get("a", "#1", 29, 50), get("a", "#2", 20, 31)},
			0, 0,
		},
		{"a lost write", []change{put("a#1", 10, 20)}, []look{get("a", "", 21, 22)}, 1, 0},
		{"a stale read", []change{put("a#1", 10, 20), put("a#2", 30, 40)}, []look{get("a", "#1", 41, 42)}, 1, 0},
		{"an erased login is back", []change{put("a#1", 10, 20), erase("a", 30, 40)}, []look{get("a", "#1", 41, 42)}, 1, 0},
		{"a read of what is not yet written", []change{put("a#1", 10, 20)}, []look{get("a", "#1", 5, 9)}, 0, 1},
		{"a secret that nobody stored", []change{put("a#1", 10, 20)}, []look{get("a", "#7", 21, 22)}, 0, 1},
		{"a foreign secret", []change{put("a#1", 10, 20), put("b#1", 10, 20)}, []look{get("a", "b#1", 21, 22)}, 1, 1},
		{"a foreign secret where nothing is", []change{put("b#1", 10, 20)}, []look{get("a", "b#1", 21, 22)}, 0, 1},
		{
			"an unacknowledged put is seen, or not",
			[]change{put("a#1", 10, 20), killed(put("a#2", 30, 40))},
			[]look{get("a", "#1", 41, 42), get("a", "#2", 43, 44), get("a", "#1", 45, 46)},
			0, 0,
		},
		{"an unacknowledged put is replaced", []change{killed(put("a#1", 10, 20)), put("a#2", 30, 40)}, []look{get("a", "#1", 41, 42)}, 1, 0},
		{
			"an unacknowledged erase was done, or not",
			[]change{put("a#1", 10, 20), killed(erase("a", 30, 40))},
			[]look{get("a", "", 41, 42), get("a", "#1", 43, 44)},
			0, 0,
		},
		{"an unacknowledged erase before a put", []change{killed(erase("a", 10, 20)), put("a#1", 30, 40)}, []look{get("a", "", 41, 42)}, 1, 0},
		{
			"two puts at once, either stands",
			[]change{put("a#1", 10, 40), put("a#2", 20, 30)},
			[]look{get("a", "#1", 41, 42), get("a", "#2", 41, 42)},
			0, 0,
		},
		{"a put beside an erase", []change{put("a#1", 10, 40), erase("a", 20, 30)}, []look{get("a", "", 41, 42), get("a", "#1", 41, 42)}, 0, 0},
		{
			"the wider scope answers for an erased one",
			[]change{put("h/t#1", 1, 2), put("h/t/a#1", 10, 20), erase("h/t/a", 30, 40)},
			[]look{get("h/t/a", "#1", 21, 22), get("h/t/a", "h/t#1", 41, 42)},
			0, 0,
		},
		{"the wider scope answers in the place of a login", []change{put("h/t#1", 1, 2), put("h/t/a#1", 10, 20)}, []look{get("h/t/a", "h/t#1", 21, 22)}, 1, 0},
		{"nothing is found in either scope", []change{put("h/t#1", 1, 2)}, []look{get("h/t/a", "", 21, 22)}, 1, 0},
		{"a whole list", []change{put("a#1", 10, 20), put("b#1", 10, 20)}, []look{list(21, 22, "a#1", "b#1")}, 0, 0},
		{"half a list", []change{put("a#1", 10, 20), put("b#1", 10, 20)}, []look{list(21, 22, "a#1")}, 1, 0},
		{"half a list beside an erase", []change{put("a#1", 10, 20), put("b#1", 10, 20), erase("b", 25, 30)}, []look{list(21, 26, "a#1")}, 0, 0},
		{"a list of what was replaced", []change{put("a#1", 10, 20), put("a#2", 30, 40)}, []look{list(41, 42, "a#1")}, 1, 0},
		{"a list with a stranger", []change{put("a#1", 10, 20)}, []look{list(21, 22, "a#1", "z#1")}, 0, 1},
	} {
		lost, wrong := history{changes: c.changes, looks: c.looks}.check()
		if len(lost) != c.lost || len(wrong) != c.wrong {
			t.Errorf("%s: want %d lost and %d wrong, got\n%q\n%q", c.name, c.lost, c.wrong, lost, wrong)
		}
	}
}
