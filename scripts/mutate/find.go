package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// mutant is one change to one place of the source.
type mutant struct {
	id            int // from 1; 0 runs the code as it is written
	file          string
	line          int
	function      string
	before, after string // the line, or the first of several
	nth           int    // of the equal changes in the function, from 1
}

// key names a mutant without its line number, which every edit above it changes.
func (m mutant) key() string {
	key := m.function + ": " + m.before + " → " + m.after
	if m.nth > 1 {
		key += fmt.Sprintf(" #%d", m.nth)
	}
	return key
}

// finder walks the functions of one package after the other.
type finder struct {
	info *types.Info
	pkg  *types.Package
	file *sourceFile

	prefix   string // of functions, where another package may have one of that name
	function string
	results  *ast.FieldList // of the function around, which may be a literal
	beside   map[ast.Expr]bool
	seen     map[string]bool // what stands twice in one line is changed once
	same     map[string]int
	found    []mutant
}

func newFinder() *finder {
	return &finder{beside: map[ast.Expr]bool{}, seen: map[string]bool{}, same: map[string]int{}}
}

// search finds the mutants of all functions of a file.
func (f *finder) search(file *sourceFile) {
	f.file = file
	for _, d := range file.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			f.function, f.results = f.prefix+functionName(fn), fn.Type.Results
			f.walk(fn.Body)
		}
	}
}

func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	return strings.TrimPrefix(types.ExprString(fn.Recv.List[0].Type), "*") + "." + fn.Name.Name
}

// walk finds the mutants of a node. Text for people is left alone: what an error says is
// not what the code does. So are constants and types, which the compiler must know.
func (f *finder) walk(n ast.Node) {
	switch n := n.(type) {
	case *ast.Field, *ast.ArrayType:
		return
	case *ast.GenDecl:
		if n.Tok != token.VAR {
			return
		}
	case *ast.CallExpr:
		if name := types.ExprString(n.Fun); name == "fmt.Errorf" || name == "errors.New" {
			return
		}
	case *ast.FuncLit:
		around := f.results
		defer func() { f.results = around }()
		f.results = n.Type.Results
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
	case *ast.CommClause:
		f.statements(n.Body)
	case *ast.SwitchStmt:
		for _, clause := range n.Body.List {
			for _, e := range clause.(*ast.CaseClause).List {
				if n.Tag == nil {
					f.condition(e)
				}
			}
		}
	case *ast.IfStmt:
		f.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil { // a function may end with a loop that has none, if nothing breaks it
			f.condition(n.Cond)
			f.loop(n, n.Body)
		}
	case *ast.RangeStmt:
		f.loop(n, n.Body)
	case *ast.ReturnStmt:
		f.returned(n)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.Ident:
		if other, ok := map[string]string{"true": "false", "false": "true"}[n.Name]; ok && !f.beside[n] {
			f.wrap(n, other, "("+at+" != ", ")")
		}
	}
	for _, child := range children(n) {
		f.walk(child)
	}
}

func children(of ast.Node) (found []ast.Node) {
	ast.Inspect(of, func(n ast.Node) bool {
		if n != nil && n != of {
			found = append(found, n)
		}
		return n == of
	})
	return found
}

// condition negates what is no comparison: comparisons are changed wherever they stand.
func (f *finder) condition(e ast.Expr) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		f.condition(e.X)
	case *ast.UnaryExpr:
		f.condition(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.LAND || e.Op == token.LOR {
			f.condition(e.X)
			f.condition(e.Y)
		}
	default:
		if f.info.Types[e].Value == nil {
			f.choose(e, "!"+f.file.text(e))
		}
	}
}

func (f *finder) binary(e *ast.BinaryExpr) {
	others := map[token.Token][]string{
		token.LAND: {"||"}, token.LOR: {"&&"}, token.EQL: {"!="}, token.NEQ: {"=="},
		token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"}, token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	}
	for _, op := range others[e.Op] {
		other := f.file.between(e.Pos(), e.OpPos) + op + f.file.between(e.OpPos+token.Pos(len(e.Op.String())), e.End())
		if e.Op == token.LAND {
			other = "(" + other + ")" // may stand in a longer "and"
		}
		f.choose(e, other)
	}
	if e.Op == token.AND {
		f.wrap(e, f.file.text(e.X), "mutantOr("+number+", "+f.file.text(e.X)+", ", ")")
	}
}

// choose puts another condition in the place of one.
func (f *finder) choose(e ast.Expr, other string) {
	f.wrap(e, other, "("+at+" && ("+other+") || !"+at+" && (", "))")
}

// literal makes a number one greater and a string empty.
func (f *finder) literal(e *ast.BasicLit) {
	other := `""`
	switch n, err := strconv.ParseInt(e.Value, 0, 32); {
	case f.beside[e]:
		return
	case e.Kind == token.INT && err == nil && strings.HasPrefix(e.Value, "0o"):
		other = "0o" + strconv.FormatInt(n+1, 8)
	case e.Kind == token.INT && err == nil:
		other = strconv.FormatInt(n+1, 10)
	case e.Kind != token.STRING || e.Value == other || isProse(e.Value):
		return
	}
	if kind, ok := f.typeName(f.info.Types[e].Type); ok {
		f.wrap(e, other, "mutantOr["+kind+"]("+number+", "+other+", ", ")")
	}
}

// isProse tells a text from a word or a piece of a path.
func isProse(literal string) bool {
	words := strings.Split(literal, " ")
	return len(words) > 1 && slices.ContainsFunc(words, func(w string) bool { return strings.ContainsFunc(w, unicode.IsLetter) })
}

// typeName spells a type as the file can, if it can.
func (f *finder) typeName(t types.Type) (string, bool) {
	known := true
	name := types.TypeString(types.Default(t), func(p *types.Package) string {
		if p == f.pkg {
			return ""
		}
		known = known && slices.ContainsFunc(f.file.syntax.Imports, func(s *ast.ImportSpec) bool {
			return s.Name == nil && s.Path.Value == strconv.Quote(p.Path())
		})
		return p.Name()
	})
	return name, known
}

// wrap records a mutant and the code around e that makes it one.
func (f *finder) wrap(n ast.Node, other, prefix, suffix string) {
	before, after := f.file.change(n, other)
	f.add(n, n.Pos(), n.End(), before, after, prefix, suffix)
}

// add records a mutant of a node, and code that is put in at two places.
func (f *finder) add(of ast.Node, pos, end token.Pos, before, after, prefix, suffix string) {
	m := mutant{id: len(f.found) + 1, file: f.file.path, line: f.file.line(of.Pos()), function: f.function, before: before, after: after}
	place := fmt.Sprint(m.file, m.line, m.key())
	if f.seen[place] {
		return
	}
	f.seen[place] = true
	f.same[m.key()]++
	m.nth = f.same[m.key()]
	f.found = append(f.found, m)
	f.file.insert(pos, end, m.id, prefix, suffix)
}

// statements leaves out each of them that is there for its effect. A definition cannot be
// left out: what follows would not compile.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && types.ExprString(call.Fun) == "panic" {
				continue // may be a function's end
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		default:
			continue
		}
		f.wrap(s, "(left out)", "if !"+at+" { ", " }")
	}
}

// loop ends a loop before its first round, and after it.
func (f *finder) loop(n ast.Stmt, body *ast.BlockStmt) {
	before := f.file.firstLine(n)
	f.add(n, body.Lbrace+1, body.Lbrace+1, before, "(no round)", "if "+at+" { break }; ", "")
	f.add(n, body.Rbrace, body.Rbrace, before, "(one round)", "; if "+at+" { break }", "")
}

// returned forgets an error, and negates a truth. What stands beside an error means
// nothing by Go's custom, so it is not changed.
func (f *finder) returned(n *ast.ReturnStmt) {
	kinds := f.resultTypes()
	if len(n.Results) == 0 || len(kinds) == 0 {
		return
	}
	last := n.Results[len(n.Results)-1]
	fails := kinds[len(kinds)-1] == "error" && types.ExprString(last) != "nil"
	for i, e := range n.Results {
		f.beside[e] = fails
		if len(n.Results) == len(kinds) && kinds[i] == "bool" && !fails {
			f.condition(e)
		}
	}
	switch {
	case !fails:
	case len(n.Results) == len(kinds):
		f.wrap(last, "nil", "mutantErr("+number+", ", ")")
	case len(kinds) == 2:
		f.wrap(last, "(its error left out)", "mutantErr2["+kinds[0]+"]("+number+")(", ")")
	case len(kinds) == 3:
		f.wrap(last, "(its error left out)", "mutantErr3["+strings.Join(kinds[:2], ", ")+"]("+number+")(", ")")
	}
}

func (f *finder) resultTypes() (kinds []string) {
	if f.results == nil {
		return nil
	}
	for _, field := range f.results.List {
		for range max(1, len(field.Names)) {
			kinds = append(kinds, types.ExprString(field.Type))
		}
	}
	return kinds
}

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
