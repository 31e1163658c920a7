package testenv

import (
	"strings"
	"testing"

	"golang.org/x/sys/windows"
)

// SetAccess gives a file an access control list of full access for the user and, in SDDL, of
// others. Wine 8 adds the directory's to any: with a umask of 077 that has nobody else.
func SetAccess(t *testing.T, path, others string) {
	t.Helper()
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	sd, err := windows.SecurityDescriptorFromString("D:P(A;;FA;;;" + user.User.Sid.String() + ")" + others)
	if err != nil {
		t.Fatalf("%s: %v", others, err)
	}
	acl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, acl, nil); err != nil {
		t.Fatal(err)
	}
	if now, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION); err != nil {
		t.Fatal(err)
	} else if strings.Contains(now.String(), ";;;WD)") && !strings.Contains(others, ";;;WD)") {
		t.Skip("a protected list gets the directory's entries, as under wine 8 with a umask other than 077")
	}
}
