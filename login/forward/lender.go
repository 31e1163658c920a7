package forward

import (
	"context"
	"errors"
	"fmt"
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

// answerWithin is less than the far side waits.
const answerWithin = lend.WorkingWait - 2*time.Second

// lender answers the requests of the far side.
type lender struct {
	e         *app.Env
	logins    source.Source
	link      *lend.Link
	all       bool
	allowed   []store.Address
	questions *questions // nil without --confirm
	slots     chan struct{}
	mu        sync.Mutex // of the output
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
func (l *lender) begin(to string, end time.Time) {
	what := "all logins"
	if !l.all {
		var names []string
		for _, a := range l.allowed {
			names = append(names, a.Name())
		}
		what = terminal.Enumerate(names, "and")
	}
	l.e.Tell("Lending %s to %s until %s; Ctrl-C ends it.", what, to, terminal.Clock(end))
	l.e.Note("root and every process of your user there can take what is lent, and keep it; docker logout there does not end that.")
}

// take begins to answer a request.
func (l *lender) take(ctx context.Context, f lend.Frame) error {
	if f.Kind != lend.Get {
		return nil
	}
	select {
	case l.slots <- struct{}{}:
	default:
		return errors.New("the other side asks more than it may: install the same version on both machines")
	}
	go func() {
		defer func() { <-l.slots }()
		l.answer(ctx, f)
	}()
	return nil
}

func (l *lender) answer(ctx context.Context, f lend.Frame) {
	working := time.AfterFunc(2*time.Second, func() { _ = l.link.Send(lend.Frame{Kind: lend.Working, ID: f.ID}) })
	defer working.Stop()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	address := store.ParseAddress(f.Address)
	r := request{Time: app.Stamp(l.e.Now()), Registry: address.Name(), Asker: printable.Line(f.Asker, 60)}
	reply := lend.Frame{Kind: lend.Answer, ID: f.ID, Problem: lend.NotFound}
	c, err := l.login(ctx, address, r.Asker)
	if err == nil {
		reply.Problem, reply.Login = "", lend.Lent(c)
		err = l.link.Send(reply)
	}
	switch {
	case err == nil:
		r.Result, r.Username = "lent", c.Username
		l.show(r)
		return
	case errors.Is(err, errNotAllowed):
		r.Result = "not-allowed"
	case errors.Is(err, errDeclined):
		r.Result = "declined"
	case errors.Is(err, store.ErrNotFound):
		r.Result = "not-found"
	case errors.Is(err, store.ErrLocked):
		r.Result, r.Message, reply.Problem = "locked", l.e.Problem(err), lend.Locked
	default:
		r.Result, r.Message, reply.Problem = "failed", l.e.Problem(err), lend.Failed
	}
	reply.Login = nil
	_ = l.link.Send(reply) // who reads says that the way is broken
	l.show(r)
}

// show shows a request.
func (l *lender) show(r request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.e.JSON {
		_ = app.WriteJSON(l.e.Out, r)
		return
	}
	text := r.Result
	if r.Message != "" {
		text += ": " + r.Message
	}
	_ = l.e.Say("%s %s for %s: %s", l.e.Now().Format(time.TimeOnly), r.Registry, r.Asker, text)
}

var (
	errNotAllowed = errors.New("not allowed")
	errDeclined   = errors.New("declined")
)

// login is the login that is lent for an address. Nothing is read for one that is not allowed,
// and nothing started before that is known.
func (l *lender) login(ctx context.Context, a store.Address, asker string) (store.Credential, error) {
	if !l.allows(a) {
		return store.Credential{}, errNotAllowed
	}
	found, _, err := l.logins.Answered(ctx, a)
	if err == nil && !l.allows(found.For()) {
		err = errNotAllowed
	}
	if err == nil && l.questions != nil && !l.questions.ask(ctx, found.For().Name(), asker) {
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

// questions are those of --confirm. Each pair is asked for once, however often it comes.
type questions struct {
	e      *app.Env
	mu     sync.Mutex
	asked  map[[2]string]*question
	open   int
	prompt sync.Mutex // one at a time
}

type question struct {
	answered chan struct{}
	yes      bool
}

func newQuestions(e *app.Env) *questions { return &questions{e: e, asked: map[[2]string]*question{}} }

// ask returns the user's answer, or false if there is none before ctx ends. The question stays:
// its answer is for the next request.
func (q *questions) ask(ctx context.Context, login, asker string) bool {
	q.mu.Lock()
	asked, known := q.asked[[2]string{login, asker}]
	if !known && q.open < lend.AtOnce { // nobody answers more
		asked = &question{answered: make(chan struct{})}
		q.asked[[2]string{login, asker}] = asked
		q.open++
		go q.put(asked, fmt.Sprintf("Lend the login of %s to %s? [y/N]:", login, asker))
	}
	q.mu.Unlock()
	if asked == nil {
		return false
	}
	select {
	case <-asked.answered:
		return asked.yes
	case <-ctx.Done():
		return false
	}
}

func (q *questions) put(asked *question, text string) {
	q.prompt.Lock()
	answer, err := q.e.Prompt().ReadLine(text)
	q.prompt.Unlock()
	answer = strings.ToLower(strings.TrimSpace(answer))
	asked.yes = err == nil && (answer == "y" || answer == "yes")
	close(asked.answered)
	q.mu.Lock()
	q.open--
	q.mu.Unlock()
}
