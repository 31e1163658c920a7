package repocheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// listed is what `go list -json` says of one package.
type listed struct {
	ImportPath, Dir string
	Standard        bool
	Imports         []string
}

// graph holds every package that the program is made of, by import path.
type graph map[string]listed

// arrow is one rule about what the packages named in from may import. A name
// that ends in /... means all packages below it, not the one itself.
type arrow struct {
	from   []string
	direct bool     // look at the package's own imports only, not at theirs
	never  []string // these must not be reached
	only   []string // if given, nothing else outside the standard library may be reached
	except []string // packages that the rule does not hold for
	why    string
}

var arrows = []arrow{
	{
		from:  []string{"regshape/store", "regshape/store/keys", "regshape/store/trust", "regshape/store/source", "regshape/store/lend", "regshape/credhelper", "regshape/credhelper/kubelet"},
		never: []string{"net/http", "github.com/alecthomas/kong", "regshape/login", "regshape/login/..."},
		why:   "the helper answers in a millisecond, offline, without the front end",
	},
	{
		from: []string{"regshape/store/durable", "regshape/store/process"},
		only: []string{"regshape/store/printable", "golang.org/x/sys/..."},
		why:  "files and processes know nothing of credentials",
	},
	{
		from: []string{"regshape/store"},
		only: []string{"regshape/store/durable", "regshape/store/process", "regshape/store/printable", "golang.org/x/sys/...", "github.com/adrg/xdg", "github.com/adrg/xdg/..."},
		why:  "the format stands on the standard library and runs under fips140=only",
	},
	{
		from:  []string{"regshape/store/printable"},
		never: []string{"regexp"},
		only:  []string{},
		why:   "whatever prints something stands on it, the helper too",
	},
	{
		from:  []string{"regshape/login/..."},
		never: []string{"regshape/login", "github.com/alecthomas/kong"},
		why:   "the parts of login do not know the commands that use them",
	},
	{
		from:  []string{"regshape/login/terminal"},
		never: []string{"regshape/login/...", "regshape/store", "regshape/store/keys"},
		why:   "a prompt and a table know nothing of logins",
	},
	{
		from:  []string{"regshape/login/registry", "regshape/login/authfile"},
		never: []string{"regshape/login/app", "regshape/login/terminal"},
		why:   "the lower floors know no terminal and no flag",
	},
	{
		from: []string{"regshape/login/redact"},
		only: []string{},
		why:  "it works on text alone",
	},
	{
		from:  []string{"regshape/login/app"},
		never: []string{"regshape/login/lookup", "regshape/login/account", "regshape/login/custody", "regshape/login/importer", "regshape/login/setup", "regshape/login/doctor"},
		why:   "what every command gets knows none of them",
	},
	{
		from:  []string{"regshape/login/lookup", "regshape/login/account", "regshape/login/custody", "regshape/login/importer", "regshape/login/forward"},
		never: []string{"regshape/login/account", "regshape/login/custody", "regshape/login/importer", "regshape/login/setup", "regshape/login/doctor"},
		why:   "a group of commands knows no other group",
	},
	{
		from:   []string{"regshape/login/custody"},
		direct: true,
		never:  []string{"regshape/login/lookup", "regshape/login/authfile"},
		why:    "a root key is not looked up in other tools' files",
	},
	{
		from:  []string{"regshape/login/setup"},
		never: []string{"regshape/login/account", "regshape/login/custody", "regshape/login/doctor"},
		why:   "setup imports logins, and needs no other group",
	},
	{
		from:  []string{"regshape/login/doctor"},
		never: []string{"regshape/login/account", "regshape/login/importer", "regshape/login/setup"},
		why:   "doctor looks at keys as key show does, and needs no other group",
	},
	{
		from:   []string{"regshape/..."},
		direct: true,
		never:  []string{"regshape/credhelper", "regshape/credhelper/kubelet", "regshape/login"},
		except: []string{"regshape/credhelper/kubelet", "regshape/scripts/release"}, // a second protocol; the man pages come from the grammar
		why:    "only main knows the front ends, so neither comes with the other",
	},
	{
		from:   []string{"regshape", "regshape/..."},
		direct: true,
		never:  []string{"net/http"},
		except: []string{"regshape/login/registry", "regshape/scripts/..."},
		why:    "one package holds every rule about where a secret may be sent",
	},
	{
		from:   []string{"regshape", "regshape/..."},
		never:  []string{"regshape/scripts/..."},
		except: []string{"regshape/scripts/..."},
		why:    "what is for developers is not shipped",
	},
}

func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if below, ok := strings.CutSuffix(p, "..."); ok {
			return strings.HasPrefix(path, below)
		}
		return path == p
	})
}

// violations lists each forbidden arrow with the imports that lead there.
func violations(g graph, rules []arrow) []string {
	var found []string
	for _, rule := range rules {
		for path := range g {
			if !matches(path, rule.from) || matches(path, rule.except) {
				continue
			}
			for chain := range g.reached(path, rule.direct) {
				end := chain[len(chain)-1]
				beside := rule.only != nil && !g[end].Standard && !matches(end, rule.only)
				if beside || matches(end, rule.never) {
					found = append(found, fmt.Sprintf("%s: %s", strings.Join(chain, " -> "), rule.why))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// reached yields, for each package that from imports, the shortest way there.
func (g graph) reached(from string, direct bool) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		seen := map[string]bool{from: true}
		for queue := [][]string{{from}}; len(queue) > 0; queue = queue[1:] {
			chain := queue[0]
			if len(chain) > 1 && !yield(chain) {
				return
			}
			if direct && len(chain) > 1 {
				continue
			}
			for _, next := range g[chain[len(chain)-1]].Imports {
				if !seen[next] {
					seen[next] = true
					queue = append(queue, append(slices.Clone(chain), next))
				}
			}
		}
	}
}

// list asks the go command for the packages of this module, and all that they
// import, as they are built for goos.
func list(t *testing.T, goos string) graph {
	t.Helper()
	cmd := testenv.Command(testenv.Go("GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0"),
		"go", "list", "-deps", "-json=ImportPath,Dir,Standard,Imports", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	g := graph{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatal(err)
		}
		g[p.ImportPath] = p
	}
}

func TestArrows(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			g := list(t, goos)
			for _, path := range []string{"regshape", "regshape/credhelper", "regshape/credhelper/kubelet", "regshape/login", "regshape/login/registry", "regshape/store", "regshape/store/keys"} {
				if _, ok := g[path]; !ok {
					t.Errorf("the rules are about %s, which does not exist", path)
				}
			}
			for _, v := range violations(g, arrows) {
				t.Error(v)
			}
		})
	}
}

// TestArrowsDetect makes up a program for each violation, consisting of the chain
// of imports that is to be reported, and one program that is in order.
func TestArrowsDetect(t *testing.T) {
	for name, chain := range map[string]string{
		"store to key source":            "regshape/store -> regshape/store/keys",
		"store to a library":             "regshape/store -> example.org/db",
		"store to the network, far away": "regshape/store -> github.com/adrg/xdg -> os -> net/http",
		"helper to the grammar":          "regshape/credhelper -> regshape/store/keys -> github.com/alecthomas/kong",
		"kubelet's plugin to the hints":  "regshape/credhelper/kubelet -> regshape/login/app",
		"key source to the helper":       "regshape/store/keys -> regshape/credhelper",
		"part of login to login":         "regshape/login/authfile -> regshape/login",
		"part of login to the grammar":   "regshape/login/registry -> github.com/alecthomas/kong",
		"one front end to the other":     "regshape/login -> regshape/credhelper",
		"a second home of net/http":      "regshape/login -> net/http",
		"main to net/http":               "regshape -> net/http",
		"product to scripts":             "regshape/login -> regshape/scripts/testregistry",
	} {
		got := violations(madeUp(chain), arrows)
		if !slices.ContainsFunc(got, func(v string) bool { return strings.HasPrefix(v, chain+": ") }) {
			t.Errorf("%s: got %q, want %q", name, got, chain)
		}
	}
	inOrder := madeUp(
		"regshape -> regshape/credhelper -> regshape/store/keys -> regshape/store -> github.com/adrg/xdg -> golang.org/x/sys/unix -> os",
		"regshape -> regshape/login -> regshape/login/registry -> net/http",
		"regshape/login -> github.com/alecthomas/kong", "regshape/login -> regshape/store/keys",
		"regshape/scripts/demo -> net/http",
	)
	if got := violations(inOrder, arrows); len(got) > 0 {
		t.Errorf("reported without need: %q", got)
	}
}

// madeUp builds a graph from chains of imports.
func madeUp(chains ...string) graph {
	g := graph{}
	for _, chain := range chains {
		names := strings.Split(chain, " -> ")
		for i, name := range names {
			p := g[name]
			p.Standard = name == "os" || name == "net/http"
			p.Imports = append(p.Imports, names[i+1:min(i+2, len(names))]...)
			g[name] = p
		}
	}
	return g
}

// TestTopLevel limits the root of the tree to these names.
// What .gitignore names is not part of the tree.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"main.go", "main_test.go", "credhelper", "login", "store", "scripts", "go.mod", "go.sum", "Makefile", "README.md",
		"LICENSE", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "testdata",
		".git", ".gitignore", ".golangci.yml", ".ci",
	}
	ignored, err := os.ReadFile(".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(ignored)) {
		allowed = append(allowed, strings.TrimPrefix(strings.TrimSpace(line), "/"))
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// TestPackageComments wants exactly one package comment per package, counting
// the files of all systems. Where all are tests, one of them has it.
func TestPackageComments(t *testing.T) {
	for path, p := range list(t, "linux") {
		if path != "regshape" && !strings.HasPrefix(path, "regshape/") {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		var with []string
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				with = append(with, filepath.Base(file))
			}
		}
		if len(with) != 1 {
			t.Errorf("%s has %d package comments %q, want one", path, len(with), with)
		}
	}
}
