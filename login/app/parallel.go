package app

import (
	"context"
	"sync"
)

// Each calls do for 0 to n-1, at most limit of them at once, and waits for those begun. After
// an error, or when ctx ends, it begins no more, and returns that error.
func Each(ctx context.Context, n, limit int, do func(i int) error) error {
	stop, fail := context.WithCancelCause(context.WithoutCancel(ctx)) // the first cause stays
	defer fail(nil)
	var group sync.WaitGroup
	slots := make(chan struct{}, limit)
	for i := range n {
		slots <- struct{}{}
		if err := ctx.Err(); err != nil {
			fail(err)
		}
		if stop.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			if err := do(i); err != nil {
				fail(err)
			}
		})
	}
	group.Wait()
	return context.Cause(stop)
}
