package lend

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

var errStranger = errors.New("another user's process")

// peer is the program at the other end of a socket, which must be this user's. For a credential
// helper it is the one that has started that.
func peer(conn net.Conn) (program string, err error) {
	var who *unix.Ucred
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return "", err
	}
	controlErr := raw.Control(func(fd uintptr) {
		who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(controlErr, err); err != nil {
		return "", err
	}
	if int(who.Uid) != os.Geteuid() {
		return "", errStranger
	}
	name, parent := processOf(int(who.Pid))
	if strings.HasPrefix(name, "docker-credenti") { // the kernel keeps 15 characters
		name, _ = processOf(parent)
	}
	return fmt.Sprintf("%s (uid %d)", name, who.Uid), nil
}

// processOf is a process's name, and its parent's id.
func processOf(pid int) (name string, parent int) {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if begin < 0 || end < begin {
		return "a program", 0
	}
	_, _ = fmt.Sscanf(string(stat[end+1:]), " %1s %d", new(string), &parent)
	return string(stat[begin+1 : end]), parent
}

// outside is the uid that the user has outside of a user namespace: rootless podman makes one, in
// which it and its helpers are root.
func outside(uid int) int {
	if uid != 0 {
		return uid // a look at the map for every lookup costs more than it finds
	}
	text, _ := os.ReadFile("/proc/self/uid_map")
	return mappedRoot(string(text))
}

// mappedRoot finds root in lines of three numbers: the first inside, the first outside, how many.
func mappedRoot(lines string) int {
	for line := range strings.Lines(lines) {
		var inside, first, count int
		if n, _ := fmt.Sscan(line, &inside, &first, &count); n == 3 && inside == 0 && count > 0 {
			return first
		}
	}
	return 0
}
