package login

import (
	"sync"

	"regshape/login/registry"
	"regshape/store"
)

// clients are the registry clients of one run. Logins whose registries are reached in the
// same way share one, and with it the tokens that it remembers.
type clients struct {
	mu   sync.Mutex
	made map[clientKey]*registry.Client
}

// clientKey is what differs between the clients of one run; all else is the flags'.
type clientKey struct {
	plainHTTP, insecure bool
	caFile              string
}

// client is the registry client for a login; stored is nil where nothing is stored of it.
func (e *env) client(host string, stored *store.Credential) (*registry.Client, error) {
	o := e.clientOptions(host, stored)
	key := clientKey{o.PlainHTTP, o.Insecure, o.CAFile}
	e.clients.mu.Lock()
	defer e.clients.mu.Unlock()
	if c, ok := e.clients.made[key]; ok {
		return c, nil
	}
	c, err := registry.New(o)
	if err != nil {
		return nil, err
	}
	if e.clients.made == nil {
		e.clients.made = map[clientKey]*registry.Client{}
	}
	e.clients.made[key] = c
	return c, nil
}

// clientOptions say how to reach a registry: as the flags say, and where they say
// nothing as what is stored of a login says.
func (e *env) clientOptions(host string, stored *store.Credential) registry.Options {
	o := registry.Options{
		PlainHTTP: e.PlainHTTP, Insecure: e.Insecure, CAFile: e.CAFile, CertFile: e.CertFile, KeyFile: e.KeyFile,
		CertDirs: registry.CertDirs(e.where().Home, e.Getenv),
		Timeout:  e.Timeout, UserAgent: "regshape/" + e.Build.Version, Wrap: e.logs.wrap(),
	}
	if stored != nil {
		// Loopback finds http by itself, and may have changed since.
		o.PlainHTTP = o.PlainHTTP || stored.Transport == store.TransportHTTP && !registry.Loopback(host)
		o.Insecure = o.Insecure || stored.Transport == store.TransportInsecure
		if o.CAFile == "" {
			o.CAFile = stored.CAFile
		}
	}
	return o
}
