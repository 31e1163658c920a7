package login

import (
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

// Every command has at least two examples, which the grammar accepts as that command.
func TestManual_everyCommand(t *testing.T) {
	program := testParser(t).Model.Node
	nodes := append([]*kong.Node{program}, commandsBelow(program)...)
	if len(nodes) < 20 {
		t.Fatalf("got %d commands, want at least 20", len(nodes))
	}
	for _, node := range nodes {
		path, m := commandPath(node), manualOf(node)
		if len(m.Examples) < 2 || m.Failed == "" {
			t.Errorf("%q: got %d examples and %q for exit code 1, want two and a text", path, len(m.Examples), m.Failed)
		}
		for _, e := range m.Examples {
			line, purpose := e[0], e[1]
			_, words, _ := strings.Cut(line, "regshape ")
			if i := strings.IndexAny(words, "|>)"); i >= 0 {
				words = words[:i]
			}
			args, _ := cutWords(strings.Fields(words))
			ctx, err := testParser(t).Parse(args)
			if err != nil {
				t.Errorf("%s: %v", line, err)
			} else if got := commandPath(ctx.Selected()); path != "" && got != path {
				t.Errorf("%s: got an example of %q, want %q", line, got, path)
			}
			if purpose == "" || len(line) > 90 {
				t.Errorf("%s: got purpose %q and %d characters, want a purpose and at most 90", line, purpose, len(line))
			}
		}
	}
}

// The pages have every flag and argument of the grammar.
func TestManPages(t *testing.T) {
	pages, err := ManPages(app.Build{Version: "1.2.3", Date: "2026-01-02T03:04:05Z"})
	if err != nil {
		t.Fatal(err)
	}
	app := testParser(t).Model.Node
	plain := strings.NewReplacer("…", `\[u2026]`)
	check := func(file string, node *kong.Node) {
		text := strings.ReplaceAll(string(pages[file]), `\-`, "-")
		want := []string{`"2026-01-02" "regshape 1.2.3"`, ".SH \"EXAMPLES\"", ".SH \"EXIT STATUS\""}
		for _, flag := range flagsOf(node) {
			want = append(want, "--"+flag.Name, plain.Replace(oneLine(flag.Help)))
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
	if len(pages) != len(leaves)+3 || pages["docker-credential-regshape.1"] == nil {
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

// help returns what --help shows for a command.
func help(t *testing.T, path string) string {
	t.Helper()
	var out strings.Builder
	if code := Run(t.Context(), app.Call{Args: append(strings.Fields(path), "--help"), Out: &out, Err: &out, Getenv: os.Getenv}); code != app.ExitDone {
		t.Errorf("%s --help: got exit code %d, want 0", path, code)
	}
	return out.String()
}

// --help ends with examples and exit codes.
func TestHelp_everyCommand(t *testing.T) {
	for _, node := range commandsBelow(testParser(t).Model.Node) {
		path, text := commandPath(node), help(t, commandPath(node))
		for _, want := range []string{oneLine(node.Help)[:15], "\nExamples:\n", "\nExit codes:\n    0  ", "\nGlobal flags:\n  -h, --help"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s --help: got\n%s\nwant %q", path, text, want)
			}
		}
		for _, e := range manualOf(node).Examples {
			if !strings.Contains(text, e[0]) {
				t.Errorf("%s --help: no example %q", path, e[0])
			}
		}
	}
}

// --help shows commands first, then a command's own flags, then the global ones that mean
// something to it; the parser accepts all of them.
func TestHelp_flags(t *testing.T) {
	for path, want := range map[string][]string{
		"":              {"Commands:", "Flags:", "--help", "--json", "--version", "Account:", "--username", "Store:", "--store", "Other tools:", "Connection:", "Diagnosis:"},
		"auth key":      {"Commands:", "auth key show", "Store:", "--profile", "Global flags:", "--json"},
		"auth key show": {"Store:", "--profile", "Global flags:", "--json"},
		"auth login":    {"Flags:", "--scope", "Device login:", "--device", "Account:", "--password=", "Connection:", "--timeout", "Global flags:"},
	} {
		text, from := help(t, path), 0
		for _, w := range want {
			i := strings.Index(text[from:], w)
			if i < 0 {
				t.Errorf("%q --help: no %q where it should be in\n%s", path, w, text)
				break
			}
			from += i
		}
	}
	for path, flags := range map[string][]string{
		"auth key show": {"--username", "--password", "--authfile", "--docker-config", "--insecure", "--timeout", "--debug-calls", "--version"},
		"auth key":      {"--username", "--plain-http"},
		"auth list":     {"--password", "--timeout"},
		"version":       {"--store", "--username"},
	} {
		text := help(t, path)
		for _, flag := range flags {
			if strings.Contains(text, flag) {
				t.Errorf("%s --help: got %s, which means nothing to it", path, flag)
			}
		}
	}
	program := testParser(t).Model.Node
	for _, node := range commandsBelow(program) {
		for _, flag := range program.Flags {
			words := append(strings.Fields(commandPath(node)), "--"+flag.Name)
			if !flag.IsBool() {
				words[len(words)-1] += "=1s"
			}
			if _, err := testParser(t).Parse(words); err != nil && strings.Contains(err.Error(), "unknown flag") {
				t.Errorf("%v: %v", words, err)
			}
		}
	}
}

// Every group that a command uses is one of the global flags' groups.
func TestGrammar_uses(t *testing.T) {
	program := testParser(t).Model.Node
	for _, node := range commandsBelow(program) {
		for group := range strings.SplitSeq(node.Tag.Get("uses"), ",") {
			if group != "" && !slices.ContainsFunc(program.Flags, func(f *kong.Flag) bool { return f.Group != nil && f.Group.Key == group }) {
				t.Errorf("%s uses %q, want a group of global flags", commandPath(node), group)
			}
		}
	}
}
