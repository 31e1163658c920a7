package setup

import (
	"fmt"
	"slices"
	"strings"

	"regshape/login/authfile"
	"regshape/login/terminal"
	"regshape/store/printable"
)

// maxShownLine bounds a line of a file, or a path, that setup shows.
const maxShownLine = 4096

// show tells what an edit changes.
func (s *setup) show(x plannedEdit) {
	file := printable.Line(x.File, maxShownLine)
	if !x.Existed {
		file += " (new file)"
	}
	s.say("%s:", file)
	s.sayChanges(x.Tool, x.Before, x.After)
}

// sayChanges shows the members that differ between two texts of a file, and nothing else of
// it: what stands beside them may be a secret.
func (s *setup) sayChanges(tool string, before, after []byte) {
	lines := HelperChanges(before, after)
	if tool == "podman" {
		lines = DropInChanges(before, after)
	}
	for _, line := range lines {
		s.say("  %s", line)
	}
}

// HelperChanges lists the changes of docker's settings.
func HelperChanges(before, after []byte) []string {
	old, err := authfile.Parse("", before, authfile.Docker)
	if err != nil {
		return nil // cannot happen: the edit was made from it
	}
	now, err := authfile.Parse("", after, authfile.Docker)
	if err != nil {
		return nil
	}
	var lines []string
	if a, b := old.CredsStore(), now.CredsStore(); a != b {
		lines = append(lines, fmt.Sprintf("credsStore: %s → %s", shownHelper(a, a != ""), shownHelper(b, b != "")))
	}
	var hosts []string
	for _, c := range slices.Concat(old.CredHelpers(), now.CredHelpers()) {
		if !slices.Contains(hosts, c.Host) {
			hosts = append(hosts, c.Host)
		}
	}
	for _, host := range hosts {
		a, wasThere := hostHelper(old, host)
		b, isThere := hostHelper(now, host)
		if a != b || wasThere != isThere {
			lines = append(lines, fmt.Sprintf("credHelpers[%q]: %s → %s", printable.Line(host, 200), shownHelper(a, wasThere), shownHelper(b, isThere)))
		}
	}
	return lines
}

// shownHelper is a value of docker's settings for people. What cannot be a helper's name may
// be anything, a secret too.
func shownHelper(name string, there bool) string {
	switch {
	case !there:
		return "(none)"
	case name == "":
		return `""`
	case !authfile.IsHelperName(name):
		return "(hidden: not the name of a helper)"
	}
	return name
}

// DropInChanges lists the changes of podman's drop-in: of a new one its lines, else the
// list of helpers, and how many other settings go.
func DropInChanges(before, after []byte) []string {
	var lines []string
	if len(before) == 0 {
		for line := range strings.Lines(string(after)) {
			lines = append(lines, printable.Line(line, maxShownLine))
		}
		return lines
	}
	old, others := dropInSettings(before)
	now, kept := dropInSettings(after)
	lines = append(lines, fmt.Sprintf("credential-helpers: %s → %s", old, now))
	others = slices.DeleteFunc(others, func(line string) bool { return slices.Contains(kept, line) })
	if n := len(others); n > 0 {
		lines = append(lines, terminal.Count(n, "other line")+" removed")
	}
	return lines
}

// dropInSettings are the list of helpers as a drop-in writes it, and its other settings.
func dropInSettings(text []byte) (list string, others []string) {
	list = "(none)"
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if value, ok := strings.CutPrefix(line, "credential-helpers"); ok {
			list = printable.Line(strings.TrimLeft(value, " \t="), maxShownLine)
		} else if line != "" && line[0] != '#' {
			others = append(others, line)
		}
	}
	return list, others
}
