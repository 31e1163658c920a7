package account

import (
	"sync"
	"time"

	"regshape/login/app"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/printable"
)

// maxChecks is how many registries are asked at once. They wait for the network and
// hardly compute; a browser opens as many connections for one page.
const maxChecks = 16

// checker verifies logins. It may be used by several goroutines.
type checker struct {
	e     *app.Env
	scope string

	mu   sync.Mutex
	lost map[reach]registry.Result
}

// reach is a way to a registry.
type reach struct {
	host, caFile string
	transport    store.Transport
}

func newChecker(e *app.Env, scope string) *checker {
	return &checker{e: e, scope: scope, lost: map[reach]registry.Result{}}
}

// all verifies the subjects in parallel; the rows are in their order. When the context
// ends it returns at once and leaves what is still under way alone.
func (c *checker) all(subjects []subject, p *terminal.Progress) ([]Checked, error) {
	rows := make([]Checked, len(subjects))
	queue, finished := make(chan int, len(subjects)), make(chan struct{}, len(subjects))
	for i := range subjects {
		queue <- i
	}
	close(queue)
	for range min(maxChecks, len(subjects)) {
		go func() {
			for i := range queue {
				if c.e.Ctx.Err() != nil {
					return
				}
				rows[i] = c.check(subjects[i])
				finished <- struct{}{}
			}
		}()
	}
	for done := range subjects {
		p.Step(done, len(subjects))
		select {
		case <-finished:
		case <-c.e.Ctx.Done():
			return nil, terminal.ErrInterrupted
		}
	}
	if c.e.Ctx.Err() != nil {
		return nil, terminal.ErrInterrupted
	}
	return rows, nil
}

func (c *checker) check(s subject) Checked {
	if s.find {
		s = resolveSubject(c.e, s)
	}
	if s.login == nil {
		return s.row
	}
	begin := time.Now() // not the injected clock: it is a duration that is wanted
	result, err := c.ask(s)
	s.row.Elapsed = time.Since(begin).Milliseconds()
	if err != nil {
		// A certificate file that the login was made with cannot be read any more.
		s.row.put(string(registry.TLS), printable.Line(err.Error(), 300), "give the file that is right today: "+c.e.Own("auth", "login", s.row.Registry, "--ca-file", "FILE"))
		return s.row
	}
	s.row.judge(c.e, s, result)
	return s.row
}

// ask verifies one login at its registry, in the way it was made. A registry that cannot
// be had is asked once and not for each of its logins, so that a hundred of them do not
// wait a hundred times.
func (c *checker) ask(s subject) (registry.Result, error) {
	stored := s.stored()
	way := reach{host: s.address.Host()}
	if stored != nil {
		way.transport, way.caFile = stored.Transport, stored.CAFile
	}
	c.mu.Lock()
	result, known := c.lost[way]
	c.mu.Unlock()
	if known {
		return result, nil
	}
	client, err := c.e.Client(way.host, stored)
	if err != nil {
		return registry.Result{}, err
	}
	result = client.Verify(c.e.Ctx, way.host, c.scope, s.login.Credential())
	switch result.Outcome {
	case registry.Unreachable, registry.TLS, registry.Throttled: // whoever logs in
		c.mu.Lock()
		c.lost[way] = result
		c.mu.Unlock()
	}
	return result, nil
}

// stored is what is known of the way to the registry. A client that stored a login under
// http://HOST reached it so.
func (s subject) stored() *store.Credential {
	if !s.address.PlainHTTP() || s.login.Entry != nil && s.login.Entry.Transport != "" {
		return s.login.Entry
	}
	c := store.Credential{}
	if s.login.Entry != nil {
		c = *s.login.Entry
	}
	c.Transport = store.TransportHTTP
	return &c
}
