package repocheck

import (
	"go/build"
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
	if rows := testedRows(t, "| promise | tests |\n| --- | --- |\n"); !slices.Equal(rows, promises) {
		t.Errorf("%s has the promises %q, want those of SECURITY.md, %q", promisesTable, rows, promises)
	}
}

// What of the product is other on macOS than on Linux has its row, too: no test runs there.
func TestMacIsTested(t *testing.T) {
	var files []string
	branch := regexp.MustCompile(`(?i)GOOS [!=]= "(darwin|linux)"|case "darwin"`)
	for _, dir := range []string{"credhelper", "login", "store"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			mac, err := (&build.Context{GOOS: "darwin", GOARCH: "arm64", Compiler: "gc"}).MatchFile(filepath.Split(name))
			if err != nil {
				return err
			}
			linux, err := (&build.Context{GOOS: "linux", GOARCH: "arm64", Compiler: "gc"}).MatchFile(filepath.Split(name))
			if mac && (!linux || branch.MatchString(readText(t, name))) {
				files = append(files, "`"+filepath.ToSlash(name)+"`")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if rows := testedRows(t, "| file | on macOS | tests |\n| --- | --- | --- |\n"); !slices.Equal(rows, files) {
		t.Errorf("%s has the files of macOS\n%q, want\n%q", promisesTable, rows, files)
	}
}

// testedRows is the first column of a table, whose last one links to tests.
func testedRows(t *testing.T, head string) (rows []string) {
	t.Helper()
	_, table, _ := strings.Cut(readText(t, promisesTable), "\n"+head)
	for line := range strings.Lines(table) {
		name, rest, found := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !found {
			break
		}
		rows = append(rows, name)
		tests := rest[strings.LastIndex(strings.TrimSuffix(rest, " |\n"), "| ")+1:]
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
	return rows
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
