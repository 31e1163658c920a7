package main

import (
	"fmt"
	"strings"
)

// readExplained reads the mutants that no test has to kill: lines that each name one, and
// below them, indented, why. Empty lines stand between, and "#" begins a comment.
func readExplained(text string) (map[string]string, error) {
	reasons := map[string]string{}
	var keys []string
	told := false
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(line, "#"):
			continue
		case trimmed == line:
			if told {
				keys, told = nil, false
			}
			if _, twice := reasons[line]; twice {
				return nil, fmt.Errorf("explained.txt:%d: it stands there twice", i+1)
			}
			keys = append(keys, line)
			reasons[line] = ""
		case len(keys) == 0:
			return nil, fmt.Errorf("explained.txt:%d: a reason without a mutant", i+1)
		default:
			told = true
			for _, key := range keys {
				reasons[key] = strings.TrimSpace(reasons[key] + " " + trimmed)
			}
		}
	}
	for key, reason := range reasons {
		if reason == "" {
			return nil, fmt.Errorf("explained.txt: %s: no reason is given", key)
		}
	}
	return reasons, nil
}

// gone lists what is explained and cannot be found in the code any more.
func gone(reasons map[string]string, mutants []mutant) []string {
	there := map[string]bool{}
	for _, m := range mutants {
		there[m.key()] = true
	}
	var missing []string
	for key := range reasons {
		if !there[key] {
			missing = append(missing, key)
		}
	}
	return missing
}
