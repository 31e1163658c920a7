package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"regshape/scripts/page"
)

// leakGroup is one way to get at a secret, or at the terminal.
type leakGroup struct {
	name, about string
	run         func(t *testing.T, tried *tally)
}

// TestLeak tries every command, its failures, and the attacks of a neighbour, a registry
// and a file, and looks for the secrets wherever they must not be.
func TestLeak(t *testing.T) {
	t.Parallel()
	groups := []leakGroup{
		{"commands", "every command under strace: arguments, environments of children, every write, send and key", leakCommands},
		{"failures", "every command in every broken home, with all traces: its output and log", leakFailures},
		{"typos", "a secret typed in the wrong place of a command line", leakTypos},
		{"addresses", "a password inside an address, wherever an address may stand", leakAddresses},
		{"crash", "a process stopped by a signal: core file, stack trace, limits", leakCrash},
		{"terminal", "hostile text from registries, files, helpers: what reaches the terminal", leakTerminal},
		{"modes", "whatever is made under umask 000 and 077", leakModes},
		{"links", "links, pipes and directories of others in the place of ours", leakLinks},
		{"users", "another user, and root in another's home", leakUsers},
		{"registries", "registries that flood, stall, redirect or point elsewhere", leakRegistries},
		{"files", "config files and helper names made to harm", leakFiles},
		{"path", "programs put into PATH", leakPath},
	}
	rows := make([]string, len(groups))
	t.Cleanup(func() {
		if slices.Contains(rows, "") {
			return // a table of half of it would promise too much
		}
		table := "`go test -run Leak ./scripts/acceptance`\n\n| group | what was tried | runs | looks | leaks |\n| --- | --- | ---: | ---: | ---: |\n" + strings.Join(rows, "")
		if err := page.Publish("scripts/repocheck/README.md", "leaks", table); err != nil {
			t.Error(err)
		}
	})
	for i, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			begin, tried := time.Now(), &tally{}
			t.Cleanup(func() { // after its parallel parts
				runs, looks := tried.runs.Load(), tried.looks.Load()
				if runs == 0 || looks == 0 {
					t.Error("nothing was tried")
				}
				t.Logf("%d runs, %d looks, %v", runs, looks, time.Since(begin).Round(time.Millisecond))
				if !t.Failed() {
					rows[i] = fmt.Sprintf("| %s | %s | %d | %d | 0 |\n", g.name, g.about, runs, looks)
				}
			})
			g.run(t, tried)
		})
	}
}
