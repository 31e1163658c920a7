//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"regshape/scripts/page"
)

// notes are the footnotes of a table, each text once, in the order of their first use.
type notes []string

// mark returns the footnote's mark for a text.
func (n *notes) mark(text string) string {
	for i, known := range *n {
		if known == text {
			return fmt.Sprintf("[%d]", i+1)
		}
	}
	*n = append(*n, text)
	return fmt.Sprintf("[%d]", len(*n))
}

// table is the whole matrix in Markdown: what every cell has shown, the figures, and what
// was run. It holds nothing that differs from one run to the next.
func (m *matrix) table() string {
	var out strings.Builder
	var footnotes notes
	row := func(cells ...string) { fmt.Fprintf(&out, "| %s |\n", strings.Join(cells, " | ")) }
	rule := func(n int) { out.WriteString("|" + strings.Repeat(" --- |", n) + "\n") }

	head := []string{"client", "version"}
	for _, place := range m.places {
		head = append(head, place.title+"; "+versionOf(m.t, place.r.program))
	}
	row(head...)
	rule(len(head))
	works, refused := 0, 0
	for _, client := range m.rows {
		cells := []string{client.name, client.versions(m.t)}
		for _, place := range m.places {
			var both []string
			for _, by := range []string{byTool, byRegshape} {
				if why := refusalOf(client, place, by); why != nil {
					both = append(both, footnotes.mark(why.reason))
					refused++
				} else {
					both = append(both, "ok")
					works++
				}
			}
			cells = append(cells, strings.Join(both, ", "))
		}
		row(cells...)
	}
	fmt.Fprintf(&out, "\nFirst after a login by the client itself, then after one by regshape; behind each kind of registry the version of "+
		"distribution, or of Gitea. %d cells: %d work, %d are refused by design.\n",
		works+refused, works, refused)
	out.WriteString("\nWhat each cell runs, between the login and a last refusal by the registry:\n\n")

	row("client", "login", "list", "inspect", "pull", "push", "logout")
	rule(7)
	var runs []string // of each row
	names := map[string][]string{}
	for _, client := range m.rows {
		var cells []string
		for _, a := range []action{client.login, client.list, client.inspect, client.pull, client.push, client.logout} {
			cells = append(cells, a.legend(&footnotes))
		}
		run := strings.Join(cells, " | ")
		if names[run] == nil {
			runs = append(runs, run)
		}
		names[run] = append(names[run], client.name)
	}
	for _, run := range runs {
		row(strings.Join(names[run], ", "), run)
	}
	out.WriteString("\n")
	for i, text := range footnotes {
		fmt.Fprintf(&out, "[%d] %s  \n", i+1, text)
	}
	return out.String()
}

// legend is a command, or a dash with its reason.
func (a action) legend(footnotes *notes) string {
	if a.run == nil || a.refusal != "" || a.keeps {
		return "– " + footnotes.mark(a.text)
	}
	if a.noToken != "" {
		return a.text + " " + footnotes.mark("not with an identity token: \""+a.noToken+"\"")
	}
	return a.text
}

// versions are those of the programs that a row runs.
func (c *client) versions(t testing.TB) string {
	t.Helper()
	var texts []string
	for i, program := range c.uses {
		text := versionOf(t, program)
		if i > 0 {
			text = map[string]string{"dockerd": "engine", "buildx": "buildx"}[program] + " " + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// publish compares the table with the one in README.md, or, after a whole run, puts it
// there where that is asked for. Another Debian has other versions.
func (m *matrix) publish(whole bool) {
	m.t.Helper()
	put, table := page.Check, m.table()
	if whole && page.Writing() {
		put = page.Write
	}
	if err := put("README.md", "matrix", table); err != nil {
		m.t.Errorf("%v (make matrix writes it):\n%s", err, table)
	}
}
