package registry

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"regshape/login/redact"
	"regshape/store/printable"
)

// What a trace may show. Everything else is treated as a secret: an allowlist fails safe
// where a list of known secrets does not.
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
		"access_type", "account", "audience", "client_id", "grant_type", "offline_token", "scope", "service", "token_type_hint", "username",
	}
	shownFields = []string{
		"code", "detail", "details", "error", "error_description", "errors", "expires_in", "issued_at",
		"message", "name", "scope", "service", "tags", "token_type",
	}
)

// secretFields are learned from a successful response: they will be sent.
var secretFields = []string{"access_token", "device_code", "id_token", "refresh_token", "token", "user_code"}

// minRemote is the shortest value of a server's that is learned. A shorter one ("true", "1")
// may well occur elsewhere without being a secret, and would make a trace unreadable. The
// user's own are learned at any length.
const minRemote = 8

// redactor knows the secrets that were sent or received. Of a server's own it learns at
// most len(secretFields) per response, which bounds its memory.
type redactor struct{ redact.Secrets }

func (r *redactor) learnRemote(value string) {
	if len(value) >= minRemote {
		r.Learn(value)
	}
}

// learnRequest learns the secrets that a request carries.
func (r *redactor) learnRequest(req *http.Request) {
	if _, value, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		r.Learn(value)
	}
	if _, password, ok := req.BasicAuth(); ok {
		r.Learn(password)
	}
	if form, err := url.ParseQuery(sentForm(req)); err == nil {
		eachHidden(form, r.Learn)
	}
	// A realm or a redirect may have added its own.
	eachHidden(req.URL.Query(), r.learnRemote)
	if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
		if password, ok := proxy.User.Password(); ok {
			r.Learn(password)
		}
	}
}

func eachHidden(params url.Values, do func(string)) {
	for name, values := range params {
		for _, value := range values {
			if !slices.Contains(shownParams, name) {
				do(value)
			}
		}
	}
}

// sentForm is the body of a request, which stays to be sent.
func sentForm(req *http.Request) string {
	if req.GetBody == nil {
		return ""
	}
	body, err := req.GetBody()
	if err != nil {
		return ""
	}
	defer func() { _ = body.Close() }()
	b, _ := io.ReadAll(body) // it is in memory
	return string(b)
}

// header returns the value of a header as a trace may show it.
func (r *redactor) header(name, value string) string {
	name = http.CanonicalHeaderKey(name)
	switch {
	case name == "Authorization":
		if scheme, _, ok := strings.Cut(value, " "); ok && (scheme == "Basic" || scheme == "Bearer") {
			return scheme + " " + redact.Mark
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
	return redact.Mark
}

// challenges shows the schemes and parameters that are in the IANA registry of
// schemes or in distribution's specification.
func (r *redactor) challenges(value string) string {
	var out []string
	for _, c := range parseChallenges([]string{value}) {
		switch c.scheme {
		case "basic", "bearer", "digest", "dpop", "negotiate", "ntlm":
		default:
			out = append(out, redact.Mark)
			continue
		}
		shown := challenge{scheme: c.scheme, params: map[string]string{}}
		for _, name := range []string{"service", "scope", "error", "charset"} {
			if v, ok := c.params[name]; ok {
				shown.params[name] = r.Redact(v)
			}
		}
		if u, err := url.Parse(c.params["realm"]); err == nil && c.params["realm"] != "" {
			shown.params["realm"] = r.url(u)
		}
		text := shown.String()
		if len(shown.params) < len(c.params) || c.token68 != "" {
			text += " " + redact.Mark
		}
		out = append(out, printable.Line(text, maxShown))
	}
	return strings.Join(out, ", ")
}

// url returns u without user name, password and fragment, and with the values of unknown
// parameters replaced.
func (r *redactor) url(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: r.Redact(u.Path)}
	out := bare.String()
	if u.Opaque != "" {
		out = redact.Mark
	}
	if u.RawQuery != "" {
		out += "?" + r.params(u.RawQuery)
	}
	return r.text(strings.ReplaceAll(out, url.PathEscape(redact.Mark), redact.Mark))
}

// params redacts a query or a form.
func (r *redactor) params(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		switch {
		case !ok && part != "":
			parts[i] = redact.Mark
		case slices.Contains(shownParams, name):
			parts[i] = name + "=" + r.Redact(value)
		default:
			parts[i] = r.Redact(name) + "=" + redact.Mark
		}
	}
	return strings.Join(parts, "&")
}

// learnAnswer learns the secrets that a server issued.
func (r *redactor) learnAnswer(body []byte) {
	var fields map[string]any
	_ = json.Unmarshal(body, &fields) // what is not an object has none
	for _, name := range secretFields {
		if value, ok := fields[name].(string); ok {
			r.learnRemote(value)
		}
	}
}

// json returns a JSON document with the values of unknown fields replaced; a text that is
// not JSON is replaced as a whole.
func (r *redactor) json(body []byte) string {
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		return redact.Mark
	}
	out, err := json.Marshal(r.value(doc, false))
	if err != nil {
		return redact.Mark
	}
	return r.text(string(out))
}

func (r *redactor) value(v any, known bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, field := range v {
			out[r.Redact(name)] = r.value(field, slices.Contains(shownFields, name))
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
			return r.Redact(v)
		}
		return redact.Mark
	case float64:
		if known {
			return v
		}
		return redact.Mark
	}
	return v
}

// maxShown bounds one value in a trace, in characters.
const maxShown = 2000

func (r *redactor) text(s string) string { return printable.Line(r.Redact(s), maxShown) }
