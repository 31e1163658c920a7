//go:build linux

package keys

import (
	"path"
	"strings"
	"testing"
)

// What the kernel says of memory only ever lowers what is taken to be there, and makes no
// path outside of where it says it.
func FuzzAvailableMemory(f *testing.F) {
	f.Add("MemAvailable: 1000 kB\nSwapFree: 1 kB\n", "0::/a/b\n", "1000\n", "10\n", "inactive_file 5\n")
	f.Add("MemAvailable: 18446744073709551615 kB\n", "4:memory:/../..//x\n0::/\n", "max", "18446744073709551615", "total_inactive_file 18446744073709551615")
	f.Add("", "0::", "-1", "", "\x00")
	f.Fuzz(func(t *testing.T, info, groups, limit, used, stat string) {
		files := map[string]string{"proc/meminfo": info, "proc/self/cgroup": groups}
		for _, folder := range []string{"sys/fs/cgroup", "sys/fs/cgroup/memory"} {
			for name, text := range map[string]string{
				"memory.max": limit, "memory.limit_in_bytes": limit, "memory.current": used, "memory.usage_in_bytes": used, "memory.stat": stat,
			} {
				files[path.Join(folder, name)] = text
			}
		}
		without, known := availableMemory(fakeSystem(map[string]string{"proc/meminfo": info}))
		least, knownToo := availableMemory(fakeSystem(files))
		if known && !knownToo || least.bytes > without.bytes {
			t.Fatalf("with a control group %d bytes are there, without %d", least.bytes, without.bytes)
		}
		total, limited := number(fakeSystem(files), "sys/fs/cgroup/memory.max")
		if strings.HasPrefix(groups, "0::/\n") && limited && least.bytes > total && used != "" {
			if _, ok := number(fakeSystem(files), "sys/fs/cgroup/memory.current"); ok {
				t.Fatalf("%d bytes are there under a limit of %d", least.bytes, total)
			}
		}
		if known != (without.limit != "") {
			t.Fatalf("known %v, by %q", known, without.limit)
		}
	})
}
