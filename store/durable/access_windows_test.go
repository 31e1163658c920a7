package durable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// Access control lists are judged by what they allow, and to whom.
func TestExposed(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	own := "(A;;FA;;;" + user.User.Sid.String() + ")"
	const everyone = "*S-1-1-0"
	path, dir := filepath.Join(t.TempDir(), "key"), t.TempDir()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dacl            string
		readable, write bool // by everyone
	}{
		{"D:P" + own, false, false},
		{"D:P" + own + "(A;;FA;;;SY)(A;;FA;;;BA)", false, false},
		{"D:P" + own + "(A;;FR;;;WD)", true, false},
		{"D:P" + own + "(A;;GR;;;WD)", true, false},
		{"D:P" + own + "(A;;FA;;;WD)", true, true},
		{"D:P" + own + "(A;;0x100000;;;WD)", false, false}, // SYNCHRONIZE alone
	} {
		for _, file := range []string{path, dir} {
			setList(t, file, c.dacl)
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			for s, want := range map[Secrecy]bool{Secret: c.readable || c.write, Sealed: c.write} {
				who, fix, err := Exposed(file, info, s)
				if err != nil || (who != "") != want || want && fix[len(fix)-1] != everyone {
					t.Errorf("%s of %s, %04o: got %q, %q, %v, want exposed %v", c.dacl, file, s, who, fix, err, want)
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

// setList gives a file an access control list in SDDL.
func setList(t *testing.T, path, text string) {
	t.Helper()
	sd, err := windows.SecurityDescriptorFromString(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	acl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, acl, nil); err != nil {
		t.Fatal(err)
	}
}
