package lend

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSilent means that the other side is frozen, asleep or gone.
var ErrSilent = errors.New("nothing was heard from the other side for 15 s: check the connection, and start the forward again")

// Link is one end of the way between two machines.
type Link struct {
	r     io.Reader
	mu    sync.Mutex // writes frames whole
	w     io.Writer
	began time.Time
	heard atomic.Int64 // since began
}

// NewLink makes an end of what is read there and written here.
func NewLink(r io.Reader, w io.Writer) *Link { return &Link{r: r, w: w, began: time.Now()} }

// Send sends a frame. It waits while the other side does not read.
func (l *Link) Send(f Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Write(l.w, f)
}

// Silent is for how long nothing was heard.
func (l *Link) Silent() time.Duration { return time.Since(l.began) - time.Duration(l.heard.Load()) }

// Receive hands every frame to take until one is wrong, or the way ends.
func (l *Link) Receive(take func(Frame) error) error {
	for {
		f, err := Read(l.r)
		if err != nil {
			return err
		}
		l.heard.Store(int64(time.Since(l.began)))
		if f.Kind == Alive {
			continue
		}
		if err := take(f); err != nil {
			return err
		}
	}
}

// Beat sends heartbeats until ctx ends or nobody takes them.
func (l *Link) Beat(ctx context.Context) {
	beats := time.NewTicker(Beat)
	defer beats.Stop()
	for l.Send(Frame{Kind: Alive}) == nil {
		select {
		case <-beats.C:
		case <-ctx.Done():
			return
		}
	}
}
