package testregistry

import (
	"crypto/rand"
	"net/http/httptest"
)

// Devices starts an issuer, and a registry whose token server takes the issuer's access
// tokens as passwords, and nothing else.
func Devices(opts IssuerOptions) (issuer *Issuer, at *httptest.Server, registry *httptest.Server, err error) {
	issuer = NewIssuer(opts)
	at = httptest.NewServer(issuer)
	password := rand.Text()
	tokens, err := NewTokenServer(TokenOptions{
		Users: map[string]string{"alice": password}, Before: issuer.Admits("alice", password),
	})
	if err != nil {
		return nil, nil, nil, err
	}
	realm := httptest.NewServer(tokens)
	registry = httptest.NewServer(New(Options{Auth: Bearer, Realm: realm.URL, Tokens: tokens}))
	at.Config.RegisterOnShutdown(realm.Close)
	return issuer, at, registry, nil
}
