// Package advice finds the error lines of the program that leave whoever reads them without a
// next step. A test of the source looks at each error text with it, and the tests that run the
// program at each failure.
package advice

import (
	"encoding/json"
	"regexp"
	"strings"
)

// step is an instruction in a message: a verb where a clause may begin. What says which step
// has failed, such as "put the new key in place: ", is none; nor is what package os writes in
// front of a path, such as "remove /x".
var step = regexp.MustCompile(`(?:[:;,(] |\) | or | and )(?:first |then |also |so )?(?:` +
	`(?:add|answer|ask|choose|decrypt|end|fix|free|give|have|install|leave|log (?:in|out)|name|omit|raise|replace|restore|run|send|set|start|try|unset|upgrade|use|wait)` +
	`|(?:change|check|keep|make|move|put|remove|rename) (?:it|its|them|that|those|one|what|nothing|where|credential-helpers|Keychain|the (?:desktop|disk|mount|passphrase|path|program|store)|"|%q))\b`)

// Given reports whether a text says what to do.
func Given(text string) bool { return step.MatchString(text) }

// complete are the messages that need no more, with the reason.
var complete = map[string]string{
	"interrupted": "the user did it",
	"credentials not found in native keychain": "an everyday answer, which callers compare to the letter",
	"no credentials server URL":                "the protocol's text, for who wrote the caller",
	"no credentials username":                  "the protocol's text, for who wrote the caller",
}

func missing(message string) bool { return !Given(message) && complete[message] == "" }

// Missing returns the messages of a failed run that say nothing of what to do: of the front end
// the errors on standard error, and what is in its JSON; of the helper its one line.
func Missing(helper bool, out, errs string) (found []string) {
	if helper {
		if line, _, _ := strings.Cut(out, "\n"); missing(line) && !strings.HasPrefix(line, "Usage: ") {
			found = append(found, line)
		}
		return found
	}
	lines := strings.Split(errs, "\n")
	for i, line := range lines {
		message, isError := strings.CutPrefix(line, "Error: ")
		if !isError || !missing(message) {
			continue
		}
		next := lines[i+1]
		if strings.HasPrefix(next, "The registry says: ") {
			next = lines[i+2]
		}
		if !strings.HasPrefix(next, "Hint: ") {
			found = append(found, line)
		}
	}
	return append(found, inFindings(out)...)
}

// failed is what the JSON of failures has in common: the whole, the parts of one, a row of
// several, a finding.
type failed struct {
	Level, Status, Message, Hint, Problem string
	What, Fix                             string
	Failed, Programs                      []failed
}

// good are the words of rows that did not fail.
var good = regexp.MustCompile(`^(success|verified|unverified|skipped|renewed|unchanged)$`)

// inFindings looks at JSON, and at the text of doctor.
func inFindings(out string) (found []string) {
	var all []failed
	if json.Unmarshal([]byte(out), &all) != nil {
		all = make([]failed, 1)
		if json.Unmarshal([]byte(out), &all[0]) != nil {
			return inDoctor(out)
		}
	}
	for i, one := range all {
		parts := append(one.Failed, one.Programs...)
		if len(parts) == 0 {
			parts = all[i : i+1]
		}
		for _, f := range parts {
			if text := f.Message + f.Problem; text != "" && f.Hint == "" && missing(text) && !good.MatchString(f.Status) {
				found = append(found, text)
			}
			if f.Level == "problem" && f.Fix == "" && missing(f.What) {
				found = append(found, f.What)
			}
		}
	}
	return found
}

func inDoctor(out string) (found []string) {
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		if what, bad := strings.CutPrefix(line, "BAD "); bad && missing(what) && !strings.HasPrefix(lines[i+1], "    fix: ") {
			found = append(found, line)
		}
	}
	return found
}
