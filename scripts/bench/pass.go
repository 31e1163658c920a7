package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"regshape/scripts/testenv"
)

// passLimit is the largest store that pass is measured with. It draws the tree of all its
// entries for each answer, and needs seconds for a hundred thousand.
const passLimit = 1000

// passOperations lists what is timed of docker-credential-pass, with a key without
// passphrase and stores of its own. end stops the key's agent. An error that wraps
// [exec.ErrNotFound] means that something is not installed.
func passOperations(ctx context.Context, dir string, sizes []int) (operations []*operation, end func(), err error) {
	t := tool{name: passTool, silent: true}
	if t.program, err = exec.LookPath("docker-credential-pass"); err != nil {
		return nil, nil, err
	}
	for _, program := range []string{"pass", "gpg", "gpgconf"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, nil, err
		}
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
		folder := base64.URLEncoding.EncodeToString([]byte(address(n)))
		return filepath.Join(store, "docker-credential-helpers", folder, benchUser+".gpg")
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
