//go:build unix

package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"regshape/store/durable"
	"regshape/store/printable"
)

// maxLinks is how many links Linux follows in one path.
const maxLinks = 40

// adminGroup is the group of macOS whose members may become root at any time. It can write to
// what Homebrew installs, in /opt/homebrew or /usr/local.
const adminGroup = 80

// guarded refuses a path that another user, unless root or the uid that stands for it, could
// redirect: every part of it, with links and their targets, must belong to root or the effective
// user, and nobody else may write to it. In a directory with the sticky bit, such as /tmp, others
// can write but not touch files of others. Access control lists show in the group's bits on
// Linux; those of other systems are not checked.
func guarded(path string, root int) error {
	at, rest, links := "/", strings.Split(path, "/"), 0
	if err := ours(path, at, nil, root); err != nil {
		return err
	}
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		if err == nil {
			err = ours(path, next, info, root)
		}
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return err
		}
		if links++; links > maxLinks {
			return fmt.Errorf("%w: %s leads through more than %d symbolic links: name the program itself", durable.ErrUnsafe, shown(path), maxLinks)
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return nil
}

// writers are the bits by which others than the owner may write.
func writers(goos string, mode fs.FileMode, gid uint32) fs.FileMode {
	others := mode.Perm() & 0o022
	if goos == "darwin" && gid == adminGroup {
		others &^= 0o020
	}
	return others
}

// outerRoot is the uid that the machine's root has here, by what /proc belongs to. In a user
// namespace without root, as rootless podman makes one to pull, that is 65534, which stands for
// every user outside. So it is good only for what was checked outside before.
func outerRoot() int {
	if info, err := os.Lstat("/proc"); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			return int(st.Uid)
		}
	}
	return 0
}

// ours checks one part of a path.
func ours(path, part string, info fs.FileInfo, root int) (err error) {
	if info == nil {
		if info, err = os.Lstat(part); err != nil {
			return err
		}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%w: the owner of %s is not known: use another program", durable.ErrUnsafe, shown(part))
	}
	if uid := int(st.Uid); uid != 0 && uid != root && uid != os.Geteuid() {
		return fmt.Errorf("%w: uid %d could replace %s, as %s belongs to it: use a program of your own, or root's", durable.ErrUnsafe, uid, shown(path), shown(part))
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil // its mode means nothing
	}
	if writers(runtime.GOOS, info.Mode(), st.Gid) != 0 && (!info.IsDir() || info.Mode()&fs.ModeSticky == 0) {
		return fmt.Errorf("%w: other users could replace %s, as they can write to %s (mode %04o): run '%s'",
			durable.ErrUnsafe, shown(path), shown(part), info.Mode().Perm(), printable.Shell("chmod", "go-w", part))
	}
	return nil
}
