package app

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func TestEach(t *testing.T) {
	const n, limit = 200, 3
	var called [n]atomic.Int32
	var now, most atomic.Int32
	err := Each(t.Context(), n, limit, func(i int) error {
		for running := now.Add(1); ; {
			if old := most.Load(); running <= old || most.CompareAndSwap(old, running) {
				break
			}
		}
		called[i].Add(1)
		now.Add(-1)
		return nil
	})
	if err != nil || most.Load() > limit {
		t.Errorf("Each = %v with %d at once, want none and at most %d", err, most.Load(), limit)
	}
	for i := range called {
		if got := called[i].Load(); got != 1 {
			t.Errorf("do(%d) was called %d times, want once", i, got)
		}
	}
	if err := Each(t.Context(), 0, limit, nil); err != nil {
		t.Errorf("Each of nothing = %v", err)
	}
}

// After the first error, and after the end of the context, only those under way end.
func TestEach_stops(t *testing.T) {
	want := errors.New("the first")
	for _, c := range []struct {
		name string
		stop func(cancel func()) error
		want error
	}{
		{"error", func(func()) error { return want }, want},
		{"context", func(cancel func()) error { cancel(); return nil }, context.Canceled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var begun, ended atomic.Int32
		stopped := make(chan struct{})
		err := Each(ctx, 100, 2, func(i int) error {
			defer ended.Add(1)
			begun.Add(1)
			switch {
			case i == 5:
				defer close(stopped)
				return c.stop(cancel)
			case i > 5:
				<-stopped
				time.Sleep(time.Millisecond) // until Each knows
			}
			return nil
		})
		if !errors.Is(err, c.want) || ended.Load() != begun.Load() || begun.Load() < 6 || begun.Load() > 50 {
			t.Errorf("%s: Each = %v after %d begun and %d ended, want %v after 6 to 50", c.name, err, begun.Load(), ended.Load(), c.want)
		}
	}
}
