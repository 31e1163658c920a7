package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

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
