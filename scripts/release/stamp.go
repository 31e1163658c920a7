package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stamp says which commit a release is made of.
type stamp struct {
	version string // as `git describe` has it
	commit  string
	time    time.Time
}

// date is the commit's time as the Makefile stamps it.
func (s stamp) date() string { return s.time.Format("2006-01-02T15:04:05Z") }

// name is the version in file names: without the v of the tag.
func (s stamp) name() string { return strings.TrimPrefix(s.version, "v") }

var (
	fileVersion   = regexp.MustCompile(`^v?[0-9a-zA-Z][0-9a-zA-Z.+_-]*$`)
	numbers       = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*`)
	afterTag      = regexp.MustCompile(`^(.+)-([0-9]+)-(g[0-9a-f]+)$`)
	notInPackages = regexp.MustCompile(`[^0-9a-zA-Z.]+`)
)

// packageVersion is the version as dpkg and rpm order it: 1.2.0~rc.1 before 1.2.0, that
// before 1.2.0+5.gabc, five commits later. Without any tag it is 0 and the commit's time.
func (s stamp) packageVersion() string {
	version, later := s.name(), ""
	if m := afterTag.FindStringSubmatch(version); m != nil {
		version, later = m[1], "+"+m[2]+"."+m[3]
	}
	release := numbers.FindString(version)
	if release == "" || strings.HasPrefix(s.commit, version) {
		return fmt.Sprintf("0+%s.g%.12s", s.time.Format("20060102150405"), s.commit)
	}
	if before := strings.TrimLeft(version[len(release):], "-"); before != "" {
		release += "~" + notInPackages.ReplaceAllString(before, ".")
	}
	return release + later
}

// readStamp asks git, with the very words of the Makefile, and refuses changes that no
// commit has: nobody could make that release again.
func readStamp(ctx context.Context) (stamp, error) {
	changes, err := git(ctx, "status", "--porcelain")
	if err != nil {
		return stamp{}, fmt.Errorf("a release takes version and time from a git checkout: %w", err)
	}
	if changes != "" {
		first, _, _ := strings.Cut(changes, "\n")
		return stamp{}, fmt.Errorf("the checkout has changes that are in no commit, %q for one: commit or remove them", strings.TrimSpace(first))
	}
	var s stamp
	if s.version, err = git(ctx, "describe", "--tags", "--always", "--dirty", "--abbrev=12"); err != nil {
		return stamp{}, err
	}
	if !fileVersion.MatchString(s.version) {
		return stamp{}, fmt.Errorf("the tag %q cannot be part of a file name: tag the commit v1.2.3", s.version)
	}
	if s.commit, err = git(ctx, "rev-parse", "--verify", "-q", "HEAD"); err != nil {
		return stamp{}, err
	}
	seconds, err := git(ctx, "log", "-1", "--format=%ct")
	if err != nil {
		return stamp{}, err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return stamp{}, fmt.Errorf("the commit's time: %w", err)
	}
	s.time = time.Unix(unix, 0).UTC()
	return s, nil
}

func git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	return strings.TrimSpace(string(out)), failed("git "+args[0], err)
}

// failed adds what a program wrote on standard error, which alone says why.
func failed(what string, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && len(exit.Stderr) > 0:
		return fmt.Errorf("%s: %w: %s", what, err, strings.TrimSpace(string(exit.Stderr)))
	}
	return fmt.Errorf("%s: %w", what, err)
}
