package acceptance

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"regshape/scripts/testregistry/canary"
)

// watched are the system calls by which something can leave a process: with a program,
// a file, a name, a connection or a key of the kernel.
const watched = "execve,execveat,write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,sendmmsg,add_key,keyctl,openat,open,creat," +
	"link,linkat,symlink,symlinkat,rename,renameat,renameat2,mkdir,mkdirat,connect,setxattr,fsetxattr,memfd_create," +
	"copy_file_range,sendfile,splice,clone,clone3,fork,vfork"

// sighting is one system call of regshape's own with the strings that it handed over.
type sighting struct {
	call string
	fd   string // the number of the first argument, where that is a descriptor
	to   string // what the descriptor is: a path, "pipe:[n]", "TCP:[…]"
	data []byte // all strings of the call, one after the other
}

var (
	straceCall  = regexp.MustCompile(`^(\d+) +([a-z0-9_]+)\((.*)$`)
	straceChild = regexp.MustCompile(`^(\d+) +(?:(?:clone3?|v?fork)\(|<\.\.\. (?:clone3?|v?fork) resumed>).* = (\d+)(?:<[^>]*>)?$`)
	straceText  = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"`)
	straceFile  = regexp.MustCompile(`^(\d+)<((?:->|[^<>])*)>`)
)

// straced is the command line that traces a program into a file. All strings are whole
// and in hexadecimal, so that nothing of them can be taken for the trace's own words.
func straced(log string, args ...string) []string {
	return append([]string{"strace", "-f", "-qq", "--seccomp-bpf", "-yy", "-xx", "-v", "-s", "4194304", "-o", log, "-e", "trace=" + watched}, args...)
}

// ownCalls reads a trace and returns the calls of regshape under either name, not those of
// the programs that it starts: only what they are started with is regshape's.
func ownCalls(t *testing.T, log string) []sighting {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	parent := map[string]string{}
	for _, line := range lines {
		if m := straceChild.FindStringSubmatch(line); m != nil {
			parent[m[2]] = m[1]
		}
	}
	running := map[string]string{} // the program of each thread
	var program func(id string) string
	program = func(id string) string {
		if _, known := running[id]; !known {
			running[id] = ""
			if up, ok := parent[id]; ok {
				running[id] = program(up)
			}
		}
		return running[id]
	}
	var seen []sighting
	for _, line := range lines {
		m := straceCall.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		id, call, rest := m[1], m[2], m[3]
		if call == "keyctl" && strings.HasPrefix(rest, "KEYCTL_READ") {
			continue // what comes in
		}
		one := sighting{call: call}
		if f := straceFile.FindStringSubmatch(rest); f != nil {
			one.fd, one.to = f[1], string(unhex(f[2]))
		}
		texts := straceText.FindAllStringSubmatch(rest, -1)
		for _, text := range texts {
			one.data = append(append(one.data, unhex(text[1])...), '\n')
		}
		own := program(id)
		if own == "regshape" || strings.HasPrefix(own, "docker-credential-regshape") {
			seen = append(seen, one)
		}
		if call == "execve" && len(texts) > 0 {
			running[id] = filepath.Base(string(unhex(texts[0][1])))
		}
	}
	if len(seen) == 0 {
		t.Fatalf("the trace shows no call of regshape's:\n%.2000s", data)
	}
	return seen
}

var straceByte = regexp.MustCompile(`\\x([0-9a-f]{2})`)

// unhex undoes what -xx does.
func unhex(text string) []byte {
	return []byte(straceByte.ReplaceAllStringFunc(text, func(b string) string {
		raw, _ := hex.DecodeString(b[2:]) // two digits, as matched
		return string(raw)
	}))
}

// place says in words where a call took its data.
func (s *scene) place(one sighting, servers []string) string {
	below := func(dir string) bool { return strings.HasPrefix(one.to, s.path(dir)) }
	switch {
	case one.call == "add_key" || one.call == "keyctl":
		return "kernel keyring"
	case one.call == "execve" || one.call == "execveat":
		return "arguments or environment of a child"
	case one.to == "":
		return "arguments of " + one.call
	case strings.HasPrefix(one.to, "TCP"):
		for _, server := range servers {
			if strings.HasSuffix(one.to, "->"+server+"]") {
				return "registry"
			}
		}
		return "another host: " + one.to
	case one.fd == "1":
		return "stdout"
	case one.fd == "2":
		return "stderr"
	case strings.HasPrefix(one.to, "pipe:"):
		return "helper" // what a child reads
	case strings.HasPrefix(one.to, "UNIX-STREAM:") && strings.Contains(one.to, "regshape-forward"):
		return "who asks a forward"
	case below(stateDir + "/"):
		return "key file"
	case below("plain/"):
		return "authfile"
	}
	return one.to
}

// named is a secret with a word for it.
type named struct{ name, value string }

// found lists "secret > place" for each secret that a call holds, sorted, each once.
func (s *scene) found(seen []sighting, secrets []named, servers []string) []string {
	var all []string
	var together []byte
	for _, one := range seen {
		s.tried.looks.Add(1)
		together = append(together, one.data...)
	}
	for _, secret := range secrets {
		if canary.Find(together, secret.value) == "" {
			continue // most are in no call at all
		}
		for _, one := range seen {
			if canary.Find(one.data, secret.value) == "" {
				continue
			}
			entry := fmt.Sprintf("%s > %s", secret.name, s.place(one, servers))
			if !slices.Contains(all, entry) {
				all = append(all, entry)
			}
		}
	}
	slices.Sort(all)
	return all
}
