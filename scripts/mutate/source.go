package main

import (
	"cmp"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// What stands for a mutant's number, and for the question whether it is the one that runs,
// in code that is put in.
const (
	number = "\x00"
	at     = "mutantAt(" + number + ")"
)

// sourceFile is a file and what is put into it. Every mutant is code around the original,
// so one build holds them all, and the lines keep their numbers.
type sourceFile struct {
	path   string // as it is shown
	full   string
	source string
	fset   *token.FileSet
	syntax *ast.File
	puts   []put
}

// put is text at an offset. At one offset what ends comes before what begins; of two that
// begin the one that ends later comes first, and of two that end the one that began later.
type put struct {
	offset int
	end    bool
	length int // of what it is put around
	order  int
	text   string
}

func (s *sourceFile) insert(pos, end token.Pos, id int, prefix, suffix string) {
	text := func(t string) string { return strings.ReplaceAll(t, number, strconv.Itoa(id)) }
	length := int(end - pos)
	s.puts = append(s.puts, put{offset: s.offset(pos), length: length, order: id, text: text(prefix)})
	if suffix != "" {
		s.puts = append(s.puts, put{offset: s.offset(end), end: true, length: length, order: id, text: text(suffix)})
	}
}

// schemata returns the source with all its mutants in it.
func (s *sourceFile) schemata() string {
	slices.SortFunc(s.puts, func(a, b put) int {
		switch {
		case a.offset != b.offset:
			return cmp.Compare(a.offset, b.offset)
		case a.end != b.end && a.end:
			return -1
		case a.end != b.end:
			return 1
		case a.end:
			return cmp.Or(cmp.Compare(a.length, b.length), cmp.Compare(b.order, a.order))
		}
		return cmp.Or(cmp.Compare(b.length, a.length), cmp.Compare(a.order, b.order))
	})
	var b strings.Builder
	done := 0
	for _, p := range s.puts {
		b.WriteString(s.source[done:p.offset])
		b.WriteString(p.text)
		done = p.offset
	}
	b.WriteString(s.source[done:])
	return b.String()
}

func (s *sourceFile) offset(pos token.Pos) int { return s.fset.Position(pos).Offset }

func (s *sourceFile) line(pos token.Pos) int { return s.fset.Position(pos).Line }

func (s *sourceFile) between(pos, end token.Pos) string {
	return s.source[s.offset(pos):s.offset(end)]
}

func (s *sourceFile) text(n ast.Node) string { return s.between(n.Pos(), n.End()) }

// change spells the line of n, and that line with something else in the place of n.
func (s *sourceFile) change(n ast.Node, other string) (before, after string) {
	start, end := s.offset(n.Pos()), s.offset(n.End())
	head := s.source[strings.LastIndexByte(s.source[:start], '\n')+1 : start]
	tail, _, _ := strings.Cut(s.source[end:], "\n")
	tail, _, _ = strings.Cut(tail, " // ") // a comment changes oftener than the code
	tidy := func(text string) string {
		if first, _, several := strings.Cut(text, "\n"); several {
			return first + " …"
		}
		return text + tail
	}
	return strings.TrimSpace(head + tidy(s.text(n))), strings.TrimSpace(head + tidy(other))
}

func (s *sourceFile) firstLine(n ast.Node) string {
	line, _, _ := strings.Cut(s.text(n), "\n")
	return line
}
