package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// sharedMemory is where Linux has a file system in memory that every user can write to;
// in a container it may be small.
const sharedMemory = "/dev/shm"

// memoryFolder makes a folder in memory that takes so many bytes, or returns "" where
// there is no room for it.
func memoryFolder(size int64) (string, error) {
	var room syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &room); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("%s: %w", sharedMemory, err)
	}
	if int64(room.Bavail)*room.Bsize < size { //nolint:unconvert // of another size on other processors
		return "", nil
	}
	return os.MkdirTemp(sharedMemory, "regshape-bench-")
}
