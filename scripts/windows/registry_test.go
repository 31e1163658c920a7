//go:build wine && linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regshape/scripts/testenv"
	"regshape/scripts/testregistry"
)

// startRegistry runs Debian's registry for alice and returns its address.
func startRegistry(t *testing.T, password string) (host string) {
	t.Helper()
	dir := t.TempDir()
	accounts := testenv.Command(testenv.Environ(dir), "htpasswd", "-niBC", "5", "alice")
	accounts.Stdin = strings.NewReader(password) // in an argument everybody could read it
	line, err := accounts.Output()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	if err != nil {
		t.Fatal(err)
	}
	host = listener.Addr().String()
	_ = listener.Close()
	file, config := filepath.Join(dir, "htpasswd"), filepath.Join(dir, "config.yml")
	err = errors.Join(os.WriteFile(file, line, 0o600), os.WriteFile(config, fmt.Appendf(nil,
		"version: 0.1\nstorage: {filesystem: {rootdirectory: %q}}\nhttp: {addr: %q}\nauth: {htpasswd: {realm: wine, path: %q}}\n",
		filepath.Join(dir, "data"), host, file), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	server := testenv.Command(testenv.Environ(dir, "OTEL_TRACES_EXPORTER=none"), "docker-registry", "serve", config)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // always "killed"
	})
	client := &testregistry.Client{Base: "http://" + host, User: "alice", Password: password}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := client.Login(context.Background()); err == nil {
			return host
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Logs in to a real registry, in the directories that Windows gives a user.
func TestLogin(t *testing.T) {
	const password = `p"ä$ß%w ✓`
	host := startRegistry(t, password)
	s := &session{t: t}
	local := filepath.Join(profile(t), "AppData", "Local", "regshape")
	if _, err := os.Stat(local); err == nil {
		t.Fatalf("%s is there already", local)
	}
	login := "regshape auth login " + host + " -u alice --password-stdin"
	s.says(1, []string{"authentication rejected"}, "wrong", login)
	s.says(1, []string{miss}, host, helper+"get")
	s.says(0, []string{"Login Succeeded\n", `\AppData\Local\regshape`}, password+"\r\n", login)
	if _, err := os.Stat(filepath.Join(local, "v1")); err != nil {
		t.Error(err)
	}
	s.gives(host, "alice", password)
	s.says(0, []string{host, "alice"}, "", "regshape auth list")
	s.says(0, []string{host, "verified"}, "", "regshape auth status")
	s.says(0, []string{"secret: " + password}, "", "regshape auth get --show-secret", host)
	s.says(1, []string{"connection refused"}, password, "regshape auth login 127.0.0.1:1 -u alice --password-stdin")

	o := s.says(0, []string{
		"ok  both names are on PATH, same build", "docker is not installed", "podman, skopeo and buildah are not installed",
		"ok  the key opens the store, 1 login", "the keyring of the operating system", "ok  store, get, list and erase work",
	}, "", "regshape auth doctor")
	if strings.Contains(o.text(), "BAD") || strings.Contains(o.text(), "fix:") {
		t.Errorf("doctor finds trouble: %s", o.text())
	}

	s.says(0, []string{"Removing login credentials for " + host}, "", "regshape auth logout", host)
	s.says(1, []string{miss}, host, helper+"get")
}
