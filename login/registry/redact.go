package registry

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// What a trace may show. Everything else is taken for a secret: a list of what is
// known to be harmless fails safe where a list of known secrets does not.
var (
	shownHeaders = []string{
		"Accept", "Accept-Encoding", "Accept-Ranges", "Age", "Allow", "Cache-Control", "Connection",
		"Content-Encoding", "Content-Length", "Content-Type", "Date", "Docker-Content-Digest",
		"Docker-Distribution-Api-Version", "Expires", "Host", "Keep-Alive", "Last-Modified", "Pragma",
		"Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset", "Retry-After", "Server",
		"Strict-Transport-Security", "Transfer-Encoding", "User-Agent", "Vary", "Via",
		"X-Content-Type-Options", "X-Frame-Options",
	}
	shownParams = []string{
		"access_type", "account", "client_id", "grant_type", "offline_token", "scope", "service", "username",
	}
	shownFields = []string{
		"code", "detail", "details", "error", "error_description", "errors", "expires_in", "issued_at",
		"message", "name", "scope", "service", "tags", "token_type",
	}
)

// redactor knows the secrets that were sent or received, so that they can be
// recognised where a server echoes them in a place that is otherwise shown.
type redactor struct {
	mu    sync.Mutex
	known []string // every spelling
	// replacer is made of known when it is next needed.
	replacer *strings.Replacer
}

// maxKnown bounds what a server can make a redactor remember. What the client
// itself sent is learned beyond it.
const maxKnown = 2000

func (r *redactor) learnRemote(value string) {
	r.mu.Lock()
	room := len(r.known) < maxKnown
	r.mu.Unlock()
	// An unknown value of a few characters ("true", "1") may well occur elsewhere
	// without being a secret, and would make the trace unreadable.
	if room && len(value) >= 8 {
		r.learn(value)
	}
}

// learn takes a secret in all the spellings in which an answer may repeat it.
func (r *redactor) learn(secret string) {
	if strings.TrimSpace(secret) == "" {
		return
	}
	quoted, _ := json.Marshal(secret)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range []string{
		secret, strings.TrimSpace(secret), url.QueryEscape(secret), url.PathEscape(secret),
		html.EscapeString(secret), strings.Trim(string(quoted), `"`),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		if s != "" && !slices.Contains(r.known, s) {
			r.known = append(r.known, s)
			r.replacer = nil
		}
	}
}

func (r *redactor) scrub(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replacer == nil {
		// The longest comes first, or a part of it would be replaced and the rest shown.
		slices.SortFunc(r.known, func(a, b string) int { return len(b) - len(a) })
		pairs := make([]string, 0, 2*len(r.known))
		for _, s := range r.known {
			pairs = append(pairs, s, redacted)
		}
		r.replacer = strings.NewReplacer(pairs...)
	}
	return r.replacer.Replace(text)
}

// learnRequest learns the secrets that a request carries.
func (r *redactor) learnRequest(req *http.Request) {
	if _, value, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		r.learn(value)
	}
	if _, password, ok := req.BasicAuth(); ok {
		r.learn(password)
	}
}

// header gives the value of a header as a trace may show it.
func (r *redactor) header(name, value string) string {
	name = http.CanonicalHeaderKey(name)
	switch {
	case name == "Authorization":
		if scheme, _, ok := strings.Cut(value, " "); ok && (scheme == "Basic" || scheme == "Bearer") {
			return scheme + " " + redacted
		}
	case name == "Www-Authenticate":
		return r.challenges(value)
	case name == "Location":
		if u, err := url.Parse(value); err == nil {
			return r.url(u)
		}
	case slices.Contains(shownHeaders, name):
		return r.text(value)
	}
	return redacted
}

// challenges shows the schemes and parameters that are in the IANA registry of
// schemes or in distribution's specification.
func (r *redactor) challenges(value string) string {
	var out []string
	for _, c := range parseChallenges([]string{value}) {
		switch c.scheme {
		case "basic", "bearer", "digest", "dpop", "negotiate", "ntlm":
		default:
			out = append(out, redacted)
			continue
		}
		shown := challenge{scheme: c.scheme, params: map[string]string{}}
		for _, name := range []string{"service", "scope", "error", "charset"} {
			if v, ok := c.params[name]; ok {
				shown.params[name] = r.scrub(v)
			}
		}
		if u, err := url.Parse(c.params["realm"]); err == nil && c.params["realm"] != "" {
			shown.params["realm"] = r.url(u)
		}
		text := shown.String()
		if len(shown.params) < len(c.params) || c.token68 != "" {
			text += " " + redacted
		}
		out = append(out, Printable(text, maxShown))
	}
	return strings.Join(out, ", ")
}

// url gives u without user name, password and fragment, and with the values of
// unknown parameters replaced.
func (r *redactor) url(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: r.scrub(u.Path)}
	out := bare.String()
	if u.Opaque != "" {
		out = redacted
	}
	if u.RawQuery != "" {
		out += "?" + r.params(u.RawQuery)
	}
	return r.text(strings.ReplaceAll(out, url.PathEscape(redacted), redacted))
}

// params redacts a query or a form.
func (r *redactor) params(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		switch {
		case !ok && part != "":
			parts[i] = redacted
		case slices.Contains(shownParams, name):
			parts[i] = name + "=" + r.scrub(value)
		default:
			if plain, err := url.QueryUnescape(value); err == nil {
				r.learnRemote(plain)
			}
			parts[i] = r.scrub(name) + "=" + redacted
		}
	}
	return strings.Join(parts, "&")
}

// json gives a JSON document with the values of unknown fields replaced; a text
// that is no JSON is replaced as a whole.
func (r *redactor) json(body []byte) string {
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		return redacted
	}
	// Learn first, show then: the order of fields must not decide what is known.
	r.value(doc, false)
	out, err := json.Marshal(r.value(doc, false))
	if err != nil {
		return redacted
	}
	return r.text(string(out))
}

func (r *redactor) value(v any, known bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, field := range v {
			out[r.scrub(name)] = r.value(field, slices.Contains(shownFields, name))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, element := range v {
			out[i] = r.value(element, known)
		}
		return out
	case string:
		if known {
			return r.scrub(v)
		}
		r.learnRemote(v)
		return redacted
	case float64:
		if known {
			return v
		}
		return redacted
	}
	return v
}

// maxShown bounds one value in a trace, in characters.
const maxShown = 2000

func (r *redactor) text(s string) string { return Printable(r.scrub(s), maxShown) }
