package app

import (
	"cmp"
	"sync"

	"regshape/login/registry"
	"regshape/store"
)

// Clients are the registry clients of one run. Logins whose registries are reached in the
// same way share one, and with it where each registry was first reached.
type Clients struct {
	mu   sync.Mutex
	made map[clientKey]*registry.Client
}

// clientKey is what differs between the clients of one run; all else is the flags'.
type clientKey struct {
	plainHTTP, insecure bool
	caFile              string
}

// Client is the registry client for a login; stored is nil where nothing is stored of it.
func (e *Env) Client(address store.Address, stored *store.Credential) (*registry.Client, error) {
	o := ClientOptions(e, address, stored)
	key := clientKey{o.PlainHTTP, o.Insecure, o.CAFile}
	e.Clients.mu.Lock()
	defer e.Clients.mu.Unlock()
	if c, ok := e.Clients.made[key]; ok {
		return c, nil
	}
	c, err := registry.New(o)
	if err != nil {
		return nil, err
	}
	if e.Clients.made == nil {
		e.Clients.made = map[clientKey]*registry.Client{}
	}
	e.Clients.made[key] = c
	return c, nil
}

// ClientOptions say how to reach a registry: as the flags say, and where they say
// nothing as what is stored of a login says.
func ClientOptions(e *Env, address store.Address, stored *store.Credential) registry.Options {
	o := registry.Options{
		PlainHTTP: e.PlainHTTP, Insecure: e.Insecure, CAFile: e.CAFile, CertFile: e.CertFile, KeyFile: e.KeyFile,
		CertDirs: registry.CertDirs(e.Where().Home, e.Getenv),
		Timeout:  e.Timeout, UserAgent: "regshape/" + e.Build.Version, Wrap: e.Logs.wrap(e.Now),
	}
	if stored != nil {
		// Loopback finds http by itself, and may have changed since.
		o.PlainHTTP = o.PlainHTTP || stored.Transport == store.TransportHTTP && !registry.Loopback(address)
		o.Insecure = o.Insecure || stored.Transport == store.TransportInsecure
		o.CAFile = cmp.Or(o.CAFile, stored.CAFile)
	}
	return o
}
