package registry

import (
	"context"
	"sync"
	"time"
)

// maxMargin is how long before its end a token is no longer used: time for the request
// that carries it, and for clocks that differ. A short life gives half of itself.
const maxMargin = 10 * time.Second

// tokenKey is everything that a token depends on. The registry is part of it so that a
// hit never gives a registry a token that the checks of its realm would have refused.
type tokenKey struct {
	registry, realm, service, scope string
	cred                            Credential
}

// tokenCache remembers tokens for the life of a Client. One caller at a time asks for
// the same token; the others wait for its answer. Failures are not remembered.
type tokenCache struct {
	mu   sync.Mutex
	held map[tokenKey]*heldToken
}

// heldToken is a token, or a request for one until done is closed; only then may the
// other fields be read.
type heldToken struct {
	done  chan struct{}
	grant grant
	fail  *failure
	end   time.Time
}

// get returns the token of key, by obtain where there is none. A wait ends with ctx, and
// then the failure is errWaiting.
func (c *tokenCache) get(ctx context.Context, key tokenKey, now func() time.Time, obtain func() (grant, *failure)) (grant, *failure) {
	for {
		held, mine := c.claim(key)
		if mine {
			start := now()
			held.grant, held.fail = obtain()
			held.end = start.Add(held.grant.expires)
			if held.fail != nil {
				c.forget(key, held)
			}
			close(held.done)
			return held.grant, held.fail
		}
		select {
		case <-held.done:
		case <-ctx.Done():
			return grant{}, errWaiting
		}
		if held.fail != nil && (held.fail.outcome != Unreachable || key.cred.IdentityToken) {
			// What the server said to one holds for those who asked at the same time. A
			// time-out or Ctrl-C is the one caller's own; but an identity token may be used
			// up by the request that had no answer.
			return grant{}, held.fail
		}
		g, left := held.grant, held.end.Sub(now())
		if held.fail == nil && left > min(maxMargin, g.expires/2) {
			g.expires, g.held = left, held
			return g, nil
		}
		c.forget(key, held)
	}
}

var errWaiting = &failure{outcome: Unreachable, message: "interrupted"}

// claim returns what is held for key, and whether it is the caller's to obtain.
func (c *tokenCache) claim(key tokenKey) (held *heldToken, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.held[key]; ok {
		return held, false
	}
	if c.held == nil {
		c.held = map[tokenKey]*heldToken{}
	}
	held = &heldToken{done: make(chan struct{})}
	c.held[key] = held
	return held, true
}

// forget drops one token, and not one that came after it.
func (c *tokenCache) forget(key tokenKey, held *heldToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[key] == held {
		delete(c.held, key)
	}
}
