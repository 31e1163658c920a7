package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"regshape/scripts/testregistry"
	"regshape/scripts/testregistry/canary"
)

const (
	user   = "demo"
	repo   = "team/app"
	helper = "docker-credential-regshape"
)

// run tells the whole story on out and returns the first step that went wrong.
func run(ctx context.Context, bin string, out io.Writer) (err error) {
	bin, err = programs(bin)
	if err != nil {
		return err
	}
	password, master := rand.Text(), rand.Text()
	host, stop, err := serve(password, master)
	if err != nil {
		return fmt.Errorf("start the registry: %w", err)
	}
	defer stop()
	s, err := newStage(ctx, out, bin, host, password, master)
	if err != nil {
		return fmt.Errorf("prepare a temporary HOME: %w", err)
	}
	defer func() { err = errors.Join(err, s.clear()) }()

	s.say("A private registry, for this demo alone, listens at %s: user %s, a random password.", host, user)
	s.say("HOME is a temporary directory (~ below). Your own logins and settings are not touched.")
	for _, step := range []func() error{s.login, s.list, s.get, s.pull, s.leaks, s.logout, s.refused, s.renewing, s.logout} {
		if err := step(); err != nil {
			return err
		}
	}
	served := "no client, as none is on this machine"
	if len(s.served) > 0 {
		served = strings.Join(s.served, ", ")
	}
	s.say("\nDone: one login served %s; no file held the password; one logout ended it; another renewed itself.", served)
	return nil
}

// serve starts the registry on a random port of the loopback device.
func serve(password, master string) (host string, stop func(), err error) {
	registry := testregistry.New(testregistry.Options{
		Auth:  testregistry.Basic,
		Users: map[string]string{user: password},
	})
	if _, err := registry.Seed(repo, "latest"); err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); valid(secret, master, time.Now()) {
			r.SetBasicAuth(user, password)
		}
		registry.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: door, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with the Close below, with that error and no other
	}()
	stop = func() {
		_ = server.Close()
		<-done
	}
	return fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port), stop, nil
}

func (s *stage) login() error {
	s.heading("Log in; regshape asks the registry before it stores anything. The password goes in on stdin.")
	_, err := s.show(s.password+"\n", "auth", "login", s.host, "-u", user, "--password-stdin")
	return err
}

func (s *stage) list() error {
	s.heading("What is stored, without its secret:")
	got, err := s.show("", "auth", "list")
	if err == nil && !strings.Contains(got, s.host) {
		err = fmt.Errorf("the list does not name %s", s.host)
	}
	return err
}

// get asks as docker would, and shows the answer without its secret.
func (s *stage) get() error {
	s.heading("Docker's helper protocol answers (the secret is hidden here):")
	secret, err := s.answer()
	if err == nil && secret != s.password {
		err = errors.New("the helper answered another secret than was stored")
	}
	return err
}

// answer is the secret that the helper gives; it is hidden in what is shown.
func (s *stage) answer() (string, error) {
	s.command(helper, "get")
	result := s.try(s.host, helper, "get")
	if result.err != nil {
		return "", result.failure()
	}
	var answer struct{ ServerURL, Username, Secret string }
	if err := json.Unmarshal([]byte(result.stdout), &answer); err != nil {
		return "", errors.New("the helper's answer is not JSON")
	}
	if answer.Username != user {
		return "", errors.New("the helper answered another user than was stored")
	}
	secret := answer.Secret
	answer.Secret = fmt.Sprintf("(hidden, %d bytes)", len(secret))
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return "", err
	}
	s.output(text.String())
	return secret, nil
}

// pull lets every client that is here use the login.
func (s *stage) pull() error {
	s.heading("The clients read the private image %s/%s, without another password:", s.host, repo)
	return s.pulls()
}

func (s *stage) pulls() error {
	s.served = nil
	for _, c := range clients {
		if reason := c.absent(s); reason != "" {
			s.output(c.name + ": " + reason)
			continue
		}
		s.command(c.name, c.args(s)...)
		if result := s.try("", c.name, c.args(s)...); result.err != nil {
			return result.failure()
		}
		s.output("ok")
		s.served = append(s.served, c.name)
	}
	return nil
}

func (s *stage) leaks() error {
	s.heading("No file below HOME holds the password, in clear or in base64:")
	// base64 within a longer text (user:password) is looked for too.
	files, found, err := canary.Tree(s.home, s.password)
	if err != nil {
		return fmt.Errorf("look for the password: %w", err)
	}
	if len(found) > 0 {
		return fmt.Errorf("the password is in %s", strings.Join(found, ", "))
	}
	s.output(fmt.Sprintf("%d files read, none does", files))
	return nil
}

func (s *stage) logout() error {
	s.heading("Log out:")
	_, err := s.show("", "auth", "logout", s.host)
	return err
}

// refused asks the helper and the clients again: the login must be gone, and the
// image private.
func (s *stage) refused() error {
	s.heading("Now the image is refused:")
	if got := s.try(s.host, helper, "get"); got.err == nil || !strings.Contains(got.stdout, "credentials not found") {
		return errors.New("the helper still answers after the logout")
	}
	s.output("helper: credentials not found")
	for _, c := range clients {
		if c.absent(s) != "" {
			continue
		}
		result := s.try("", c.name, c.args(s)...)
		if result.err == nil {
			return fmt.Errorf("%s still gets the image after the logout", c.name)
		}
		if !result.unauthorized() {
			return result.failure()
		}
		s.output(c.name + ": authentication required")
	}
	stranger := testregistry.Client{Base: "http://" + s.host}
	if _, err := stranger.Pull(s.ctx, repo, "latest"); !errors.Is(err, testregistry.ErrRefused) {
		return errors.New("the registry gives the image to anybody")
	}
	return nil
}
