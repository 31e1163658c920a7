//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"time"

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

	head := []string{"client"}
	for _, place := range m.places {
		head = append(head, place.title)
	}
	row(head...)
	rule(len(head))
	for _, client := range m.rows {
		cells := []string{client.name}
		for _, place := range m.places {
			var both []string
			for _, by := range []string{byTool, byRegshape} {
				text := "ok"
				if why := m.outcomes[cellID(client, place, by)].refused; why != "" {
					text = footnotes.mark(why)
				}
				both = append(both, text)
			}
			cells = append(cells, strings.Join(both, ", "))
		}
		row(cells...)
	}
	works, refused := m.figures()
	fmt.Fprintf(&out, "\nFirst after a login by the client itself, then after one by regshape. %d cells: %d work, %d are refused by design.\n",
		works+refused, works, refused)
	out.WriteString("\nWhat each cell runs, between the login and a last refusal by the registry:\n\n")

	row("client", "login", "list", "inspect", "pull", "push", "logout")
	rule(7)
	for _, client := range m.rows {
		cells := []string{client.name}
		for _, a := range []action{client.login, client.list, client.inspect, client.pull, client.push, client.logout} {
			cells = append(cells, a.legend(&footnotes))
		}
		row(cells...)
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

// figures counts the cells that work and those that are refused by design.
func (m *matrix) figures() (works, refused int) {
	for _, one := range m.outcomes {
		if one.refused == "" {
			works++
		} else {
			refused++
		}
	}
	return works, refused
}

// publish writes the table and compares it with the one in README.md, or puts it there.
func (m *matrix) publish(took time.Duration) {
	m.t.Helper()
	table := m.table()
	works, refused := m.figures()
	fmt.Printf("%s\n%d cells in %s: %d work, %d are refused by design\n", table, works+refused, took.Round(time.Second), works, refused)
	put := page.Check
	if page.Writing() {
		put = page.Write
	}
	if err := put("README.md", "matrix", table); err != nil {
		m.t.Errorf("%v (make matrix writes it)", err)
	}
}
