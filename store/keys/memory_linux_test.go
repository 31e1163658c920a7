package keys

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"regshape/scripts/testenv"
)

// fakeSystem has some files of proc and sys.
func fakeSystem(files map[string]string) fs.FS {
	system := fstest.MapFS{}
	for path, text := range files {
		system[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return system
}

func TestAvailableMemory(t *testing.T) {
	const plenty = "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\nSwapFree: 1048576 kB\nHugePages_Total: 0\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64 // MiB
		limit string
	}{
		"machine": {map[string]string{"proc/meminfo": plenty}, 5120, "the machine"},
		"no overcommit": {map[string]string{
			"proc/meminfo":                  plenty + "CommitLimit: 2097152 kB\nCommitted_AS: 1048576 kB\n",
			"proc/sys/vm/overcommit_memory": "2\n",
		}, 1024, "overcommits"},
		"overcommitted": {map[string]string{
			"proc/meminfo":                  plenty + "CommitLimit: 1048576 kB\nCommitted_AS: 2097152 kB\n",
			"proc/sys/vm/overcommit_memory": "2\n",
		}, 0, "overcommits"},
		"cgroup v2": {map[string]string{
			"proc/meminfo":     plenty,
			"proc/self/cgroup": "0::/user.slice/app.scope\n",
			"sys/fs/cgroup/user.slice/app.scope/memory.max":     "max\n",
			"sys/fs/cgroup/user.slice/app.scope/memory.current": "104857600\n",
			"sys/fs/cgroup/user.slice/memory.max":               "314572800\n",
			"sys/fs/cgroup/user.slice/memory.current":           "209715200\n",
			"sys/fs/cgroup/user.slice/memory.stat":              "anon 1\ninactive_file 52428800\n",
		}, 150, "control group"},
		"cgroup v2, in a container": {map[string]string{
			"proc/meminfo":                 plenty,
			"proc/self/cgroup":             "0::/../../host/path\n",
			"sys/fs/cgroup/memory.max":     "104857600\n",
			"sys/fs/cgroup/memory.current": "209715200\n",
		}, 0, "control group"},
		"cgroup v1": {map[string]string{
			"proc/meminfo":     plenty,
			"proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "209715200\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "104857600\n",
		}, 100, "control group"},
		"cgroup v1, no limit": {map[string]string{
			"proc/meminfo":     plenty,
			"proc/self/cgroup": "4:memory:/a\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "104857600\n",
		}, 5120, "the machine"},
	} {
		got, known := availableMemory(fakeSystem(c.files))
		if !known || got.bytes/mebibyte != c.want || !strings.Contains(got.limit, c.limit) {
			t.Errorf("%s: %d MiB, limited by %s (%v)", name, got.bytes/mebibyte, got.limit, known)
		}
	}
	for name, files := range map[string]map[string]string{
		"nothing":  {},
		"nonsense": {"proc/meminfo": "MemAvailable: x kB\n\n:", "proc/self/cgroup": "\n:\n::\nmemory\n"},
	} {
		if got, known := availableMemory(fakeSystem(files)); known {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got, known := availableMemory(os.DirFS("/")); !known || got.bytes == 0 {
		t.Errorf("this machine has %v (%v)", got, known)
	}
}

// With whatever address space is left, a passphrase works or is refused with figures;
// the run-time never ends the program for lack of memory.
func TestMemoryLimits(t *testing.T) {
	const variable = "REGSHAPE_SLOTS_CHILD"
	if limit := os.Getenv(variable); limit != "" {
		limitedChild(t, limit)
		return
	}
	if testing.Short() {
		t.Skip("starts 22 processes, and the race detector needs more memory than they are left")
	}
	results, sample := map[string]int{}, testenv.NewSample(t, 5)
	// 64 MiB for scrypt, up to twice as much for arenas, the margin, and what is more. With
	// nothing at all to spare, the test program itself may not even come to its end.
	for _, resource := range []string{"as", "data"} {
		for spare := 32; spare <= 352; spare += 32 {
			if spare != 352 && !sample.Take(resource) {
				continue
			}
			env := testenv.Environ(t.TempDir(), testenv.Prepared, fmt.Sprintf("%s=%s %d", variable, resource, spare))
			cmd := testenv.Command(env, os.Args[0], "-test.run=^TestMemoryLimits$", "-test.v", "-test.timeout=60s")
			out, err := cmd.CombinedOutput()
			switch {
			case err != nil:
				t.Errorf("%s, %d MiB to spare: %v\n%.2000s", resource, spare, err, out)
			case strings.Contains(string(out), "RESULT opened"):
				results[resource+" opened"]++
			case strings.Contains(string(out), "RESULT refused"):
				results[resource+" refused"]++
			default:
				t.Errorf("no result: %s", out)
			}
		}
		if results[resource+" opened"] == 0 || results[resource+" refused"] == 0 {
			t.Errorf("%v: want some of each", results)
		}
	}
	t.Log(results)
}

func limitedChild(t *testing.T, limit string) {
	const work = 16
	var resource string
	var spare uint64
	if _, err := fmt.Sscan(limit, &resource, &spare); err != nil {
		t.Fatal(err)
	}
	number, used := unix.RLIMIT_AS, "VmSize:"
	if resource == "data" {
		number, used = unix.RLIMIT_DATA, "VmData:"
	}
	value := fields(os.DirFS("/"), "proc/self/status")[used]*1024 + spare*mebibyte
	if err := unix.Setrlimit(number, &unix.Rlimit{Cur: value, Max: value}); err != nil {
		t.Fatal(err)
	}
	way, err := passphraseRecipient("p", work)
	if err == nil {
		_, err = encrypt(t.Context(), "x", way)
	}
	if err != nil {
		wantError(t, err, ErrMemory, "96 MiB", "ulimit")
		fmt.Println("RESULT refused")
		return
	}
	fmt.Println("RESULT opened")
}

// What the kernel says of memory only ever lowers what is taken to be there, and makes no
// path outside of where it says it.
func FuzzAvailableMemory(f *testing.F) {
	f.Add("MemAvailable: 1000 kB\nSwapFree: 1 kB\n", "0::/a/b\n", "1000\n", "10\n", "inactive_file 5\n")
	f.Add("MemAvailable: 18446744073709551615 kB\n", "4:memory:/../..//x\n0::/\n", "max", "18446744073709551615", "total_inactive_file 18446744073709551615")
	f.Add("", "0::", "-1", "", "\x00")
	f.Fuzz(func(t *testing.T, info, groups, limit, used, stat string) {
		files := map[string]string{"proc/meminfo": info, "proc/self/cgroup": groups}
		for _, dir := range []string{"sys/fs/cgroup", "sys/fs/cgroup/memory"} {
			for name, text := range map[string]string{
				"memory.max": limit, "memory.limit_in_bytes": limit, "memory.current": used, "memory.usage_in_bytes": used, "memory.stat": stat,
			} {
				files[path.Join(dir, name)] = text
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
