package testenv

import (
	"fmt"
	"testing"
)

// takenPairs lists what a sample takes of every pair of a letter and a digit.
func takenPairs(t *testing.T, oneIn int) (pairs []string) {
	t.Helper()
	s := NewSample(t, oneIn)
	for _, letter := range "abcdefghij" {
		for digit := range 10 {
			if s.Take(string(letter), digit) {
				pairs = append(pairs, fmt.Sprintf("%c%d", letter, digit))
			}
		}
	}
	return pairs
}

// Each part is in every sample, all turns together leave nothing out, and the same turn
// is the same sample.
func TestSample(t *testing.T) {
	t.Setenv("TESTENV_WHOLE", "")
	t.Setenv("REGSHAPE_WRITE", "")
	turns := map[string]bool{}
	for turn := range 7 {
		t.Setenv("TESTENV_TURN", fmt.Sprint(turn))
		pairs, parts := takenPairs(t, 7), map[byte]bool{}
		for _, pair := range pairs {
			turns[pair] = true
			parts[pair[0]], parts[pair[1]] = true, true
		}
		if len(pairs) > 40 || len(parts) != 20 {
			t.Errorf("turn %d: got %d pairs of %d parts, want at most 40 of 20", turn, len(pairs), len(parts))
		}
		if again := takenPairs(t, 7); fmt.Sprint(again) != fmt.Sprint(pairs) {
			t.Errorf("turn %d: got %v, then %v", turn, pairs, again)
		}
	}
	if len(turns) != 100 {
		t.Errorf("all turns: got %d pairs, want 100", len(turns))
	}
}

func TestSample_whole(t *testing.T) {
	for _, variable := range []string{"TESTENV_WHOLE", "REGSHAPE_WRITE"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, "1")
			if got := len(takenPairs(t, 7)); got != 100 {
				t.Errorf("got %d pairs, want 100", got)
			}
		})
	}
}
