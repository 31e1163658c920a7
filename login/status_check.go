package login

import (
	"sync"
	"time"

	"regshape/login/registry"
	"regshape/store"
	"regshape/store/printable"
)

// maxChecks is how many registries are asked at once. They wait for the network and
// hardly compute; a browser opens as many connections for one page.
const maxChecks = 16

// checker verifies logins. It may be used by several goroutines.
type checker struct {
	e     *env
	scope string

	mu   sync.Mutex
	lost map[reach]registry.Result
}

// reach is a way to a registry.
type reach struct {
	host, caFile string
	transport    store.Transport
}

func newChecker(e *env, scope string) *checker {
	return &checker{e: e, scope: scope, lost: map[reach]registry.Result{}}
}

// all verifies the subjects in parallel; the rows are in their order. When the context
// ends it returns at once and leaves what is still under way alone.
func (c *checker) all(subjects []subject, p *progress) ([]checked, error) {
	rows := make([]checked, len(subjects))
	queue, finished := make(chan int, len(subjects)), make(chan struct{}, len(subjects))
	for i := range subjects {
		queue <- i
	}
	close(queue)
	for range min(maxChecks, len(subjects)) {
		go func() {
			for i := range queue {
				if c.e.ctx.Err() != nil {
					return
				}
				rows[i] = c.check(subjects[i])
				finished <- struct{}{}
			}
		}()
	}
	for done := range subjects {
		p.step(done, len(subjects))
		select {
		case <-finished:
		case <-c.e.ctx.Done():
			return nil, errInterrupted
		}
	}
	if c.e.ctx.Err() != nil {
		return nil, errInterrupted
	}
	return rows, nil
}

func (c *checker) check(s subject) checked {
	if s.find {
		s = c.e.resolveSubject(s)
	}
	if s.login == nil {
		return s.row
	}
	begin := time.Now() // not the injected clock: it is a duration that is wanted
	result, err := c.ask(s)
	s.row.Elapsed = time.Since(begin).Milliseconds()
	if err != nil {
		// A certificate file that the login was made with cannot be read any more.
		s.row.put(string(registry.TLS), printable.Line(err.Error(), 300), "give the file that is right today: "+c.e.own("auth", "login", s.row.Registry, "--ca-file", "FILE"))
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
	client, err := c.e.client(way.host, stored)
	if err != nil {
		return registry.Result{}, err
	}
	result = client.Verify(c.e.ctx, way.host, c.scope, s.login.credential())
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
	if !s.address.PlainHTTP() || s.login.entry != nil && s.login.entry.Transport != "" {
		return s.login.entry
	}
	c := store.Credential{}
	if s.login.entry != nil {
		c = *s.login.entry
	}
	c.Transport = store.TransportHTTP
	return &c
}
