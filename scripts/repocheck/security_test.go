package repocheck

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every promise of SECURITY.md names tests that exist.
func TestSecurityPromisesAreTested(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## Promises\n")
	promises, _, found := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("SECURITY.md has no promises, or nothing behind them")
	}
	link := regexp.MustCompile(`\[((?:Test|Fuzz)\w+)\]\(([^)]+)\)`)
	bullets := strings.Split(promises, "\n- ")[1:]
	if len(bullets) < 8 {
		t.Errorf("only %d promises were found", len(bullets))
	}
	for _, promise := range bullets {
		first, _, _ := strings.Cut(promise, "\n")
		links := link.FindAllStringSubmatch(promise, -1)
		if len(links) == 0 {
			t.Errorf("no test is named for %q", first)
		}
		for _, l := range links {
			source, err := os.ReadFile(l[2])
			if err != nil {
				t.Errorf("%q: %v", first, err)
			} else if !strings.Contains(string(source), "\nfunc "+l[1]+"(") {
				t.Errorf("%q: %s has no %s", first, l[2], l[1])
			}
		}
	}
}
