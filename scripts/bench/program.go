package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"regshape/scripts/testenv"
	"regshape/store"
)

// Rows of their own.
const (
	programGet  = "`get` of a login by a program"
	patternMiss = "`get-miss` with 100 patterns"
)

// byProgram is what is timed of logins by a program.
type byProgram struct {
	get, miss      *operation // of a secret that is good, and of nothing beside patterns
	maker, renewal *operation // the program alone, and many gets at once after the end
}

const (
	patterns = 100
	crowd    = 20 // gets at once
)

// makerScript is the program: it takes a second, as those of clouds do, and tells that it was
// started. Its first secret ends after a second, so that the next has to be made.
const makerScript = `#!/bin/sh
cd "$(dirname "$0")" || exit
echo started >>starts
sleep 1
echo '{"Username":"` + benchUser + `","Secret":"` + benchSecret + `","ExpiresAt":"'"$(date -u -d "$(cat life)" +%Y-%m-%dT%H:%M:%SZ)"'"}'
`

// logInByProgram makes the stores, and checks that the crowd starts the program once.
func logInByProgram(ctx context.Context, helper, dir string) (*byProgram, error) {
	work := filepath.Join(dir, "program")
	directory, maker, front := filepath.Join(work, "store"), filepath.Join(work, "maker"), filepath.Join(work, "regshape")
	env := testenv.Environ(work, ourEnvironment(directory)...)
	if err := errors.Join(fillPatterns(ctx, directory), os.WriteFile(maker, []byte(makerScript), 0o700), os.Symlink(helper, front)); err != nil {
		return nil, err
	}
	asked, missed := filepath.Join(work, "asked"), filepath.Join(work, "missed")
	if err := errors.Join(os.WriteFile(asked, []byte(address(0)), 0o600), os.WriteFile(missed, []byte("a.miss.example.com"), 0o600)); err != nil {
		return nil, err
	}
	shell := func(script string) *operation {
		return &operation{tool: ours, size: 1, name: "the program of a login", command: []string{"sh", "-c", "cd " + work + " && " + script}, env: env}
	}
	login := shell("echo 1 day >life; ./regshape auth login " + address(1) + " --skip-verify --command ./maker")
	if out, err := login.output(ctx); err != nil {
		return nil, fmt.Errorf("log in by a program: %w: %s", err, out)
	}
	b := &byProgram{
		get:   &operation{tool: ours, action: actGet, size: 1, name: programGet, command: []string{helper, "get"}, env: env, input: asked},
		miss:  &operation{tool: ours, action: actMiss, size: patterns, name: patternMiss, command: []string{helper, "get"}, env: env, input: missed, fails: true},
		maker: shell("./maker >made"),
		renewal: shell(fmt.Sprintf("for i in $(seq %d); do echo %s | %s get >answer$i & done; wait; test $(cat answer* | grep -c %s) = %d",
			crowd, address(1), helper, benchUser, crowd)),
	}
	b.renewal.before = shell("echo 1 second >life; ./regshape auth refresh " + address(1) + "; sleep 2; echo 1 day >life; : >starts")
	if err := errors.Join(b.get.check(ctx), b.miss.check(ctx), b.renewal.check(ctx)); err != nil {
		return nil, err
	}
	b.maker.estimate = b.renewal.estimate
	starts, err := os.ReadFile(filepath.Join(work, "starts"))
	if n := strings.Count(string(starts), "\n"); err != nil || n != 1 {
		return nil, fmt.Errorf("%d get at once started their program %d times, %v", crowd, n, err) //nolint:errorlint // may be nil
	}
	return b, nil
}

// fillPatterns stores a login whose program has made a secret, and patterns.
func fillPatterns(ctx context.Context, dir string) error {
	if err := fill(ctx, dir, 1); err != nil {
		return err
	}
	s, err := open(dir)
	if err != nil {
		return err
	}
	login := func(registry string) (store.Credential, error) {
		c := store.Credential{ServerURL: registry, Canonical: registry, Username: benchUser, Kind: store.KindPassword}.
			MadeBy(store.Program{Words: []string{"/bin/false"}})
		return c, s.Put(ctx, c)
	}
	for n := range patterns {
		if _, err := login("*." + address(n)); err != nil {
			return err
		}
	}
	first, err := login(address(0))
	if err != nil {
		return err
	}
	now := time.Now()
	answer := store.Credential{Username: benchUser, Secret: benchSecret, Kind: store.KindPassword, Answer: &store.Answer{Made: now, Ends: now.Add(24 * time.Hour)}}
	return s.Keep(ctx, first, answer)
}
