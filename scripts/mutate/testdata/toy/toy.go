package toy

import (
	"errors"
	"fmt"
)

var ErrBig = errors.New("too big")

const limit = 3

type Meter struct{ n int }

// Sum is tested well, but for its limit.
func Sum(list []int) (sum int, err error) {
	for _, n := range list {
		sum += n
	}
	if sum > limit {
		return 0, ErrBig
	}
	return sum, nil
}

// Down never ends when its step is left out.
func Down(n int) bool {
	for n > 0 {
		n--
	}
	return true
}

func (m *Meter) Dark(name string) (string, error) {
	defer func() { m.n++ }()
	switch {
	case name == "x" || m.n&6 != 0:
		return m.name("left", 0o600)
	case ready():
		return "", fmt.Errorf("two words: %d", 1)
	}
	return "two words", nil
}

func (m *Meter) name(s string, _ uint32) (string, error) { return s, nil }

func ready() bool { return false }

func both(a, b, c bool) bool { return a && b && c }
