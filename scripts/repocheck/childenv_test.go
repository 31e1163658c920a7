package repocheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// bare are the functions that pass the environment of whoever runs the tests to a child
// process, explicitly or by default. Package testenv has their substitutes.
var bare = map[string][]string{
	"os":                    {"Environ", "StartProcess"},
	"os/exec":               {"Command", "CommandContext"},
	"syscall":               {"Exec", "ForkExec", "StartProcess"},
	"golang.org/x/sys/unix": {"Exec"},
}

// inheriting are the packages whose programs, not tests, may do so.
var inheriting = []string{
	"scripts/testenv",   // the substitutes
	"scripts/untouched", // it makes that environment up
	"scripts/release",   // it works with the maintainer's own git, proxies and signing key
}

// bareCalls lists the uses of bare functions in a file.
func bareCalls(set *token.FileSet, file *ast.File) (found []string) {
	imported := map[string]string{}
	for _, spec := range file.Imports {
		from, _ := strconv.Unquote(spec.Path.Value) // it was parsed
		name := path.Base(from)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." && bare[from] != nil {
			found = append(found, fmt.Sprintf("%s: import . of %s", set.Position(spec.Pos()), from))
		}
		imported[name] = from
	}
	ast.Inspect(file, func(n ast.Node) bool {
		literal, isLiteral := n.(*ast.CompositeLit)
		if isLiteral {
			n = literal.Type
		}
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				from := imported[x.Name]
				if slices.Contains(bare[from], s.Sel.Name) || isLiteral && from == "os/exec" && s.Sel.Name == "Cmd" {
					found = append(found, fmt.Sprintf("%s: %s.%s", set.Position(s.Pos()), from, s.Sel.Name))
				}
			}
		}
		return true
	})
	return found
}

// TestChildEnvironments wants an environment of testenv for each child process of a test and of
// the programs in scripts, and for the tests of the product.
func TestChildEnvironments(t *testing.T) {
	set := token.NewFileSet()
	within := map[string]bool{} // packages with tests of the product's -> they call testenv.Main
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		name = filepath.ToSlash(name)
		switch dir, isTest := path.Dir(name), strings.HasSuffix(name, "_test.go"); {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || d.Name() == "dist" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !isTest && (!strings.HasPrefix(name, "scripts/") || !strings.HasSuffix(name, ".go") || slices.Contains(inheriting, dir)):
			return nil
		default:
			file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, call := range bareCalls(set, file) {
				t.Errorf("%s: use testenv", call)
			}
			if isTest && dir != "." && !strings.HasPrefix(dir, "scripts/") {
				within[dir] = within[dir] || callsMain(file)
			}
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, calls := range within {
		if !calls {
			t.Errorf("%s has tests and no TestMain that calls testenv.Main", dir)
		}
	}
	if len(within) < 6 {
		t.Errorf("only %d packages were looked at", len(within))
	}
}

// callsMain looks for testenv.Main in a TestMain.
func callsMain(file *ast.File) (calls bool) {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "TestMain" && f.Recv == nil {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Main" {
					x, ok := s.X.(*ast.Ident)
					calls = calls || ok && x.Name == "testenv"
				}
				return true
			})
		}
	}
	return calls
}

// TestChildEnvironmentsDetect plants each violation, and code that only looks like one.
func TestChildEnvironmentsDetect(t *testing.T) {
	for source, want := range map[string]string{
		`import "os/exec"; var c = exec.Command("true")`:                        "os/exec.Command",
		`import "os/exec"; func f() { exec.CommandContext(nil, "true").Run() }`: "os/exec.CommandContext",
		`import run "os/exec"; var f = run.Command`:                             "os/exec.Command",
		`import "os/exec"; var c = &exec.Cmd{Path: "/bin/true"}`:                "os/exec.Cmd",
		`import . "os/exec"`: "import . of os/exec",
		`import "os"; var env = append(os.Environ(), "HOME=/h")`:                      "os.Environ",
		`import "os"; func f() { os.StartProcess("/bin/true", nil, nil) }`:            "os.StartProcess",
		`import "syscall"; func f() { syscall.Exec("/bin/true", nil, nil) }`:          "syscall.Exec",
		`import "os/exec"; var c *exec.Cmd; var p, _ = exec.LookPath("true")`:         "",
		`import "regshape/scripts/testenv"; var c = testenv.Command(nil, "true")`:     "",
		`import "os"; var exec struct{ Command func() }; func f() { exec.Command() }`: "",
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "planted_test.go", "package p\n"+source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		got := bareCalls(set, file)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasSuffix(got[0], ": "+want)) {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
	for source, want := range map[string]bool{
		`func TestMain(m *testing.M) { testenv.Main(m) }`:    true,
		`func TestMain(m *testing.M) { os.Exit(m.Run()) }`:   false,
		`func TestOther(t *testing.T) { testenv.Main(nil) }`: false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "planted_test.go", "package p\n"+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := callsMain(file); got != want {
			t.Errorf("%s: %t", source, got)
		}
	}
}
