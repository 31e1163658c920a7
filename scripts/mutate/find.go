package main

import (
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

// finder walks the functions of a package.
type finder struct {
	info *types.Info
	pkg  *types.Package
	file *sourceFile

	function string
	results  *ast.FieldList // of the function around, which may be a literal
	beside   map[ast.Expr]bool
	seen     map[string]bool // what stands twice in one line is changed once
	same     map[string]int
	found    []mutant
}

func newFinder(info *types.Info, pkg *types.Package) *finder {
	return &finder{info: info, pkg: pkg, beside: map[ast.Expr]bool{}, seen: map[string]bool{}, same: map[string]int{}}
}

// search finds the mutants of all functions of a file.
func (f *finder) search(file *sourceFile) {
	f.file = file
	for _, d := range file.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			f.function, f.results = functionName(fn), fn.Type.Results
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
