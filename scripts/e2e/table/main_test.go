package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReplace(t *testing.T) {
	const marked = "# Title\n\n" + begin + "old\n" + end + "rest\n"
	got, err := replace(marked, "| new |\n")
	if want := "# Title\n\n" + begin + "\n| new |\n\n" + end + "rest\n"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := replace(got, "| new |\n"); err != nil || again != got {
		t.Errorf("a second time: %q, %v", again, err)
	}
	if got, err := replace(begin+end, "x"); err != nil || got != begin+"\nx\n\n"+end {
		t.Errorf("with nothing around it: %q, %v", got, err)
	}
	for _, broken := range []string{
		"", "no markers\n", begin, end, end + begin, "in a line: " + begin + end,
		begin + begin + end, begin + end + end, begin + end + begin,
	} {
		if got, err := replace(broken, "x"); err == nil {
			t.Errorf("%q became %q", broken, got)
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	readme, matrix := filepath.Join(dir, "README.md"), filepath.Join(dir, "matrix.md")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := func(more ...string) (string, error) {
		var out strings.Builder
		err := run(append([]string{"-readme", readme, "-matrix", matrix}, more...), &out)
		return out.String(), err
	}
	write(readme, begin+end)
	if _, err := call(); err == nil || !strings.Contains(err.Error(), "make matrix") {
		t.Errorf("without a table: %v", err)
	}
	write(matrix, "| a |\n")
	if _, err := call("-check"); err == nil || !strings.Contains(err.Error(), "make matrix") {
		t.Errorf("a difference: %v", err)
	}
	if _, err := call(); err != nil {
		t.Error(err)
	}
	if out, err := call("-check"); err != nil || out != "" {
		t.Errorf("what it has written itself: %q, %v", out, err)
	}
	write(readme, "no markers\n")
	if out, err := call("-check"); err != nil || !strings.Contains(out, "no markers") {
		t.Errorf("nothing to compare: %q, %v", out, err)
	}
	if _, err := call(); err == nil {
		t.Error("written without markers")
	}
}
