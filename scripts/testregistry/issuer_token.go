package testregistry

import (
	"crypto/rand"
	"net/http"
	"time"
)

// token is the token endpoint: polls and refreshes.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	switch r.PostForm.Get("grant_type") {
	case "urn:ietf:params:oauth:grant-type:device_code":
		i.poll(w, r)
	case "refresh_token":
		i.renew(w, r)
	default:
		refuse(w, "unsupported_grant_type")
	}
}

// poll answers a poll as the options say.
func (i *Issuer) poll(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	c := i.codes[r.PostForm.Get("device_code")]
	answer := ""
	switch {
	case c == nil:
		answer = "invalid_grant"
	case c.polls < len(i.opts.Polls): // also of a code that has just expired: no clock decides a test
		answer = i.opts.Polls[c.polls]
	case time.Now().After(c.expires):
		answer = "expired_token"
	case i.opts.Manual && !c.confirmed:
		answer = "authorization_pending"
	}
	if c != nil {
		c.polls++
	}
	i.mu.Unlock()
	switch answer {
	case "":
		i.mu.Lock()
		delete(i.codes, r.PostForm.Get("device_code"))
		i.mu.Unlock()
		i.give(w, "")
	case "drop":
		panic(http.ErrAbortHandler) // closes the connection, and nothing else
	case "endless":
		<-r.Context().Done()
	case "unavailable":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "garbage":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"access_token\": \x1b[31m"))
	default:
		refuse(w, answer)
	}
}

func (i *Issuer) renew(w http.ResponseWriter, r *http.Request) {
	used := r.PostForm.Get("refresh_token")
	i.mu.Lock()
	good := i.refresh[used]
	if good && i.opts.Rotate {
		delete(i.refresh, used)
	}
	i.mu.Unlock()
	if !good {
		refuse(w, "invalid_grant")
		return
	}
	i.give(w, used)
}

// give answers with tokens. A refresh token that was used is not repeated.
func (i *Issuer) give(w http.ResponseWriter, used string) {
	life := or(i.opts.TokenLife, 3600)
	access := "access-" + rand.Text()
	body := map[string]any{"access_token": access, "token_type": "Bearer"}
	end := time.Now().Add(24 * time.Hour)
	if life > 0 {
		body["expires_in"] = life
		end = time.Now().Add(time.Duration(life) * time.Second)
	}
	if i.opts.Claims != nil {
		body["id_token"] = unsigned(i.opts.Claims)
	}
	i.mu.Lock()
	i.access[access] = end
	i.given = append(i.given, access)
	if !i.opts.NoRefresh && (used == "" || i.opts.Rotate) {
		token := "refresh-" + rand.Text()
		i.refresh[token] = true
		i.given = append(i.given, token)
		body["refresh_token"] = token
	}
	i.mu.Unlock()
	writeJSON(w, http.StatusOK, body)
}
