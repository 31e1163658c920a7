package durable

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The rights that a mode's bits stand for.
const (
	mayRead  = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL
	mayWrite = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | fileDeleteChild | windows.DELETE |
		windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL
	fileDeleteChild = 0x40 // of winnt.h
)

// trusted may do everything on every file anyway, or stand for the file's owner.
var trusted = []string{
	"S-1-5-18",     // SYSTEM
	"S-1-5-32-544", // Administrators
	"S-1-3-0",      // CREATOR OWNER
	"S-1-3-4",      // OWNER RIGHTS
	"S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464", // TrustedInstaller, of Windows' own programs
}

// Exposed says who else has access to a file or directory of the user's that s forbids, and the
// words of the command that takes it away; both are empty where there is nobody. Entries that
// deny access are not counted against those that allow it.
func Exposed(path string, info fs.FileInfo, s Secrecy) (who string, fix []string, err error) {
	defer func() {
		if err != nil {
			err = &fs.PathError{Op: "read the access control list of", Path: path, Err: err}
		}
	}()
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return "", nil, err
	}
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", nil, err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return "", nil, err
	}
	mine := func(sid *windows.SID) bool {
		return sid.Equals(user.User.Sid) || slices.Contains(trusted, sid.String())
	}
	if !mine(owner) { // who can open it up at any time
		return "owned by " + account(owner), []string{"takeown", "/f", path}, nil
	}
	others, err := allowed(sd, s)
	if others = slices.DeleteFunc(others, mine); err != nil || len(others) == 0 {
		return "", nil, err
	}
	rights := ":F"
	if info.IsDir() {
		rights = ":(OI)(CI)F"
	}
	fix = []string{"icacls", path, "/inheritance:r", "/grant:r", "*" + user.User.Sid.String() + rights, "/remove:g"}
	var names []string
	for _, sid := range others {
		if name := account(sid); !slices.Contains(names, name) {
			names, fix = append(names, name), append(fix, "*"+sid.String())
		}
	}
	return strings.Join(names, ", "), fix, nil
}

// allowed lists those whom a file's access control list gives a right that s forbids.
func allowed(sd *windows.SECURITY_DESCRIPTOR, s Secrecy) ([]*windows.SID, error) {
	acl, _, err := sd.DACL()
	if acl == nil && (err == nil || errors.Is(err, windows.ERROR_OBJECT_NOT_FOUND)) { // as on a FAT file system
		everyone, err := windows.CreateWellKnownSid(windows.WinWorldSid)
		return []*windows.SID{everyone}, err
	}
	if err != nil {
		return nil, err
	}
	rights := windows.ACCESS_MASK(mayWrite)
	if s&0o044 != 0 {
		rights |= mayRead
	}
	var sids []*windows.SID
	for i := range uint32(acl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(acl, i, &ace); err != nil {
			return nil, err
		}
		if ace.Header.AceType == windows.ACCESS_ALLOWED_ACE_TYPE && ace.Header.AceFlags&windows.INHERIT_ONLY_ACE == 0 && ace.Mask&rights != 0 {
			sids = append(sids, (*windows.SID)(unsafe.Pointer(&ace.SidStart))) //nolint:gosec // the SID follows in place
		}
	}
	return sids, nil
}

// account is the name of a user or group, as Windows shows it.
func account(sid *windows.SID) string {
	name, domain, _, err := sid.LookupAccount("")
	switch {
	case err != nil:
		return sid.String()
	case domain == "":
		return name
	}
	return domain + `\` + name
}
