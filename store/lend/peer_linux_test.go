package lend

import "testing"

func TestMapped(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  int
	}{
		{"         0          0 4294967295\n", 0},
		{"         0       4200          1\n         1     100000      65536\n", 4200}, // rootless podman
		{"         1     100000      65536\n", 0},
		{"", 0},
	} {
		if got := mapped(c.lines, 0); got != c.want {
			t.Errorf("%q: got %d, want %d", c.lines, got, c.want)
		}
	}
	if got := mapped("0 4200 1\n1 100000 65536\n", 7); got != 100006 {
		t.Errorf("got %d, want 100006", got)
	}
}
