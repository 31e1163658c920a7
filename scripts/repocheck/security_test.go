package repocheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/page"
)

const promisesTable = "scripts/repocheck/README.md"

var testLink = regexp.MustCompile(`\[((?:Test|Fuzz)\w+)\]\(\.\./\.\./([^)]+)\)`)

// Every promise of SECURITY.md has its row in the table, and every row names tests that exist.
func TestSecurityPromisesAreTested(t *testing.T) {
	if page.Writing() {
		followMovedTests(t)
	}
	_, text, _ := strings.Cut(readText(t, "SECURITY.md"), "\n## Promises\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var promises []string
	for _, bullet := range strings.Split(text, "\n- ")[1:] {
		name, _, found := strings.Cut(strings.TrimPrefix(bullet, "**"), ".** ")
		if !found {
			t.Errorf("no name begins the promise %q", bullet)
		}
		promises = append(promises, name)
	}
	if len(promises) < 8 {
		t.Errorf("only %d promises were found", len(promises))
	}
	var rows []string
	_, table, _ := strings.Cut(readText(t, promisesTable), "\n| promise | tests |\n| --- | --- |\n")
	for line := range strings.Lines(table) {
		name, tests, found := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !found {
			break
		}
		rows = append(rows, name)
		links := testLink.FindAllStringSubmatch(tests, -1)
		if len(links) == 0 || len(links) != strings.Count(tests, "](") {
			t.Errorf("%s: want links to tests, got %q", name, tests)
		}
		for _, l := range links {
			if !declares(readText(t, l[2]), l[1]) {
				t.Errorf("%s: %s has no %s (REGSHAPE_WRITE=1 corrects the path of a test that moved)", name, l[2], l[1])
			}
		}
	}
	if !slices.Equal(rows, promises) {
		t.Errorf("%s has the promises %q, want those of SECURITY.md, %q", promisesTable, rows, promises)
	}
}

func declares(source, test string) bool { return strings.Contains(source, "\nfunc "+test+"(") }

// followMovedTests corrects the path of each test that stands in one other file now.
func followMovedTests(t *testing.T) {
	t.Helper()
	sources := map[string]string{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, "_test.go") {
			sources[filepath.ToSlash(name)] = readText(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	old := readText(t, promisesTable)
	followed := testLink.ReplaceAllStringFunc(old, func(link string) string {
		m := testLink.FindStringSubmatch(link)
		var now []string
		for name, source := range sources {
			if declares(source, m[1]) {
				now = append(now, name)
			}
		}
		if declares(sources[m[2]], m[1]) || len(now) != 1 {
			return link
		}
		return "[" + m[1] + "](../../" + now[0] + ")"
	})
	if followed != old {
		if err := os.WriteFile(promisesTable, []byte(followed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
