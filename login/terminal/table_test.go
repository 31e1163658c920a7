package terminal

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	tab := Table{Head: []string{"REGISTRY", "USER", "SECURE?"}}
	tab.Row("registry.example.com", "älice", "yes")
	tab.Row("quay.io", "b", "no, plain http")
	const aligned = "REGISTRY              USER   SECURE?\n" +
		"registry.example.com  älice  yes\n" +
		"quay.io               b      no, plain http\n"
	const blocks = "registry.example.com\n  user: älice\n  secure?: yes\n" +
		"quay.io\n  user: b\n  secure?: no, plain http\n"
	for width, want := range map[int]string{0: aligned, 200: aligned, 43: aligned, 42: blocks, 1: blocks} {
		var out strings.Builder
		if err := tab.Write(&out, width); err != nil || out.String() != want {
			t.Errorf("%d columns: %v\n%s", width, err, out.String())
		}
	}
}
