package login

import (
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"regshape/login/app"
	"regshape/scripts/testenv"
)

func testGrammar(t *testing.T) *kong.Kong {
	t.Helper()
	var g grammar
	parser, err := newParser(&g, &app.Env{Call: app.Call{Out: io.Discard, Err: io.Discard}}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// Every command has a page and at least two examples, every example is a command line that
// the grammar takes, and it is an example of that command.
func TestEveryCommandHasAManual(t *testing.T) {
	paths := []string{""}
	for _, node := range commandsBelow(testGrammar(t).Model.Node) {
		paths = append(paths, commandPath(node))
	}
	if len(paths) < 20 {
		t.Fatalf("the grammar has only %v", paths)
	}
	for _, path := range paths {
		m := manualOf(path)
		if len(m.examples) < 2 || m.failed == "" {
			t.Errorf("%q has %d examples, and exit code 1 means %q", path, len(m.examples), m.failed)
		}
		for _, e := range m.examples {
			_, words, _ := strings.Cut(e.line, "regshape ")
			if i := strings.IndexAny(words, "|>)"); i >= 0 {
				words = words[:i]
			}
			ctx, err := testGrammar(t).Parse(strings.Fields(words))
			if err != nil {
				t.Errorf("%s: %v", e.line, err)
			} else if got := commandPath(ctx.Selected()); path != "" && got != path {
				t.Errorf("%s: is an example of %q", e.line, got)
			}
			if e.what == "" || len(e.line) > 90 {
				t.Errorf("%s: its purpose is %q", e.line, e.what)
			}
		}
	}
}

// The pages say everything that the grammar has: a flag that is new is in them at once.
func TestManPages(t *testing.T) {
	pages, err := ManPages(app.Build{Version: "1.2.3", Date: "2026-01-02T03:04:05Z"})
	if err != nil {
		t.Fatal(err)
	}
	app := testGrammar(t).Model.Node
	plain := strings.NewReplacer("…", `\[u2026]`)
	check := func(file string, node *kong.Node) {
		text := strings.ReplaceAll(string(pages[file]), `\-`, "-")
		want := []string{`"2026-01-02" "regshape 1.2.3"`, ".SH \"EXAMPLES\"", ".SH \"EXIT STATUS\""}
		for _, flag := range node.Flags {
			if !flag.Hidden {
				want = append(want, "--"+flag.Name, plain.Replace(oneLine(flag.Help)))
			}
		}
		for _, arg := range node.Positional {
			want = append(want, plain.Replace(arg.Summary()), plain.Replace(oneLine(arg.Help)))
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not have %q", file, w)
			}
		}
	}
	check("regshape.1", app)
	leaves := commandsBelow(app)
	for _, node := range leaves {
		check(pageName(node)+".1", node)
		if !strings.Contains(string(pages["regshape.1"]), strings.ReplaceAll(pageName(node), "-", `\-`)+"(1)") {
			t.Errorf("regshape.1 does not name %s", pageName(node))
		}
	}
	if len(pages) != len(leaves)+2 || pages["docker-credential-regshape.1"] == nil {
		t.Errorf("there are %d pages of %d commands", len(pages), len(leaves))
	}
	man, err := exec.LookPath("groff")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%v: how the pages look is not tried", err)
	}
	dir, names := t.TempDir(), slices.Sorted(maps.Keys(pages))
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), pages[name], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := testenv.Command(testenv.Environ(t.TempDir()), man, append([]string{"-man", "-Tutf8", "-ww", "-z"}, names...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// --help ends with examples and exit codes.
func TestHelpOfEveryCommand(t *testing.T) {
	for _, node := range commandsBelow(testGrammar(t).Model.Node) {
		var out strings.Builder
		code := Run(t.Context(), app.Call{Args: append(strings.Fields(commandPath(node)), "--help"), Out: &out, Err: &out, Getenv: os.Getenv})
		for _, want := range []string{oneLine(node.Help)[:15], "\nExamples:\n", "\nExit codes:\n    0  done\n"} {
			if code != app.ExitDone || !strings.Contains(out.String(), want) {
				t.Errorf("%s --help: exit %d, no %q", commandPath(node), code, want)
			}
		}
		if !slices.ContainsFunc(manualOf(commandPath(node)).examples, func(e example) bool { return strings.Contains(out.String(), e.line) }) {
			t.Errorf("%s --help shows none of its examples", commandPath(node))
		}
	}
}
