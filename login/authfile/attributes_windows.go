package authfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// inherited is INHERITED_ACE of winnt.h.
const inherited = 0x10

// keepAttributes gives the new file the access control list of the old one at target. One that
// comes from the directory alone, the new file has anyway; on a share it often cannot be set.
func keepAttributes(f *os.File, target string) error {
	sd, err := windows.GetNamedSecurityInfo(target, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("read its access control list: %w", err)
	}
	acl, _, err := sd.DACL()
	if acl == nil && (err == nil || errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND)) {
		return nil // as on a FAT file system
	}
	if err != nil {
		return fmt.Errorf("read its access control list: %w", err)
	}
	control, _, err := sd.Control()
	if err != nil {
		return fmt.Errorf("read its access control list: %w", err)
	}
	what, own := windows.SECURITY_INFORMATION(windows.DACL_SECURITY_INFORMATION|windows.UNPROTECTED_DACL_SECURITY_INFORMATION), false
	if control&windows.SE_DACL_PROTECTED != 0 {
		what, own = windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, true
	}
	for i := range uint32(acl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(acl, i, &ace); err != nil {
			return fmt.Errorf("read its access control list: %w", err)
		}
		own = own || ace.Header.AceFlags&inherited == 0
	}
	if !own {
		return nil
	}
	if err := windows.SetNamedSecurityInfo(f.Name(), windows.SE_FILE_OBJECT, what, nil, nil, acl, nil); err != nil {
		return fmt.Errorf("its access control list cannot be kept: %w", err)
	}
	return nil
}
