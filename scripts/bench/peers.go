package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"regshape/scripts/testenv"
)

// installed finds a helper, and what it needs.
func installed(helper string, needs ...string) (path string, err error) {
	for _, program := range needs {
		if _, err := exec.LookPath(program); err != nil {
			return "", err
		}
	}
	return exec.LookPath(helper)
}

// passLimit is the largest store that pass is measured with. It draws the tree of all its
// entries for each answer, and needs seconds for a hundred thousand.
const passLimit = 1000

// passOperations lists what is timed of docker-credential-pass, with a key without
// passphrase and stores of its own. end stops the key's agent. An error that wraps
// [exec.ErrNotFound] means that something is not installed.
func passOperations(ctx context.Context, dir string, sizes []int) (operations []*operation, end func(), err error) {
	t := tool{name: passTool, silent: true}
	if t.program, err = installed("docker-credential-pass", "pass", "gpg", "gpgconf"); err != nil {
		return nil, nil, err
	}
	home := filepath.Join(dir, "gpg") // a short path: the agent has a socket in it
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, nil, err
	}
	env := []string{"HOME=" + home, "GNUPGHOME=" + home}
	gpg := func(ctx context.Context, store string, words ...string) error {
		cmd := testenv.CommandContext(ctx, testenv.Environ(home, "GNUPGHOME="+home, "PASSWORD_STORE_DIR="+store), words[0], words[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", words[0], err, out)
		}
		return nil
	}
	stopAgent := func() { _ = gpg(context.WithoutCancel(ctx), "", "gpgconf", "--kill", "all") }
	defer func() {
		if err != nil {
			stopAgent()
		}
	}()
	if err := gpg(ctx, "", "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "bench@example.com", "default", "default", "never"); err != nil {
		return nil, nil, err
	}
	for _, size := range sizes {
		if size > passLimit {
			continue
		}
		store := filepath.Join(dir, fmt.Sprintf("pass-%d", size))
		if err := gpg(ctx, store, "pass", "init", "bench@example.com"); err != nil {
			return nil, nil, err
		}
		here := append(env[:len(env):len(env)], "PASSWORD_STORE_DIR="+store)
		if err := fillPass(ctx, t, dir, store, size, here); err != nil {
			return nil, nil, err
		}
		more, err := t.operations(ctx, dir, size, here...)
		if err != nil {
			return nil, nil, err
		}
		operations = append(operations, more...)
	}
	return operations, stopAgent, nil
}

// fillPass has the helper store the first credential, and copies its file under the names
// of the others: pass keeps the address in the name alone, and the secret alone inside.
func fillPass(ctx context.Context, t tool, dir, store string, size int, env []string) error {
	input := filepath.Join(dir, "stdin-pass-fill")
	if err := os.WriteFile(input, fmt.Appendf(nil, credential, address(0)), 0o600); err != nil {
		return err
	}
	first := &operation{tool: t.name, action: actStore, size: 1, command: []string{t.program, "store"}, env: testenv.Environ(dir, env...), input: input}
	if out, err := first.output(ctx); err != nil {
		return fmt.Errorf("%s: %w: %s", first, err, out)
	}
	file := func(n int) string {
		directory := base64.URLEncoding.EncodeToString([]byte(address(n)))
		return filepath.Join(store, "docker-credential-helpers", directory, benchUser+".gpg")
	}
	sealed, err := os.ReadFile(file(0))
	if err != nil {
		return errors.Join(errors.New("docker-credential-pass keeps its files elsewhere than expected"), err)
	}
	for n := 1; n < size; n++ {
		if err := os.Mkdir(filepath.Dir(file(n)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file(n), sealed, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// secretServiceLimit is the largest store that the Secret Service is measured with. Its
// daemon writes the whole keyring for each change, and a thousand take minutes.
const secretServiceLimit = 10

// secretServiceOperations lists what is timed of docker-credential-secretservice, with a
// gnome-keyring for each size on a D-Bus session of its own. end stops them. An error that
// wraps [exec.ErrNotFound] means that something is not installed.
func secretServiceOperations(ctx context.Context, dir string, sizes []int) (operations []*operation, end func(), err error) {
	t := tool{name: secretsvc}
	if t.program, err = installed("docker-credential-secretservice", "dbus-run-session", "gnome-keyring-daemon"); err != nil {
		return nil, nil, err
	}
	var stops []func()
	stopAll := func() {
		for _, stop := range stops {
			stop()
		}
	}
	defer func() {
		if err != nil {
			stopAll()
		}
	}()
	for _, size := range sizes {
		if size > secretServiceLimit {
			continue
		}
		home := filepath.Join(dir, fmt.Sprintf("keyring-%d", size))
		env, stop, err := session(home)
		if err != nil {
			return nil, nil, err
		}
		stops = append(stops, stop)
		if err := unlockedKeyring(ctx, home, env); err != nil {
			return nil, nil, err
		}
		if err := fillSecretService(ctx, t, home, size, env); err != nil {
			return nil, nil, err
		}
		more, err := t.operations(ctx, dir, size, env...)
		if err != nil {
			return nil, nil, err
		}
		operations = append(operations, more...)
	}
	return operations, stopAll, nil
}

// session starts a D-Bus session with a home of its own. It ends with stop, and also when
// this process dies, since its shell then reads the end of its input.
func session(home string) (env []string, stop func(), err error) {
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, nil, err
	}
	env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "XDG_DATA_HOME=" + filepath.Join(home, "data")}
	// Not killed with the context: that would leave the bus behind.
	cmd := testenv.Command(testenv.Environ(home, env...), "dbus-run-session", "--", "sh", "-c", `echo "$DBUS_SESSION_BUS_ADDRESS"; read _`)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		in.Close()
		_ = cmd.Wait() // the shell ends with 1: it has read nothing
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("dbus-run-session: %w", err)
	}
	return append(env, "DBUS_SESSION_BUS_ADDRESS="+strings.TrimSpace(line)), stop, nil
}

// unlockedKeyring starts gnome-keyring on a bus and waits until it is there. The bus is
// asked, and not the service: that would have the bus start a daemon that is locked. The
// daemon ends with its bus.
func unlockedKeyring(ctx context.Context, home string, env []string) error {
	daemon := testenv.CommandContext(ctx, testenv.Environ(home, env...), "gnome-keyring-daemon", "--unlock", "--components=secrets")
	daemon.Stdin = strings.NewReader("a password of the benchmark")
	log, err := os.Create(filepath.Join(home, "daemon.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Run(); err != nil { // it goes to the background by itself
		return fmt.Errorf("gnome-keyring-daemon: %w", err)
	}
	_, busAddress, _ := strings.Cut(env[len(env)-1], "=")
	conn, err := dbus.Connect(busAddress)
	if err != nil {
		return fmt.Errorf("D-Bus session: %w", err)
	}
	defer func() { _ = conn.Close() }()
	for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		var owned bool
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&owned); err != nil {
			return fmt.Errorf("D-Bus session: %w", err)
		}
		if owned {
			return nil
		}
	}
	return errors.New("gnome-keyring-daemon does not come up")
}

// fillSecretService has the helper itself store each credential.
func fillSecretService(ctx context.Context, t tool, home string, size int, env []string) error {
	input := filepath.Join(home, "stdin")
	o := &operation{tool: t.name, action: actStore, size: size, command: []string{t.program, "store"}, env: testenv.Environ(home, env...), input: input}
	for n := range size {
		if err := os.WriteFile(input, fmt.Appendf(nil, credential, address(n)), 0o600); err != nil {
			return err
		}
		if out, err := o.output(ctx); err != nil {
			return fmt.Errorf("%s: %w: %s", o, err, out)
		}
	}
	return nil
}
