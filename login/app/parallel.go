package app

import (
	"context"
	"sync"
)

// Each calls do for 0 to n-1, at most limit of them at once, and waits for those begun. After
// an error, or when ctx ends, it begins no more, and returns that error.
func Each(ctx context.Context, n, limit int, do func(i int) error) error {
	var group sync.WaitGroup
	var once sync.Once
	var failed error
	stop := make(chan struct{})
	fail := func(err error) { once.Do(func() { failed = err; close(stop) }) }
	slots := make(chan struct{}, limit)
	for i := range n {
		slots <- struct{}{}
		if err := ctx.Err(); err != nil {
			fail(err)
		}
		select {
		case <-stop:
			group.Wait()
			return failed
		default:
		}
		group.Go(func() {
			defer func() { <-slots }()
			if err := do(i); err != nil {
				fail(err)
			}
		})
	}
	group.Wait()
	return failed
}
