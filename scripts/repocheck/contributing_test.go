package repocheck

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sectionOf returns a second-level section of CONTRIBUTING.md.
func sectionOf(t *testing.T, title string) string {
	t.Helper()
	_, text, found := strings.Cut(readText(t, "CONTRIBUTING.md"), "\n## "+title+"\n")
	if !found {
		t.Fatalf("CONTRIBUTING.md has no section %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// submatches returns the first group of every match, sorted.
func submatches(pattern, text string) (found []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// equalLists reports what only one of two sorted lists has.
func equalLists(t *testing.T, documented, actual []string) {
	t.Helper()
	if len(actual) < 5 {
		t.Errorf("found only %q", actual)
	}
	for _, name := range actual {
		if !slices.Contains(documented, name) {
			t.Errorf("CONTRIBUTING.md lacks %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(actual, name) {
			t.Errorf("CONTRIBUTING.md names %s, which does not exist", name)
		}
	}
}

func TestContributing_targets(t *testing.T) {
	var table strings.Builder
	for line := range strings.Lines(sectionOf(t, "Build, test, check")) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `make ") {
			table.WriteString(cells[0])
		}
	}
	targets := submatches(`(?m)^([a-z0-9]+):.*## `, readText(t, "Makefile"))
	targets = slices.DeleteFunc(targets, func(name string) bool { return name == "help" })
	equalLists(t, submatches("`make ([a-z0-9]+)`", table.String()), targets)
}

func TestContributing_dependencies(t *testing.T) {
	direct := regexp.MustCompile(`(?m)^.*// indirect$`).ReplaceAllString(readText(t, "go.mod"), "")
	equalLists(t, submatches("`((?:[a-z0-9-]+\\.)+[a-z]+/[^`]+)`", sectionOf(t, "Dependencies")), submatches(`(?m)^\t(\S+) v`, direct))
}

// The map of packages has those of the product. Names below a directory are indented.
func TestContributing_packages(t *testing.T) {
	var documented []string
	parent := ""
	for _, m := range regexp.MustCompile(`(?m)^( *)([a-z]+)/ `).FindAllStringSubmatch(sectionOf(t, "Packages"), -1) {
		if m[1] == "" {
			parent = m[2]
			documented = append(documented, parent)
		} else {
			documented = append(documented, parent+"/"+m[2])
		}
	}
	actual := []string{"scripts"}
	for name, p := range list(t, "linux") {
		if name, own := strings.CutPrefix(name, "regshape/"); own && !p.Standard && !strings.HasPrefix(name, "scripts/") {
			actual = append(actual, name)
		}
	}
	slices.Sort(actual)
	actual = slices.Compact(actual)
	equalLists(t, documented, actual)
}
