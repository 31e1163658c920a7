package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"regshape/login/app"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/lend"
	"regshape/store/printable"
	"regshape/store/source"
)

const (
	maxRequests  = 2 * lend.AtOnce                  // those that are answered may not have ended when the next come
	answerWithin = lend.WorkingWait - 2*time.Second // who asks does not wait longer
	maxPairs     = 1000                             // of logins and programs: what is made up must not fill the memory
)

// lender answers the requests of the far side.
type lender struct {
	e        *app.Env
	logins   source.Source
	link     *lend.Link
	all      bool
	allowed  []store.Address
	end      time.Time
	slots    chan struct{}
	asking   sync.Mutex
	mu       sync.Mutex              // of the output, and what is below
	question string                  // the one that is open
	answers  map[[2]string]*answered // of --confirm, else nil
}

// request is the JSON of each request.
type request struct {
	Time     *time.Time `json:"time"`
	Registry string     `json:"registry"`
	Asker    string     `json:"asker"`  // as the far side says
	Result   string     `json:"result"` // "lent", "not-allowed", "not-found", "declined", "locked" or "failed"
	Username string     `json:"username,omitempty"`
	Message  string     `json:"message,omitempty"`
}

// begin says what is lent. Nothing else shows that anything is.
func (l *lender) begin(to string) {
	what := "all logins"
	if !l.all {
		var names []string
		for _, a := range l.allowed {
			names = append(names, a.Name())
		}
		what = terminal.Enumerate(names, "and")
	}
	l.e.Tell("Lending %s to %s until %s; Ctrl-C ends it.", what, to, terminal.Clock(l.end))
	l.e.Note("root and every process of your user there can take what is lent, and keep it; docker logout there does not end that. The programs' names are that machine's claim.")
}

// take begins to answer a request.
func (l *lender) take(ctx context.Context, f lend.Frame) error {
	if f.Kind != lend.Get {
		return lend.ErrFrame
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return errFlood
	}
	go func() {
		defer func() { <-l.slots }()
		ctx, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
		go func() {
			for {
				select {
				case <-time.After(lend.Beat):
					_ = l.link.Send(lend.Frame{Kind: lend.Working, ID: f.ID})
				case <-ctx.Done():
					return
				}
			}
		}()
		_ = l.link.Send(l.answer(ctx, f))
	}()
	return nil
}

// answer finds the login of a request, and shows that.
func (l *lender) answer(ctx context.Context, f lend.Frame) lend.Frame {
	address := store.ParseAddress(f.Address)
	r := request{Time: app.Stamp(l.e.Now()), Registry: address.Name(), Asker: printable.Line(f.Asker, 60)}
	reply := lend.Frame{Kind: lend.Answer, ID: f.ID}
	c, err := l.login(ctx, address, r.Asker)
	if err == nil {
		reply.Login = lend.Lent(c)
		err = lend.Write(io.Discard, reply) // it may be too large
	}
	switch {
	case err == nil:
		r.Result, r.Username = "lent", c.Username
	case errors.Is(err, context.Canceled): // the forward ends
		return reply
	case errors.Is(err, errNotAllowed):
		r.Result, reply.Problem = "not-allowed", lend.NotFound
	case errors.Is(err, errDeclined):
		r.Result, reply.Problem = "declined", lend.NotFound
	case errors.Is(err, store.ErrNotFound):
		r.Result, reply.Problem = "not-found", lend.NotFound
	case errors.Is(err, store.ErrLocked):
		r.Result, r.Message, reply.Problem = "locked", l.e.Problem(err), lend.Locked
	default:
		r.Result, r.Message, reply.Problem = "failed", l.e.Problem(err), lend.Failed
	}
	if err != nil {
		reply.Login = nil
	}
	l.show(r)
	return reply
}

// show shows a request, and a question that is open again behind it.
func (l *lender) show(r request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.question != "" {
		l.e.Tell("")
	}
	if l.e.JSON {
		_ = app.WriteJSON(l.e.Out, r)
	} else {
		text := r.Result
		if r.Message != "" {
			text += ": " + r.Message
		}
		_ = l.e.Say("%s %s for %s: %s", l.e.Now().Format(time.TimeOnly), r.Registry, r.Asker, text)
	}
	if l.question != "" {
		_, _ = io.WriteString(l.e.Err, l.question+" ")
	}
}

var (
	errNotAllowed = errors.New("not allowed")
	errDeclined   = errors.New("declined")
	errFlood      = errors.New("the other side asks more at once than it may: install the same version on both machines")
)

// login is the login that is lent for an address. Nothing is read for one that is not allowed,
// and nothing started before that is known.
func (l *lender) login(ctx context.Context, a store.Address, asker string) (store.Credential, error) {
	if !l.allows(a) || !l.e.Now().Before(l.end) { // after sleep a request may come before the end is seen
		return store.Credential{}, errNotAllowed
	}
	found, _, err := l.logins.Answered(ctx, a)
	if err == nil && !l.allows(found.For()) {
		err = errNotAllowed
	}
	if err == nil && l.answers != nil && !l.confirm(ctx, found.For().Name(), asker) {
		err = errDeclined
	}
	if err != nil {
		return store.Credential{}, err
	}
	c, err := l.logins.Get(ctx, a)
	if err == nil && !l.allows(c.For()) {
		err = errNotAllowed
	}
	return c, err
}

// allows reports whether the login of an address is lent. Keys that are no address are not: among
// them are the tokens of docker's web login.
func (l *lender) allows(a store.Address) bool {
	return !a.Opaque() && (l.all || slices.ContainsFunc(l.allowed, func(allowed store.Address) bool {
		below := strings.TrimPrefix(allowed.Scope()+"/", "/")
		return a.Registry().String() == allowed.Registry().String() && strings.HasPrefix(a.Scope()+"/", below)
	}))
}

// answered is the answer to a question, once done is closed.
type answered struct {
	done chan struct{}
	yes  bool
}

// confirm asks once for each pair. There is no answer before ctx ends: the question stays, for
// the next request.
func (l *lender) confirm(ctx context.Context, login, asker string) bool {
	pair := [2]string{login, asker}
	l.mu.Lock()
	a, known := l.answers[pair]
	if !known && len(l.answers) < maxPairs {
		a = &answered{done: make(chan struct{})}
		l.answers[pair] = a
		go l.ask(a, printable.Line(fmt.Sprintf("Lend the login of %s to %s? [y/N]:", login, asker), printable.Long))
	}
	l.mu.Unlock()
	if a == nil {
		return false
	}
	select {
	case <-a.done:
		return a.yes
	case <-ctx.Done():
		return false
	}
}

// ask asks, one question after the other.
func (l *lender) ask(a *answered, question string) {
	l.asking.Lock()
	defer l.asking.Unlock()
	show := func(text string) {
		l.mu.Lock()
		l.question = text
		l.mu.Unlock()
	}
	show(question)
	line, err := l.e.Prompt().ReadLine(question)
	show("")
	line = strings.ToLower(strings.TrimSpace(line))
	a.yes = err == nil && (line == "y" || line == "yes")
	close(a.done)
}
