package page

import (
	"os"
	"path/filepath"
	"testing"
)

const (
	begin = "<!-- x:begin -->\n"
	end   = "<!-- x:end -->\n"
)

func TestReplace(t *testing.T) {
	const marked = "# Title\n\n" + begin + "old\n" + end + "rest\n"
	got, err := replace(marked, "x", "| new |\n")
	if want := "# Title\n\n" + begin + "\n| new |\n\n" + end + "rest\n"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := replace(got, "x", "| new |\n"); err != nil || again != got {
		t.Errorf("a second time: %q, %v", again, err)
	}
	if got, err := replace(begin+end, "x", "a"); err != nil || got != begin+"\na\n\n"+end {
		t.Errorf("with nothing around it: %q, %v", got, err)
	}
	for _, broken := range []string{
		"", "no markers\n", begin, end, end + begin, "in a line: " + begin + end,
		begin + begin + end, begin + end + end, begin + end + begin,
	} {
		if got, err := replace(broken, "x", "a"); err == nil {
			t.Errorf("%q became %q", broken, got)
		}
	}
}

func TestWriteAndCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("a\n"+begin+"old\n"+end+"z\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := Check(path, "x", "new"); err == nil {
		t.Error("a difference is not seen")
	}
	if err := Write(path, "x", "new"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := "a\n" + begin + "\nnew\n\n" + end + "z\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if err := Check(path, "x", "new\n"); err != nil {
		t.Error(err)
	}
	t.Setenv("REGSHAPE_WRITE", "")
	if err := Publish(path, "x", "newer"); err != nil {
		t.Error(err)
	}
	if err := Check(path, "x", "new"); err != nil {
		t.Errorf("it was written unasked: %v", err)
	}
	t.Setenv("REGSHAPE_WRITE", "1")
	if err := Publish(path, "x", "newer"); err != nil || Check(path, "x", "newer") != nil {
		t.Errorf("it was not written: %v", err)
	}
	if err := Write(path, "x", "new"); err != nil {
		t.Fatal(err)
	}
	for _, act := range []func(path, mark, text string) error{Write, Check, Publish} {
		if err := act(path, "y", "new"); err == nil {
			t.Error("a document without these markers is taken")
		}
		if err := act(path+".none", "x", "new"); err == nil {
			t.Error("a document that is not there is taken")
		}
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(got) {
		t.Errorf("now %q, %v", again, err)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %s", n, got)
		}
	}
}
