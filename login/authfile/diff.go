package authfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// around is how many unchanged lines a diff shows around a change, as diff -u.
const around = 3

// maxCells bounds the table for the longest common lines; beyond it, what lies
// between the common start and the common end is shown as replaced.
const maxCells = 4 << 20

// Diff shows an edit of a document as a unified diff, "" if there is none. Values
// that may be secrets are hidden, so a changed secret shows as a line that seems to
// have been replaced by itself. A text of one line is spread over several first.
// Characters that do not print are escaped.
func Diff(before, after []byte, name string) string {
	if bytes.Equal(before, after) {
		return ""
	}
	if oneLine(before) && oneLine(after) {
		before, after = unfold(before), unfold(after)
	}
	// Compared as they are and shown redacted, line by line the same.
	old, oldShown := splitLines(before), splitLines(redact(before))
	now, nowShown := splitLines(after), splitLines(redact(after))
	if len(oldShown) != len(old) || len(nowShown) != len(now) {
		old, now = oldShown, nowShown
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", printable(name), printable(name))
	steps := compare(old, now)
	for start := 0; start < len(steps); {
		first := slices.IndexFunc(steps[start:], func(s step) bool { return s.sign != ' ' })
		if first < 0 {
			break
		}
		first += start
		end, quiet := first, 0
		for i := first; i < len(steps) && quiet <= 2*around; i++ {
			if quiet++; steps[i].sign != ' ' {
				end, quiet = i+1, 0
			}
		}
		hunk := steps[max(start, first-around):min(len(steps), end+around)]
		writeHunk(&b, hunk, oldShown, nowShown)
		start = min(len(steps), end+around)
	}
	return b.String()
}

// step is one line of a diff: kept (' '), removed ('-') or added ('+').
type step struct {
	sign     byte
	old, now int // indexes of the line to show, or where it would stand
}

func writeHunk(b *strings.Builder, hunk []step, old, now []string) {
	counts := map[byte]int{}
	for _, s := range hunk {
		counts[s.sign]++
	}
	span := func(from, n int) string {
		if n > 0 {
			from++ // lines count from 1; of an empty span the line before is named
		}
		return fmt.Sprintf("%d,%d", from, n)
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n",
		span(hunk[0].old, counts[' ']+counts['-']), span(hunk[0].now, counts[' ']+counts['+']))
	for _, s := range hunk {
		lines, i := old, s.old
		if s.sign != '-' {
			lines, i = now, s.now
		}
		text, ended := strings.CutSuffix(lines[i], "\n")
		b.WriteByte(s.sign)
		b.WriteString(printable(strings.TrimSuffix(text, "\r")))
		b.WriteByte('\n')
		if !ended {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
}

// compare turns one list of lines into the other by way of their longest common
// subsequence.
func compare(old, now []string) []step {
	var steps []step
	i, j := 0, 0
	keep := func() {
		steps = append(steps, step{' ', i, j})
		i++
		j++
	}
	for i < len(old) && j < len(now) && old[i] == now[j] {
		keep()
	}
	m, n := len(old), len(now)
	for m > i && n > j && old[m-1] == now[n-1] {
		m--
		n--
	}
	// common[x][y] is the length for old[i+x:m] and now[j+y:n].
	rows, columns, i0, j0 := m-i+1, n-j+1, i, j
	var common []int32
	if rows*columns <= maxCells {
		common = make([]int32, rows*columns)
		for x := rows - 2; x >= 0; x-- {
			for y := columns - 2; y >= 0; y-- {
				c := max(common[(x+1)*columns+y], common[x*columns+y+1])
				if old[i0+x] == now[j0+y] {
					c = common[(x+1)*columns+y+1] + 1
				}
				common[x*columns+y] = c
			}
		}
	}
	at := func(x, y int) int32 {
		if common == nil {
			return 0
		}
		return common[(x-i0)*columns+y-j0]
	}
	for i < m || j < n {
		switch {
		case i < m && j < n && old[i] == now[j]:
			keep()
		case i < m && (j == n || at(i+1, j) >= at(i, j+1)):
			steps = append(steps, step{'-', i, j})
			i++
		default:
			steps = append(steps, step{'+', i, j})
			j++
		}
	}
	for i < len(old) {
		keep()
	}
	return steps
}

// splitLines keeps the line endings; the last line may lack one.
func splitLines(text []byte) []string {
	return slices.Collect(strings.Lines(string(text)))
}

// oneLine reports whether all of a text's values stand on one line.
func oneLine(text []byte) bool {
	return !bytes.Contains(bytes.TrimSpace(text), []byte("\n"))
}

// printable escapes what a terminal might obey.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
