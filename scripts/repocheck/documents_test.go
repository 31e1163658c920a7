package repocheck

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker-credential-helpers/credentials"
)

// document is a Markdown file of the repository.
type document struct {
	text    string          // without what stands in fenced blocks
	blocks  []string        // the languages of its fenced blocks
	anchors map[string]bool // of its headings, as GitHub makes them
}

var (
	fenced     = regexp.MustCompile("(?ms)^```([a-z]*)\n.*?^```$")
	codeSpan   = regexp.MustCompile("`[^`]+`")
	heading    = regexp.MustCompile(`(?m)^#+ (.+)$`)
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)|<img src="([^"]+)"`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func parseDocument(text string) document {
	d := document{anchors: map[string]bool{}}
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		d.blocks = append(d.blocks, m[1])
	}
	d.text = fenced.ReplaceAllString(text, "")
	for _, m := range heading.FindAllStringSubmatch(d.text, -1) {
		slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		for i, base := 1, slug; d.anchors[slug]; i++ {
			slug = fmt.Sprintf("%s-%d", base, i)
		}
		d.anchors[slug] = true
	}
	return d
}

// links returns the targets of links and images, not those that are examples in code.
func (d document) links() (targets []string) {
	for _, m := range linkTarget.FindAllStringSubmatch(codeSpan.ReplaceAllString(d.text, "x"), -1) {
		targets = append(targets, m[1]+m[2])
	}
	return targets
}

// documents reads every Markdown file, by its path with slashes.
func documents(t *testing.T) map[string]document {
	t.Helper()
	all := map[string]document{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "dist"}, name):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		all[filepath.ToSlash(name)] = parseDocument(readText(t, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// brokenLinks names each link that leads nowhere: no such file, no such heading.
func brokenLinks(all map[string]document, exists func(name string) bool) (broken []string) {
	for _, from := range slices.Sorted(maps.Keys(all)) {
		for _, link := range all[from].links() {
			if strings.HasPrefix(link, "https://") {
				continue
			}
			name, anchor, hasAnchor := strings.Cut(link, "#")
			target := from
			if name != "" {
				target = path.Join(path.Dir(from), name)
			}
			if !exists(target) || hasAnchor && !all[target].anchors[anchor] {
				broken = append(broken, from+": "+link)
			}
		}
	}
	return broken
}

func TestLinks(t *testing.T) {
	all := documents(t)
	if len(all) < 10 || len(all["README.md"].links()) < 10 {
		t.Errorf("found %d documents, %d links in README.md", len(all), len(all["README.md"].links()))
	}
	for _, broken := range brokenLinks(all, func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	}) {
		t.Errorf("broken link in %s", broken)
	}
}

func TestLinks_broken(t *testing.T) {
	all := map[string]document{
		"a/x.md": parseDocument("# What \"it\" means, `now`\n[1](#what-it-means-now) [2](#what) [3](../b.md#twice-1) [4](b.md)\n`[5](none)`\n```sh\n[6](none)\n# what\n```\n"),
		"b.md":   parseDocument("# Twice\n## Twice\n[7](a/x.md) [8](a/x.md#none) [9](a/none.md) [10](https://example.com/none) <img src=\"none.svg\">\n"),
	}
	got := brokenLinks(all, func(name string) bool { _, is := all[name]; return is })
	want := []string{"a/x.md: #what", "a/x.md: b.md", "b.md: a/x.md#none", "b.md: a/none.md", "b.md: none.svg"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a newcomer asks is answered in the README or one link away.
func TestReadmeAnswers(t *testing.T) {
	readme := readText(t, "README.md")
	for _, want := range []string{
		"| How do I set it up? | [Set up](#set-up) |",
		"| Is it safe? | [SECURITY.md](SECURITY.md) |",
		"| Why was my login refused? | [login outcomes](login/README.md#why-a-login-was-refused), ",
		"| How do I back up the key? | [back up and restore](store/keys/README.md#back-up-and-restore) |",
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("README.md lacks %q", want)
		}
	}
}

func TestDocumentSizes(t *testing.T) {
	for name, limit := range map[string]int{"README.md": 9 * 1024, "SECURITY.md": 8 * 1024, "CONTRIBUTING.md": 8 * 1024} {
		if got := len(readText(t, name)); got > limit {
			t.Errorf("%s has %d bytes, want at most %d", name, got, limit)
		}
	}
}

// Every fenced block is run or written by a test: "sh" by TestReadmeCommands, "console" by
// TestSession, the recipes by scripts/e2e/examples*_test.go; the map of packages is checked below.
func TestBlocksAreRun(t *testing.T) {
	run := map[string][]string{
		"README.md":             {"sh", "console"},
		"login/README.md":       {"sh"},
		"store/keys/README.md":  {"sh"},
		"store/README.md":       {"sh"},
		"scripts/e2e/README.md": {"bash", "yaml", "ini", "json"},
		"CONTRIBUTING.md":       {""},
	}
	for name, d := range documents(t) {
		for _, language := range d.blocks {
			if !slices.Contains(run[name], language) {
				t.Errorf("%s has a block %q, which no test runs", name, language)
			}
		}
	}
}

// The messages that the troubleshooting table explains are those of the program.
func TestTroubleshootingMessages(t *testing.T) {
	_, table, _ := strings.Cut(readText(t, "login/README.md"), "\n| you see | it means |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	source := credentials.NewErrCredentialsNotFound().Error() + productSource(t)
	rows := 0
	for line := range strings.Lines(table) {
		quoted, own := strings.CutPrefix(line, "| `")
		if !own { // another program's message
			continue
		}
		rows++
		quoted, _, _ = strings.Cut(quoted, "`")
		for part := range strings.SplitSeq(strings.ReplaceAll(quoted, "…", ": "), ": ") {
			if part = strings.Trim(part, " ,:"); !strings.Contains(source, part) {
				t.Errorf("no message has %q", part)
			}
		}
	}
	if rows < 5 {
		t.Errorf("%d rows", rows)
	}
}

// productSource is the Go code of the product, without tests.
func productSource(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"credhelper", "login", "store"} {
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
				all.WriteString(readText(t, name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
