package process

import "testing"

func TestBounded(t *testing.T) {
	for _, test := range []struct {
		name    string
		stops   bool
		writes  []string
		want    string
		written int // by the last write
		over    bool
	}{
		{"fits", true, []string{"ab", "cd"}, "abcd", 2, false},
		{"too much for a reader that stops", true, []string{"ab", "cde"}, "abcd", 2, true},
		{"too much for one that drops it", false, []string{"abcde", "f"}, "abcd", 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			stopped, n, err := false, 0, error(nil)
			b := Bounded{Limit: 4}
			if test.stops {
				b.Full = func() { stopped = true }
			}
			for _, text := range test.writes {
				n, err = b.Write([]byte(text))
			}
			if string(b.Data) != test.want || b.Over != test.over || n != test.written {
				t.Errorf("kept %q, over %t, wrote %d; want %q, %t, %d", b.Data, b.Over, n, test.want, test.over, test.written)
			}
			if ended := test.over && test.stops; stopped != ended || (err != nil) != ended {
				t.Errorf("stopped %t, %v; want %t", stopped, err, ended)
			}
		})
	}
}
