package durable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"regshape/scripts/testenv"
)

// Access control lists are judged by what they allow, and to whom.
func TestExposed(t *testing.T) {
	const everyone = "*S-1-1-0"
	path, dir := filepath.Join(t.TempDir(), "key"), t.TempDir()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		others          string // in SDDL
		readable, write bool   // by everyone
	}{
		{"", false, false},
		{"(A;;FA;;;SY)(A;;FA;;;BA)", false, false},
		{"(A;;FR;;;WD)", true, false},
		{"(A;;GR;;;WD)", true, false},
		{"(A;;FA;;;WD)", true, true},
		{"(A;;0x100000;;;WD)", false, false}, // SYNCHRONIZE alone
	} {
		for _, file := range []string{path, dir} {
			testenv.SetAccess(t, file, c.others)
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			for s, want := range map[Secrecy]bool{Secret: c.readable || c.write, Sealed: c.write} {
				who, fix, err := Exposed(file, info, s)
				if err != nil || (who != "") != want || want && fix[len(fix)-1] != everyone {
					t.Errorf("%q of %s, %04o: got %q, %q, %v, want exposed %v", c.others, file, s, who, fix, err, want)
				}
				if want && strings.Contains(strings.Join(fix, " "), "(OI)(CI)") != info.IsDir() {
					t.Errorf("%s: got the command %q", file, fix)
				}
			}
		}
	}
	if _, _, err := Exposed(path+"-none", nil, Secret); err == nil {
		t.Error("a missing file has an access control list")
	}
}
