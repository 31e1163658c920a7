package acceptance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// What the documents show as a command of regshape is one, with these flags: --help parses
// the whole line first. Short forms are written without "regshape" or "regshape auth".
func TestDocumentedCommands(t *testing.T) {
	span := regexp.MustCompile("`((?:regshape |auth |(?:key|import|login|logout) )[^`]+)`")
	substitution := regexp.MustCompile(`"\$\([^)]*\)"`)
	env := testenv.Environ(t.TempDir())
	tried := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".md" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range span.FindAllStringSubmatch(string(text), -1) {
			words := strings.Fields(substitution.ReplaceAllString(m[1], "VALUE"))
			switch words[0] {
			case "regshape":
				words = words[1:]
			case "auth":
			default:
				words = append([]string{"auth"}, words...)
			}
			line := strings.Join(words, " ")
			if tried[line] || words[len(words)-1] == "…" {
				continue
			}
			tried[line] = true
			out, err := testenv.Command(env, "regshape", append(words, "--help")...).CombinedOutput()
			if err != nil && strings.HasPrefix(words[len(words)-1], "--") { // it takes a value
				out, err = testenv.Command(env, "regshape", append(words, "x", "--help")...).CombinedOutput()
			}
			if err != nil {
				t.Errorf("%s: %q: %v: %s", name, m[1], err, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tried) < 40 {
		t.Errorf("only %d commands were found", len(tried))
	}
}
