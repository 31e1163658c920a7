package testenv

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Whole reports whether tests are to try everything they could, as TESTENV_WHOLE=1 asks for
// and make proof does. So does REGSHAPE_WRITE=1: no table may be written of less.
func Whole() bool { return os.Getenv("TESTENV_WHOLE") == "1" || os.Getenv("REGSHAPE_WRITE") == "1" }

// Sample picks some of many combinations, or, with [Whole], all of them.
type Sample struct {
	oneIn, turn int

	mu         sync.Mutex
	all, taken int
	parts      map[string]bool
}

// NewSample takes one in that many combinations, and each part of one at least once. Which
// they are changes with the day; TESTENV_TURN repeats those of another.
func NewSample(t testing.TB, oneIn int) *Sample {
	t.Helper()
	turn := int(time.Now().Unix() / (24 * 60 * 60))
	if text := os.Getenv("TESTENV_TURN"); text != "" {
		var err error
		if turn, err = strconv.Atoi(text); err != nil || turn < 0 {
			t.Fatalf("TESTENV_TURN=%s: want a number", text)
		}
	}
	if Whole() {
		oneIn = 1
	}
	s := &Sample{oneIn: oneIn, turn: turn % oneIn, parts: map[string]bool{}}
	t.Cleanup(func() {
		if s.taken < s.all {
			t.Logf("tried %d of %d combinations: TESTENV_TURN=%d repeats them, TESTENV_WHOLE=1 tries all", s.taken, s.all, s.turn)
		}
	})
	return s
}

// Take reports whether the next combination is to be tried, by its parts: texts and numbers,
// told apart by their place, too. Ask for all combinations, in the same order every time.
// A nil Sample takes all.
func (s *Sample) Take(parts ...any) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	take := s.all%s.oneIn == s.turn
	for i, part := range parts {
		key := fmt.Sprint(i, " ", part)
		take = take || !s.parts[key]
		s.parts[key] = true
	}
	s.all++
	if take {
		s.taken++
	}
	return take
}
