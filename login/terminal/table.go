package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"golang.org/x/term"

	"regshape/store/printable"
)

// Table is a result as text, without color.
type Table struct {
	Head []string
	rows [][]string
}

// Row adds a row, made printable.
func (t *Table) Row(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable.Line(cell, printable.Long)
	}
	t.rows = append(t.rows, cells)
}

// Write aligns the columns if they fit into width, else it writes each row as a block of
// lines, since a narrow terminal would break it anywhere. A width of 0, for files and pipes,
// fits everything.
func (t *Table) Write(out io.Writer, width int) error {
	if width > 0 && t.width() > width {
		return t.writeBlocks(out)
	}
	aligned := tabwriter.NewWriter(out, 0, 0, gap, ' ', 0)
	for _, cells := range append([][]string{t.Head}, t.rows...) {
		_, _ = fmt.Fprintln(aligned, strings.Join(cells, "\t")) // errors show at Flush
	}
	return aligned.Flush()
}

// gap is the space between two columns.
const gap = 2

// width is the width of the aligned table.
func (t *Table) width() int {
	widest := make([]int, len(t.Head))
	for _, cells := range append([][]string{t.Head}, t.rows...) {
		for i, cell := range cells {
			widest[i] = max(widest[i], utf8.RuneCountInString(cell))
		}
	}
	sum := gap * (len(widest) - 1)
	for _, w := range widest {
		sum += w
	}
	return sum
}

func (t *Table) writeBlocks(out io.Writer) error {
	var text strings.Builder
	for _, cells := range t.rows {
		text.WriteString(cells[0] + "\n")
		for i, cell := range cells[1:] {
			fmt.Fprintf(&text, "  %s %s\n", strings.ToLower(t.Head[i+1])+":", cell)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// Columns is the width of the terminal out, or 0.
func Columns(out io.Writer) int {
	f, ok := printable.Raw(out).(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := printable.Raw(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
