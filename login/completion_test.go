package login

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"regshape/scripts/testenv"
)

// completionGrammar has one of everything that the scripts support.
type completionGrammar struct {
	Username string `short:"u" help:"who's there"`
	JSON     bool   `name:"json" help:"one object: on stdout"`
	Color    bool   `negatable:"" help:"colours"`
	Store    string `type:"existingdir" help:"the store"`
	CA       string `name:"ca" group:"Connection" help:"certificates"`
	Secret   bool   `hidden:""`

	Auth struct {
		Login struct {
			For    string `help:"how long"`
			Docker string `placeholder:"FILE" help:"a file"`
			Host   string `arg:"" name:"registry" optional:""`
		} `cmd:"" uses:"Connection" help:"log in"`
		Export struct {
			Format string `enum:"kubernetes,auth.json" default:"auth.json" aliases:"as" help:"the form"`
			Host   string `arg:"" name:"registry"`
			Shell  string `arg:"" enum:"bash,zsh,fish" help:"the shell"`
		} `cmd:"" aliases:"ex" help:"write it out"`
		Debug struct{} `cmd:"" hidden:""`
		Key   struct {
			Restore struct {
				File []string `arg:"" name:"file"`
			} `cmd:"" help:"take it back"`
		} `cmd:"" help:"the key"`
	} `cmd:"" help:"logins"`
}

// completionCases are command lines, with the cursor at the last word, and the candidates in
// sorted order.
var completionCases = []struct {
	name string
	line []string
	want []string
}{
	{"commands of the program", []string{""}, []string{"auth"}},
	{"commands below", []string{"auth", ""}, []string{"ex", "export", "key", "login"}},
	{"prefix", []string{"auth", "l"}, []string{"login"}},
	{"after flags with and without value", []string{"-u", "auth", "--json", "auth", "k"}, []string{"key"}},
	{"nothing for a free value", []string{"--username", ""}, nil},
	{"nothing for a free argument", []string{"auth", "login", ""}, nil},
	{"flags of all levels", []string{"auth", "login", "--"}, []string{
		"--ca", "--color", "--docker", "--for", "--help", "--json", "--no-color", "--store", "--username",
	}},
	{"no flags that mean nothing to the command", []string{"auth", "key", "restore", "--"}, []string{
		"--color", "--help", "--json", "--no-color", "--store", "--username",
	}},
	{"after the value of such a flag", []string{"auth", "key", "--ca", "export", "r"}, []string{"restore"}},
	{"flags of the program only", []string{"--u"}, []string{"--username"}},
	{"enum of a flag", []string{"auth", "export", "--format", ""}, []string{"auth.json", "kubernetes"}},
	{"enum of a flag under its alias", []string{"auth", "ex", "--as", "k"}, []string{"kubernetes"}},
	{"enum of an argument", []string{"auth", "export", "ghcr.io", ""}, []string{"bash", "fish", "zsh"}},
	{"a flag between arguments", []string{"auth", "export", "--format", "kubernetes", "ghcr.io", "f"}, []string{"fish"}},
	{"file of a flag", []string{"auth", "login", "--docker", "on"}, []string{"one file"}},
	{"file of an argument", []string{"auth", "key", "restore", "o"}, []string{"one file"}},
	{"second file of an argument", []string{"auth", "key", "restore", "x", "o"}, []string{"one file"}},
	{"directory of a flag", []string{"--store", ""}, []string{"a-dir"}},
	{"no flags after --", []string{"auth", "login", "--", "--"}, nil},
}

func completionFor(t *testing.T, shell string) string {
	t.Helper()
	parser, err := kong.New(&completionGrammar{}, kong.Name("re-shape"))
	if err != nil {
		t.Fatal(err)
	}
	return completionScript(shell, parser.Model)
}

// completionShell completes line in a directory with "one file" and "a-dir"/.
type completionShell func(t *testing.T, script string, line []string) []string

func TestCompletion(t *testing.T) {
	for shell, run := range map[string]completionShell{"bash": runBash, "zsh": runZsh, "fish": runFish} {
		t.Run(shell, func(t *testing.T) {
			text := completionFor(t, shell)
			for _, hidden := range []string{"secret", "debug"} {
				if strings.Contains(text, hidden) {
					t.Errorf("got hidden %q in the script, want it left out", hidden)
				}
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%s is not installed, so its script was written but not run", shell)
			}
			dir := t.TempDir()
			for _, err := range []error{
				os.WriteFile(filepath.Join(dir, "one file"), nil, 0o600),
				os.Mkdir(filepath.Join(dir, "a-dir"), 0o700),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(dir)
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			check := []string{"-n", script}
			if shell == "zsh" { // with -n it reads .zshenv in the home directory of /etc/passwd
				check = append([]string{"-f"}, check...)
			}
			if msg, err := testenv.Command(testenv.Environ(t.TempDir()), shell, check...).CombinedOutput(); err != nil || len(msg) > 0 {
				t.Fatalf("syntax: %v %s", err, msg)
			}
			for _, tc := range completionCases {
				t.Run(tc.name, func(t *testing.T) {
					got := run(t, script, tc.line)
					slices.Sort(got)
					if !slices.Equal(got, tc.want) {
						t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
					}
				})
			}
		})
	}
}

// bash cuts words at = and :, unless the user removed them from COMP_WORDBREAKS.
func TestCompletion_bashWords(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(completionFor(t, "bash")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ line, want []string }{
		{[]string{"auth", "export", "--format", "="}, []string{"auth.json", "kubernetes"}},
		{[]string{"auth", "export", "--format", "=", "k"}, []string{"kubernetes"}},
		{[]string{"auth", "export", "--format=k"}, []string{"--format=kubernetes"}},
		{[]string{"auth", "export", "--format", "=", "kubernetes", "localhost", ":", "5000", "z"}, []string{"zsh"}},
		{[]string{"auth", "export", "--format=kubernetes", "localhost:5000", "z"}, []string{"zsh"}},
	} {
		got := runBash(t, script, tc.line)
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: got %q, want %q", tc.line, got, tc.want)
		}
	}
}

// runBash does what bash does for the tab key: it sets COMP_WORDS and COMP_CWORD, calls the
// registered function, and reads COMPREPLY.
func runBash(t *testing.T, script string, line []string) []string {
	t.Helper()
	const driver = `set -u
source "$1"; shift
fn=$(complete -p re-shape) && fn=${fn#*-F } && fn=${fn%% *}
COMP_WORDS=(re-shape "$@") COMP_CWORD=$#
"$fn" re-shape "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"`
	return runShell(t, testenv.Command(testenv.Environ(t.TempDir()), "bash", append([]string{"--norc", "-c", driver, "bash", script}, line...)...))
}

// runZsh replaces the four functions of zsh's completion system that the script calls, and
// prints their words.
func runZsh(t *testing.T, script string, line []string) []string {
	t.Helper()
	const driver = `
# The real one matches options by extended patterns.
_describe() { local a; [[ -o extended_glob ]] || return; for a in "${(@P)argv[-1]}"; do
    a=${${${a//\\:/$'\1'}%%:*}//$'\1'/:}
    if [[ $a == ${words[CURRENT]}* ]] { print -r -- "$a" }; done }
_files() { if [[ ${1-} == -/ ]]; then print -rl -- *(N/); else print -rl -- ${words[CURRENT]}*(N); fi }
compset() { : }
compdef() { compfn=$1 }
source "$1"; shift
words=(re-shape "$@") CURRENT=$#words
$compfn`
	return runShell(t, testenv.Command(testenv.Environ(t.TempDir()), "zsh", append([]string{"-f", "-c", driver, "zsh", script}, line...)...))
}

// runFish uses complete -C, which prints lines of "word TAB help".
func runFish(t *testing.T, script string, line []string) []string {
	t.Helper()
	words := "re-shape " + strings.Join(line, " ")
	cmd := testenv.Command(testenv.Environ(t.TempDir()), "fish", "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, script, words)
	var got []string
	for _, out := range runShell(t, cmd) {
		word, _, _ := strings.Cut(out, "\t")
		got = append(got, strings.TrimSuffix(strings.ReplaceAll(word, `\ `, " "), "/"))
	}
	return got
}

func runShell(t *testing.T, cmd *exec.Cmd) []string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}
