//go:build torture && linux && amd64

package torture

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
)

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
