package forward

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"regshape/login/app"
	"regshape/store/lend"
	"regshape/store/printable"
)

// abandoned is how long the far side waits for a near side that sleeps.
const abandoned = 10 * time.Minute

// far relays requests of this machine to the near side.
type far struct {
	link    *lend.Link
	from    string // the near machine
	slots   chan struct{}
	mu      sync.Mutex
	last    int
	answers map[int]chan lend.Frame
}

// listen is the far side: it ends with its standard input.
func listen(e *app.Env) error {
	if e.Prompt().Interactive() {
		return &app.UsageError{Message: "--listen is started by the other machine", Hint: "run 'regshape auth forward --allow REGISTRY HOST' there"}
	}
	signal.Ignore(syscall.SIGPIPE) // it would leave the socket
	l, err := lend.Listen()
	if err != nil {
		return err
	}
	defer l.Close()
	out := printable.Raw(e.Out)
	if err := lend.Greet(out, e.Build.Version); err != nil {
		return err
	}
	in := bufio.NewReader(e.In)
	f := &far{link: lend.NewLink(in, out), slots: make(chan struct{}, lend.AtOnce), answers: map[int]chan lend.Frame{}}
	ctx, cancel := context.WithCancelCause(e.Ctx)
	defer cancel(nil)
	go func() {
		hello, err := lend.Read(in)
		if err == nil && hello.Kind != lend.Hello {
			err = lend.ErrFrame
		}
		if err == nil {
			f.from = hello.From
			go f.link.Beat(ctx)
			go f.accept(ctx, l)
			err = f.link.Receive(f.take)
		}
		cancel(err)
	}()
	for f.link.Silent() < abandoned {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); e.Ctx.Err() == nil && !errors.Is(err, io.EOF) {
				return err
			}
			return nil
		case <-time.After(lend.Beat):
		}
	}
	return lend.ErrSilent
}

// take hands an answer to the one who waits for it.
func (f *far) take(answer lend.Frame) error {
	if answer.Kind != lend.Answer && answer.Kind != lend.Working {
		return lend.ErrFrame
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.answers[answer.ID] // nil where nobody waits any more
	if answer.Kind == lend.Working && len(waiting) > 0 {
		return nil // so that there is room for the answer
	}
	select {
	case waiting <- answer:
	default:
	}
	return nil
}

// accept takes requests.
func (f *far) accept(ctx context.Context, l *lend.Listener) {
	waiting := make(chan struct{}, 20*lend.AtOnce) // any more wait in the socket
	for {
		waiting <- struct{}{}
		conn, asker, err := l.AcceptFrom()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close(); <-waiting }()
			f.relay(ctx, conn, asker)
		}()
	}
}

// relay answers one request, when it is its turn. It goes on until the near side has answered,
// since that counts too.
func (f *far) relay(ctx context.Context, conn net.Conn, asker string) {
	if f.link.Silent() > lend.Silence {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(lend.Silence)) // for the one who asks to read and write
	if lend.Write(conn, lend.Frame{Kind: lend.Hello, From: f.from}) != nil {
		return
	}
	request, err := lend.Read(conn)
	if err != nil || request.Kind != lend.Get {
		return
	}
	for queued := true; queued; {
		select {
		case f.slots <- struct{}{}:
			queued = false
		case <-time.After(lend.Beat): // the near side is working on others
			if f.link.Silent() > lend.Silence {
				return
			}
			_ = lend.Write(conn, lend.Frame{Kind: lend.Working})
		case <-ctx.Done():
			return
		}
	}
	defer func() { <-f.slots }()
	_ = conn.SetDeadline(time.Time{})
	answers := make(chan lend.Frame, 2) // that it works, and the answer
	f.mu.Lock()
	f.last++
	id := f.last
	f.answers[id] = answers
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.answers, id)
	}()
	if f.link.Send(lend.Frame{Kind: lend.Get, ID: id, Address: request.Address, Asker: asker}) != nil {
		return
	}
	for f.link.Silent() < lend.Silence {
		select {
		case answer := <-answers:
			answer.ID = 0
			_ = lend.Write(conn, answer)
			if answer.Kind == lend.Answer {
				return
			}
		case <-time.After(time.Second):
		case <-ctx.Done():
			return
		}
	}
}
