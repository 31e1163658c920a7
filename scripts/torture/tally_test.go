//go:build torture && linux && amd64

package torture

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/page"
)

// damage is a kind of what must never happen.
type damage string

const (
	lost  damage = "lost"  // a login that was there, or was acknowledged, is not
	torn  damage = "torn"  // something is there and cannot be read
	wrong damage = "wrong" // everything else that a test objects to
)

// harm is an error that knows its kind.
type harm struct {
	damage
	err error
}

func (h *harm) Error() string { return h.err.Error() }
func (h *harm) Unwrap() error { return h.err }

func harmed(d damage, format string, args ...any) error {
	return &harm{d, fmt.Errorf(format, args...)}
}

// kindOf returns the kind of damage that an error tells of.
func kindOf(err error) damage {
	if h, ok := errors.AsType[*harm](err); ok {
		return h.damage
	}
	return wrong
}

// tally counts what was done to a command, and what came of it.
type tally struct {
	name     string
	calls    int            // that it makes on the files
	tried    map[string]int // by action
	damages  map[damage]int
	harmless int // times that something was left that opens nothing and hides nothing
}

func newTally(name string) *tally {
	return &tally{name: name, tried: map[string]int{}, damages: map[damage]int{}}
}

// bad fails the test and counts why, if anything is wrong.
func (y *tally) bad(t *testing.T, at string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	kind := kindOf(err)
	y.damages[kind]++
	t.Errorf("%s: %s: %v", at, kind, err)
}

var actions = []string{kill, "ENOSPC", "EDQUOT", "EIO", "EACCES", "EINTR", "ENOENT", "ESTALE"}

// damageReport is the last columns, in this order.
var damageReport = []damage{lost, torn, wrong}

// faultTable is the page's table.
func faultTable(tallies []*tally) string {
	var table strings.Builder
	table.WriteString("`TESTENV_WHOLE=1 make torture`: the command is run anew for each call on its files that is killed or failed. Calls that only\n" +
		"look are sampled, and so are the later columns of changes of the key; `TORTURE_FAULTS=all` leaves none out.\n\n")
	table.WriteString("| command | calls | kills | " + strings.Join(actions[1:], " | ") + " | lost | torn | wrong |\n")
	table.WriteString("| --- |" + strings.Repeat(" ---: |", 1+len(actions)+len(damageReport)) + "\n")
	sum := newTally("all")
	for _, y := range append(slices.Clone(tallies), sum) {
		if y.calls == 0 {
			continue // this run was told to leave it out
		}
		fmt.Fprintf(&table, "| %s | %d |", y.name, y.calls)
		for _, action := range actions {
			fmt.Fprintf(&table, " %d |", y.tried[action])
			if y != sum {
				sum.tried[action] += y.tried[action]
			}
		}
		for _, d := range damageReport {
			fmt.Fprintf(&table, " %d |", y.damages[d])
			if y != sum {
				sum.damages[d] += y.damages[d]
			}
		}
		table.WriteString("\n")
		sum.calls += y.calls
	}
	return table.String()
}

// publish prints a table, and puts it into the document when the whole test went well: half
// of one says nothing, and a bad one is not to be read there but here.
func publish(t *testing.T, mark, table string, whole bool) {
	t.Helper()
	t.Logf("\n%s", table)
	if t.Failed() || !whole {
		return
	}
	if err := page.Publish("README.md", mark, table); err != nil {
		t.Error(err)
	}
}
