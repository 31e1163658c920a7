package toy

import "testing"

func TestSum(t *testing.T) {
	if got, err := Sum([]int{1, 1}); got != 2 || err != nil {
		t.Error(got, err)
	}
	if _, err := Sum([]int{9}); err != ErrBig {
		t.Error(err)
	}
}

func TestDown(t *testing.T) {
	if !Down(2) {
		t.Error("not down")
	}
}

func TestLevel(t *testing.T) {
	if !Level() {
		t.Error("3 is not small")
	}
}

func TestSkipped(t *testing.T) { t.Error("it ran") }

func FuzzReady(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(*testing.T, int) { ready() })
}

func BenchmarkNothing(b *testing.B) { b.Fatal("it ran") }
