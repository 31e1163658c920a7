package repocheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// frontEndWords are those by which a text tells somebody to run a command of the front end
// or to give a flag of it.
var frontEndWords = regexp.MustCompile(`regshape auth|(^|[^[:word:]-])--[a-z]`)

// lowerFloors are the directories whose errors say of what kind they are, and leave it to
// login/app to say what to run.
var lowerFloors = []string{"store/*.go", "store/*/*.go", "login/registry/*.go", "login/authfile/*.go"}

func TestLowerFloorsSpellNoCommand(t *testing.T) {
	files := 0
	for _, pattern := range lowerFloors {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files++
			for _, found := range spelled(t, name, nil) {
				t.Error(found)
			}
		}
	}
	if files < 100 {
		t.Errorf("only %d files", files)
	}
}

func TestLowerFloorsSpellNoCommand_detects(t *testing.T) {
	for text, want := range map[string]int{
		`"run 'regshape auth unlock'"`:      1,
		`"if that is meant: --plain-http"`:  1,
		"`--store`":                         1,
		`"docker/cli (--config)"`:           1,
		`"--- " + "-> " + "x--y" + "a-b"`:   0,
		`"name it with REGSHAPE_STORE"`:     0,
		`"x" // run 'regshape auth unlock'`: 0,
	} {
		if got := spelled(t, "x.go", "package x\nvar _ = "+text); len(got) != want {
			t.Errorf("%s: got %q, want %d", text, got, want)
		}
	}
}

// spelled lists the string literals of a file that speak of commands and flags.
func spelled(t *testing.T, name string, src any) (found []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && frontEndWords.MatchString(text.Value) {
			found = append(found, set.Position(text.Pos()).String()+": "+text.Value)
		}
		return true
	})
	return found
}
