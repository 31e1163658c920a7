package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// maker is the name under which this program makes secrets, as a cloud's command does.
	maker = "cloud-token"
	// life of a secret, in place of a cloud's hours.
	life = 4 * time.Second
	// masterFile, in the maker's directory, is what its secrets are made of.
	masterFile = "master"
)

// renewing logs in by a program, and waits until its first secret has ended.
func (s *stage) renewing() error {
	s.heading("A cloud's secret ends soon. Log in by the program that makes it; here it lives for %v:", life)
	path, err := s.install()
	if err != nil {
		return err
	}
	if _, err := s.show("", "auth", "login", s.host, "--command", path); err != nil {
		return err
	}
	first, err := s.answer()
	if err != nil {
		return err
	}
	s.heading("%v later, whoever asks next gets the next one:", life)
	select {
	case <-time.After(life):
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	if err := s.pulls(); err != nil {
		return err
	}
	next, err := s.answer()
	if err == nil && next == first {
		err = errors.New("the helper answers a secret that has ended")
	}
	return err
}

// install puts this program into the HOME under its second name.
func (s *stage) install() (path string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return "", err
	}
	path = filepath.Join(s.home, "cloud", maker+exe)
	if err := s.write("cloud/"+masterFile, s.master); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, program, 0o700)
}

// secret ends at a whole second, as it says itself.
func secret(master string, end time.Time) string {
	stamp := end.UTC().Format(time.RFC3339)
	sum := hmac.New(sha256.New, []byte(master))
	_, _ = io.WriteString(sum, stamp)
	return stamp + "." + hex.EncodeToString(sum.Sum(nil))
}

// valid reports whether the registry still takes a secret. A second is for one on its way.
func valid(text, master string, now time.Time) bool {
	stamp, _, _ := strings.Cut(text, ".")
	end, err := time.Parse(time.RFC3339, stamp)
	return err == nil && now.Before(end.Add(time.Second)) && hmac.Equal([]byte(text), []byte(secret(master, end)))
}

// mint prints a new secret in the form that 'login --command' reads.
func mint(out io.Writer) {
	master, err := os.ReadFile(filepath.Join(filepath.Dir(os.Args[0]), masterFile))
	if err == nil {
		end := time.Now().Add(life)
		err = json.NewEncoder(out).Encode(map[string]any{"Username": user, "Secret": secret(string(master), end), "ExpiresAt": end.Truncate(time.Second)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
