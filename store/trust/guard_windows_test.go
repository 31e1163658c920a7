package trust

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"regshape/store/durable"
)

// A program that others may change, or put a library beside, is not started.
func TestGuarded(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	open := func(path, rights string) {
		t.Helper()
		sd, err := windows.SecurityDescriptorFromString("D:P(A;;FA;;;" + user.User.Sid.String() + ")(A;;" + rights + ";;;WD)")
		if err != nil {
			t.Fatal(err)
		}
		acl, _, err := sd.DACL()
		if err != nil {
			t.Fatal(err)
		}
		if err := windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, acl, nil); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "key.exe")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, dir, names string }{
		{"FR", "FR", ""},
		{"FA", "FR", path},
		{"FR", "FA", dir},
	} {
		open(path, c.file)
		open(dir, c.dir)
		err := guarded(path)
		if (err != nil) != (c.names != "") || err != nil && (!errors.Is(err, durable.ErrUnsafe) || !strings.Contains(err.Error(), "write to "+shown(c.names)+" (")) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
