package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseTrace(t *testing.T) {
	got := parseTrace(`10 openat(AT_FDCWD, "/a", O_RDONLY) = 3
10 openat(AT_FDCWD, "/missing", O_RDONLY) = -1 ENOENT (No such file or directory)
10 openat(AT_FDCWD, "/b", O_RDONLY <unfinished ...>
11 openat(AT_FDCWD, "/gone", O_RDONLY <unfinished ...>
11 <... openat resumed>) = -1 ENOENT (No such file or directory)
10 <... openat resumed>)             = 4
10 +++ exited with 0 +++
`)
	if got.calls != 4 || !slices.Equal(got.opened, []string{"/a", "/b"}) {
		t.Errorf("got %+v", got)
	}
}

func TestTable(t *testing.T) {
	report := table([]*operation{
		{name: "empty", times: []time.Duration{3e6, 1e6, 2e6}},
		{name: "`get`", times: []time.Duration{9e6, 3e6, 1e6}, peak: 3 << 20},
	}, 3)
	for _, want := range []string{"| empty | 1.00 | 2.00 ms | – |", "| `get` | 1.50 | 3.00 ms | 3.0 MiB |"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %s", n, got)
		}
	}
}
