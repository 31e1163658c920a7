package testenv

import (
	"os"

	"golang.org/x/sys/unix"
)

// InMemory is for [Main], in packages that sync files all the time: it puts the temporary
// directories of the tests on a tmpfs, where a sync costs nothing. That a sync makes durable
// what it should is for the power cuts of scripts/torture to show. A small tmpfs, and one
// that runs no programs, as containers have it, is left alone; so is a TMPDIR that is set,
// as for mutants, whose files nobody else would remove.
func InMemory() []string {
	const dir, need = "/dev/shm", 1 << 30 // bytes; a test that builds regshape takes 200 MiB
	var fs unix.Statfs_t
	if os.Getenv("TMPDIR") != "" {
		return nil
	}
	if unix.Statfs(dir, &fs) != nil || fs.Type != unix.TMPFS_MAGIC || fs.Flags&unix.ST_NOEXEC != 0 || fs.Bavail*uint64(fs.Bsize) < need {
		return nil
	}
	probe, err := os.MkdirTemp(dir, "testenv-")
	if err != nil || os.Remove(probe) != nil {
		return nil
	}
	return []string{"TMPDIR=" + dir}
}
