package keys

import (
	"errors"
	"strings"
	"testing"
)

func TestScryptWork(t *testing.T) {
	for header, want := range map[string]int{
		"-> X25519 a\nbody\n--- mac\n":                         0,
		"-> scrypt salt 18\nbody\n--- mac\npayload":            18,
		"-> grease- scrypt 9\n\n-> X25519 a\n\n--- mac\n":      0,
		"-> scrypt salt 20\nbody\n--- mac\n":                   20,
		"-> scrypt salt 21\nbody\n--- mac\n":                   -1,
		"-> scrypt salt 22\nbody\n--- mac\n":                   -1,
		"-> scrypt salt 99999999999999999999\nbody\n--- mac\n": -1,
		"-> scrypt salt 0\nbody\n--- mac\n":                    -1,
		"-> scrypt salt -5\nbody\n--- mac\n":                   -1,
		"-> scrypt 18\nbody\n--- mac\n":                        -1,
		"-> scrypt salt 18\nbody\n":                            -1,
		"-> scrypt salt 18\n\n-> scrypt salt 10\n\n--- mac\n":  -1,
		"-> scrypt salt 18\n\n-> X25519 salt\n\n--- mac\n":     -1,
		"--- mac\n": -1,
		"":          -1,
	} {
		got, err := scryptWork([]byte(ageIntro + header))
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: %d (%v), want %d", header, got, err, want)
		}
		if err != nil && !errors.Is(err, errDamagedAge) && !strings.Contains(err.Error(), "more than 2^20 is refused") {
			t.Errorf("%q: %v", header, err)
		}
	}
}
