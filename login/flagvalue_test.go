package login

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"regshape/login/app"
)

func testParser(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := newParser(&grammar{}, &app.Env{Call: app.Call{Out: io.Discard, Err: io.Discard}}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// parsed is what a flag is after a command line.
func parsed(t *testing.T, parser *kong.Kong, name string, words ...string) string {
	t.Helper()
	ctx, err := kong.Trace(parser, words)
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Error != nil {
		return ctx.Error.Error()
	}
	for _, f := range ctx.Flags() {
		if f.Name == name {
			return fmt.Sprintf("%q", ctx.FlagValue(f))
		}
	}
	return "no flag"
}

// Every short flag with a value takes it in the three ways of pflag, before and after the
// command and its arguments.
func TestFlagValue_shortFlags(t *testing.T) {
	parser := testParser(t)
	seen := map[string]bool{}
	for _, node := range parser.Model.Leaves(false) {
		path := strings.Fields(commandPath(node))
		for _, flags := range node.AllFlags(false) {
			for _, f := range flags {
				if f.Short == 0 || f.IsBool() {
					continue
				}
				seen[string(f.Short)] = true
				short := "-" + string(f.Short)
				for _, value := range []string{"x", "=x", "x=y", "x -y", "x\ny"} {
					want := parsed(t, parser, f.Name, append(slices.Clip(path), "--"+f.Name+"="+value)...)
					for _, form := range [][]string{{short + "=" + value}, {short + value}, {short, value}} {
						if form[0] == short+"=x" && value == "=x" { // this is how x is given
							continue
						}
						if got := parsed(t, parser, f.Name, append(slices.Clip(path), form...)...); got != want || strings.Contains(got, "expected") {
							t.Errorf("%s %q: %s, want %s", path, form, got, want)
						}
					}
				}
			}
		}
	}
	for _, short := range []string{"u", "p", "r"} {
		if !seen[short] {
			t.Errorf("-%s was not tried", short)
		}
	}
}

// Which words are the value of the flag before them, and which are another flag.
func TestFlagValue_dash(t *testing.T) {
	const refused = "needs a value"
	parser := testParser(t)
	for _, c := range []struct{ flag, word, want string }{
		{"--password", "-secret", "-secret"},
		{"--password", "--secret", "--secret"},
		{"--password", "-u=x", "-u=x"},
		{"--password", "-ux", "-ux"},
		{"--password", "-", "-"},
		{"--password", "---", "---"},
		{"--password", "-u", refused},
		{"--password", "-h", refused},
		{"--password", "--username", refused},
		{"--password", "--username=x", refused},
		{"--password", "--", refused},
		{"--username", "-alice", "-alice"},
		{"--username", "-", "-"},
		{"--username", "-p", refused},
		{"--username", "-psecret", refused},
		{"--username", "-p=secret", refused},
		{"--username", "--pasword=secret", refused},
		{"--username", " ", refused},
		{"--username", "\n", refused},
		{"--password", "\r\n", refused},
		{"--password", " ", " "},
		{"--registry", "-p", refused},
		{"--ca-file", "--insecure", refused},
		{"--ca-file", "", refused},
		{"--profile", "", ""},
		{"--timeout", "-p", refused},
		{"--password", "p\xe9", "p\xe9"},
	} {
		want := fmt.Sprintf("%q", c.want)
		if c.want == refused {
			want = c.flag + " " + refused
		}
		got := parsed(t, parser, strings.TrimPrefix(c.flag, "--"), "auth", "login", c.flag, c.word)
		got = strings.TrimPrefix(got, c.flag+": ")
		if got != want {
			t.Errorf("%s %q: %s, want %s", c.flag, c.word, got, want)
		}
	}
}

func TestFlagValue_isUsageError(t *testing.T) {
	e := &app.Env{Call: app.Call{Out: io.Discard, Err: io.Discard, Args: []string{"auth", "login", "r.example", "-u", "-p=canary"}}}
	_, code, err := parse(&grammar{}, e)
	usage, ok := errors.AsType[*app.UsageError](err)
	if code != app.ExitUsage || !ok || strings.Contains(usage.Message+usage.Hint, "canary") {
		t.Errorf("exit code %d, %v, want a usage error without the secret", code, err)
	}
}
