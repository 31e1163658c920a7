//go:build linux || darwin

package authfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const accessList = "system.posix_acl_access" // acl(5), of Linux

// keepAttributes gives the new file the extended attributes of the old one at target: on
// Linux its access control list, its SELinux label and the user's own. Attributes about the
// content itself, such as security.ima, would be wrong on another content.
//
// What the system does not permit is left out, but for the list: its mask looks like the
// permissions of the group, so the mode alone would grant what the list does not. A list
// that the directory hands down to new files, and the old file does not have, is removed.
func keepAttributes(f *os.File, target string) error {
	names, err := attributes(func(b []byte) (int, error) { return unix.Llistxattr(target, b) })
	if err != nil {
		return fmt.Errorf("list its extended attributes: %w", err)
	}
	listed := false
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if name == "" || runtime.GOOS == "linux" && name != accessList && name != "security.selinux" && !strings.HasPrefix(name, "user.") {
			continue
		}
		listed = listed || name == accessList
		value, err := attributes(func(b []byte) (int, error) { return unix.Lgetxattr(target, name, b) })
		if err == nil {
			err = unix.Fsetxattr(int(f.Fd()), name, value, 0)
		}
		switch {
		case err == nil:
		case name == accessList:
			return fmt.Errorf("its access control list cannot be kept: %w", err)
		case !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.ENOTSUP):
			return fmt.Errorf("its extended attributes cannot be kept: %w", err)
		}
	}
	if runtime.GOOS == "linux" && !listed {
		if err := unix.Fremovexattr(int(f.Fd()), accessList); err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("remove the directory's access control list from it: %w", err)
		}
	}
	return nil
}

// attributes calls one of the system's functions for as much space as it needs. Nothing is
// found where the file system has no attributes, and where the file is gone, which is
// noticed before the rename.
func attributes(read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(nil)
		b := make([]byte, max(n, 0))
		if err == nil && n > 0 {
			n, err = read(b)
		}
		switch {
		case errors.Is(err, unix.ERANGE): // it has grown between the calls
		case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOENT):
			return nil, nil
		case err != nil:
			return nil, err
		default:
			return b[:n], nil
		}
	}
}
