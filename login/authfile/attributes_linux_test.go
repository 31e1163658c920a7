package authfile

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// accessListOf makes a list as xattr_acl.h lays it out: version 2, then tag, permissions
// and id of each entry.
func accessListOf(entries ...[3]uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

const nobodyID = ^uint32(0)

// The owner reads and writes, user 4321 reads, the group nothing; seen as mode 0640.
var oneReader = accessListOf([3]uint32{1, 6, nobodyID}, [3]uint32{2, 4, 4321}, [3]uint32{4, 0, nobodyID}, [3]uint32{16, 4, nobodyID}, [3]uint32{32, 0, nobodyID})

func setAttribute(t *testing.T, path, name, value string) {
	t.Helper()
	err := unix.Setxattr(path, name, []byte(value), 0)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
		t.Skipf("%s cannot be set here: %v", name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func attributeOf(t *testing.T, path, name string) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := unix.Getxattr(path, name, b)
	if errors.Is(err, unix.ENODATA) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestUpdate_keepsAttributes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	put(t, path, "{}")
	want := map[string]string{"user.origin": "dotfiles", "user.empty": "", "user.\u00e9": "\x00\xff"}
	for name, value := range want {
		setAttribute(t, path, name, value)
	}
	if changed, err := Update(path, Docker, 0o600, setStore); !changed || err != nil {
		t.Fatal(changed, err)
	}
	for name, value := range want {
		if got := attributeOf(t, path, name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	names := make([]byte, 4096)
	if n, err := unix.Listxattr(path, names); err != nil || n < len("user.origin\x00user.empty\x00user.\u00e9\x00") {
		t.Errorf("the attributes are %q (%v)", names[:max(n, 0)], err)
	}
}

func TestUpdate_keepsAccessList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	put(t, path, "{}")
	setAttribute(t, path, accessList, string(oneReader))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Fatalf("the list gives mode %v (%v), want 0640", info.Mode(), err)
	}
	if changed, err := Update(path, Docker, 0o600, setStore); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if got := attributeOf(t, path, accessList); got != string(oneReader) {
		t.Errorf("the list is %x, want %x", got, oneReader)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v (%v), want 0640", info.Mode(), err)
	}
}

// A folder hands a list of its own down to new files; the file that is replaced has none.
func TestUpdate_addsNoAccessList(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "config.json")
	put(t, path, "{}")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	setAttribute(t, folder, "system.posix_acl_default", string(oneReader))
	if changed, err := Update(path, Docker, 0o600, setStore); !changed || err != nil {
		t.Fatal(changed, err)
	}
	if got := attributeOf(t, path, accessList); got != "" {
		t.Errorf("the new file has the list %x", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v (%v), want 0640", info.Mode(), err)
	}
}
