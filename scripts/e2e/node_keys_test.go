//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry/canary"
)

// What a place of the key is worth on a node: to whoever takes its disk to another machine, and
// after a reboot without a person. The state of the TPM is no part of the disk.
func TestNodeKeys(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: so does the kubelet")
	}
	const answered, locked = `"cacheKeyType":"Image"`, "store is locked"
	blocks := recipe(t, "Keys on nodes", "bash")
	if len(blocks) != 3 {
		t.Fatalf("the recipe has %d blocks", len(blocks))
	}
	verifyUnit(t, filepath.Join(t.TempDir(), "kubelet.service"), recipe(t, "Keys on nodes", "ini")[0]+"ExecStart=/bin/true\n")
	const login = "regshape auth login registry.example.com -u alice --password-stdin < robot-a\n"
	for _, c := range []struct {
		name           string
		steps          []string
		disk, rebooted string
	}{
		{"file", []string{login}, answered, answered},
		{"systemd credential", blocks[:2], "key", answered},
		{"command", blocks[2:], "tpm2_unseal failed", answered},
		{"passphrase", []string{login, "regshape auth key protect --passphrase-file robot-a\nregshape auth unlock --passphrase-file robot-a\n"}, locked, locked},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, r := example(t)
			n := nodeDisk{h: h, socket: filepath.Join(t.TempDir(), "tpm")}
			h.env = append(h.env, "TPM2TOOLS_TCTI=swtpm:path="+n.socket)
			board, another := t.TempDir(), t.TempDir()
			stop := n.tpm(board)
			h.write("robot-a", r.password)
			h.must(os.MkdirAll(filepath.Join(h.dir, "etc"), 0o700))
			for _, step := range c.steps {
				h.script(r, n.here(step)).ok().quiet()
				n.boot()
			}
			h.must(os.Remove(filepath.Join(h.dir, "robot-a")))
			if got := n.ask(r.host); !strings.Contains(got, answered) || !strings.Contains(got, r.host) {
				t.Errorf("before: %s", canary.Redact(got, h.secrets...))
			}
			for _, x := range []struct{ what, state, want string }{{"on another machine", another, c.disk}, {"after a reboot", board, c.rebooted}} {
				stop()
				h.run("regshape", "auth", "lock") // the kernel's keyring is empty then
				h.must(os.RemoveAll(filepath.Join(h.dir, "run")))
				h.must(os.Mkdir(filepath.Join(h.dir, "run"), 0o700))
				stop = n.tpm(x.state)
				n.boot()
				if got := n.ask(r.host); !strings.Contains(got, x.want) || (x.want == answered) != strings.Contains(got, r.host+`":{`) {
					t.Errorf("%s: got %q, want %q", x.what, canary.Redact(got, h.secrets...), x.want)
				}
			}
			stop()
		})
	}
}

// nodeDisk is a home as the disk of a node, with a TPM behind a socket.
type nodeDisk struct {
	h      *home
	socket string
}

// here has a recipe work on this disk and with this TPM. Each line is one without a manager of
// the TPM's memory, which the kernel is on a real one.
func (n nodeDisk) here(code string) string {
	if strings.Contains(code, "tpm2_") {
		code = strings.ReplaceAll(code, "\nregshape", "\ntpm2_flushcontext --transient-object\nregshape")
		code = strings.ReplaceAll(code, "\ntpm2_", "\ntpm2_flushcontext --transient-object\ntpm2_")
	}
	return strings.NewReplacer("/etc/", n.h.dir+"/etc/", "/run/credentials/kubelet.service", n.h.dir+"/run", "-u robot-a", "-u alice",
		"--with-key=tpm2", "--with-key=tpm2 --tpm2-device=swtpm:path="+n.socket).Replace(code)
}

// boot does what systemd does before it starts the kubelet; that fails on another board.
func (n nodeDisk) boot() {
	sealed := filepath.Join(n.h.dir, "etc", "regshape-key.cred")
	if _, err := os.Stat(sealed); err == nil {
		n.h.run("systemd-creds", "decrypt", "--tpm2-device=swtpm:path="+n.socket, "--name=regshape-key", sealed, n.keyFile())
	}
}

func (n nodeDisk) keyFile() string { return filepath.Join(n.h.dir, "run", "regshape-key") }

// ask plays one request of the kubelet, and returns all that the program prints.
func (n nodeDisk) ask(host string) string {
	n.h.t.Helper()
	program := filepath.Join(n.h.dir, "regshape-credential-provider")
	if _, err := os.Lstat(program); err != nil {
		n.h.must(os.Symlink(filepath.Join(binDir, "regshape"), program))
	}
	command := testenv.Command(n.h.env, program)
	if _, err := os.Stat(filepath.Join(n.h.dir, "etc", "regshape-key.cred")); err == nil {
		command.Env = append(command.Env, "REGSHAPE_KEY_FILE="+n.keyFile())
	}
	command.Stdin = strings.NewReader(`{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderRequest","image":"` + host + `/team/app"}`)
	out, _ := command.CombinedOutput() // a failure shows in it
	return string(out)
}

// tpm starts one with the state in a directory.
func (n nodeDisk) tpm(state string) (stop func()) {
	n.h.t.Helper()
	_ = os.Remove(n.socket) // of the one before
	command := testenv.Command(n.h.env, n.h.lookPath("swtpm"), "socket", "--tpm2", "--tpmstate", "dir="+state,
		"--server", "type=unixio,path="+n.socket, "--ctrl", "type=unixio,path="+n.socket+".ctrl", "--flags", "not-need-init,startup-clear")
	n.h.must(command.Start())
	stop = func() {
		_ = command.Process.Kill() // it may have ended by itself
		_ = command.Wait()         // always "killed"
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if n.h.run("tpm2_getrandom", "--hex", "1").code == 0 {
			return stop
		}
	}
	stop()
	n.h.t.Fatal("the TPM does not answer")
	return nil
}
