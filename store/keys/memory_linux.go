package keys

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// arenaRounding, in bytes, is what the Go run-time may take of the address space above
// what it is asked for: it reserves whole arenas of 64 MiB, and a large allocation may
// begin in one and end in the next.
const arenaRounding = 128 << 20

// availableMemory returns the least of what this process may still use; known is false
// where nothing can be read. system is the root directory, or in tests one with some files of
// proc and sys.
func availableMemory(system fs.FS) (least headroom, known bool) {
	least.bytes = math.MaxUint64
	at := func(limit string, total, used uint64) {
		free := total - min(used, total)
		if free < least.bytes {
			least, known = headroom{free, limit}, true
		}
	}
	info := fields(system, "proc/meminfo")
	if available, ok := info["MemAvailable:"]; ok {
		at("the machine", (available+info["SwapFree:"])*1024, 0)
	}
	if text, err := fs.ReadFile(system, "proc/sys/vm/overcommit_memory"); err == nil && strings.TrimSpace(string(text)) == "2" {
		at("the machine, which overcommits no memory,", info["CommitLimit:"]*1024, info["Committed_AS:"]*1024)
	}
	status := fields(system, "proc/self/status")
	for _, l := range []struct {
		resource int
		used     string
		limit    string
	}{
		{unix.RLIMIT_AS, "VmSize:", "the limit of address space (ulimit -v)"},
		{unix.RLIMIT_DATA, "VmData:", "the limit of data (ulimit -d)"},
	} {
		var r unix.Rlimit
		if unix.Getrlimit(l.resource, &r) == nil && r.Cur != unix.RLIM_INFINITY {
			at(l.limit, r.Cur, status[l.used]*1024+arenaRounding)
		}
	}
	groups, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return least, known
	}
	for _, line := range strings.Split(string(groups), "\n") {
		_, rest, _ := strings.Cut(line, ":")
		controllers, group, _ := strings.Cut(rest, ":")
		mount, files := "sys/fs/cgroup", [...]string{"memory.max", "memory.current", "inactive_file"}
		switch {
		case controllers == "memory":
			mount, files = "sys/fs/cgroup/memory", [...]string{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
		case controllers != "" || group == "":
			continue
		}
		// Inside a container the path may be the host's, while what is mounted begins at
		// the container's own group: then only the last step, the root, is there.
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			dir := path.Join(mount, group)
			total, limited := number(system, path.Join(dir, files[0]))
			used, found := number(system, path.Join(dir, files[1]))
			if limited && found {
				// Pages of files that nobody has used of late are given up before the limit kills.
				unused := fields(system, path.Join(dir, "memory.stat"))[files[2]]
				at("the control group (a container's or service's limit)", total, used-min(unused, used))
			}
			if group == "/" {
				break
			}
		}
	}
	return least, known
}

// fields reads a file of lines that are a name and a number.
func fields(system fs.FS, path string) map[string]uint64 {
	values := map[string]uint64{}
	text, _ := fs.ReadFile(system, path) // what is not there limits nothing
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if n, err := strconv.ParseUint(words[1], 10, 64); err == nil {
			values[words[0]] = n
		}
	}
	return values
}

// number reads a file with one number; "max", and a missing file, are none.
func number(system fs.FS, path string) (n uint64, ok bool) {
	text, err := fs.ReadFile(system, path)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
