package registry

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"

	"regshape/store/printable"
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
		"access_type", "account", "audience", "client_id", "grant_type", "offline_token", "scope", "service", "token_type_hint", "username",
	}
	shownFields = []string{
		"code", "detail", "details", "error", "error_description", "errors", "expires_in", "issued_at",
		"message", "name", "scope", "service", "tags", "token_type",
	}
)

// secretFields are learned from an answer that succeeded: what it gives will be sent.
var secretFields = []string{"access_token", "device_code", "id_token", "refresh_token", "token", "user_code"}

// minRemote is how long a value of a server's has to be to be learned. A shorter one
// ("true", "1") may well occur elsewhere without being a secret, and would make a trace
// unreadable. What is the user's is learned at any length.
const minRemote = 8

// redactor knows the secrets that were sent or received, so that they can be
// recognised where a server echoes them in a place that is otherwise shown. Of a server's
// own it learns at most len(secretFields) an answer, so that none can make it forget.
type redactor struct {
	mu       sync.Mutex
	known    map[string]bool // in lower case
	shortest int             // of known
	finder   *strings.Replacer
}

func (r *redactor) learn(secret string) {
	secret = strings.ToLower(strings.TrimSpace(secret))
	r.mu.Lock()
	defer r.mu.Unlock()
	if secret == "" || r.known[secret] {
		return
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	if r.shortest == 0 || len(secret) < r.shortest {
		r.shortest = len(secret)
	}
	r.known[secret], r.finder = true, nil
}

func (r *redactor) learnRemote(value string) {
	if len(value) >= minRemote {
		r.learn(value)
	}
}

// learnRequest learns the secrets that a request carries.
func (r *redactor) learnRequest(req *http.Request) {
	if _, value, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		r.learn(value)
	}
	if _, password, ok := req.BasicAuth(); ok {
		r.learn(password)
	}
	if form, err := url.ParseQuery(sentForm(req)); err == nil {
		eachHidden(form, r.learn)
	}
	// A realm or a redirect may have brought its own.
	eachHidden(req.URL.Query(), r.learnRemote)
	if proxy, err := http.ProxyFromEnvironment(req); err == nil && proxy != nil {
		if password, ok := proxy.User.Password(); ok {
			r.learn(password)
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

// safe gives a text that may be shown: itself without the words that hold a secret in
// whatever encoding, and nothing of it where the rest still does.
func (r *redactor) safe(text string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) == 0 {
		return text
	}
	if r.finder == nil {
		pairs := make([]string, 0, 2*len(r.known))
		for secret := range r.known {
			pairs = append(pairs, secret, "")
		}
		r.finder = strings.NewReplacer(pairs...)
	}
	if !r.holds(text) {
		return text
	}
	words := strings.Split(text, " ")
	for i, word := range words {
		if r.holds(word) {
			words[i] = redacted
		}
	}
	if text = strings.Join(words, " "); r.holds(text) {
		return redacted
	}
	return text
}

const (
	// maxDepth is how many encodings may lie over each other, as the base64 of
	// user:password in a URL in a JSON text does.
	maxDepth = 3
	// maxDecoded bounds the work on one text, in bytes. An answer of maxPreview with no
	// encoding in it takes a tenth. What takes more is not shown.
	maxDecoded = 8 << 20
)

// holds reports whether a text holds a secret, as it stands or after decoding.
func (r *redactor) holds(text string) bool {
	budget := maxDecoded
	return r.holdsWithin(text, maxDepth, &budget)
}

func (r *redactor) holdsWithin(text string, depth int, budget *int) bool {
	if *budget -= len(text); *budget < 0 {
		return true
	}
	lower := strings.ToLower(text)
	if len(r.finder.Replace(lower)) != len(lower) {
		return true
	}
	return depth > 0 && slices.ContainsFunc(decodings(text, r.shortest), func(decoded string) bool {
		return decoded != text && len(decoded) >= r.shortest && r.holdsWithin(decoded, depth-1, budget)
	})
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
				shown.params[name] = r.safe(v)
			}
		}
		if u, err := url.Parse(c.params["realm"]); err == nil && c.params["realm"] != "" {
			shown.params["realm"] = r.url(u)
		}
		text := shown.String()
		if len(shown.params) < len(c.params) || c.token68 != "" {
			text += " " + redacted
		}
		out = append(out, printable.Line(text, maxShown))
	}
	return strings.Join(out, ", ")
}

// url gives u without user name, password and fragment, and with the values of
// unknown parameters replaced.
func (r *redactor) url(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: r.safe(u.Path)}
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
			parts[i] = name + "=" + r.safe(value)
		default:
			parts[i] = r.safe(name) + "=" + redacted
		}
	}
	return strings.Join(parts, "&")
}

// learnAnswer learns the secrets that a server gave.
func (r *redactor) learnAnswer(body []byte) {
	var fields map[string]any
	_ = json.Unmarshal(body, &fields) // what is no object gives nothing
	for _, name := range secretFields {
		if value, ok := fields[name].(string); ok {
			r.learnRemote(value)
		}
	}
}

// json gives a JSON document with the values of unknown fields replaced; a text
// that is no JSON is replaced as a whole.
func (r *redactor) json(body []byte) string {
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		return redacted
	}
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
			out[r.safe(name)] = r.value(field, slices.Contains(shownFields, name))
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
			return r.safe(v)
		}
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

func (r *redactor) text(s string) string { return printable.Line(r.safe(s), maxShown) }

// decodings gives what a text reads as in each encoding in which a server may repeat a
// secret: percent-encoding, the escapes of JSON and C, HTML's character references, base64
// and hex, each lenient, wherever it stands in the text and whatever stands around it.
// Secrets have at least so many bytes as shortest says.
func decodings(text string, shortest int) []string {
	var out []string
	if strings.Contains(text, "%") {
		out = append(out, unescape(text, '%'))
	}
	if strings.Contains(text, "+") {
		out = append(out, unescape(strings.ReplaceAll(text, "+", " "), '%'))
	}
	if strings.Contains(text, `\`) {
		out = append(out, unescape(text, '\\'))
	}
	if strings.Contains(text, "&") {
		out = append(out, html.UnescapeString(text))
	}
	// White space counts for nothing: base64 and hex are often broken into lines or groups.
	// The first characters of a run may belong to what stands before the encoded bytes.
	dense := strings.Join(strings.Fields(text), "")
	for skip := range 4 {
		out = append(out, decodeRuns(dense, isBase64, skip, shortest, func(run string) []byte {
			run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
			if len(run)%4 == 1 {
				run = run[:len(run)-1]
			}
			decoded, _ := base64.RawStdEncoding.DecodeString(run)
			return decoded
		}))
	}
	for skip := range 2 {
		out = append(out, decodeRuns(dense, isHex, skip, 2*shortest, func(run string) []byte {
			decoded, _ := hex.DecodeString(run[:len(run)/2*2])
			return decoded
		}))
	}
	return out
}

// decodeRuns decodes the runs of an alphabet, each without its first characters, as far as
// they have a minimal length.
func decodeRuns(text string, alphabet func(byte) bool, skip, minimal int, decode func(string) []byte) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		from := i
		for i < len(text) && alphabet(text[i]) {
			i++
		}
		if i-from >= minimal+skip {
			out.Write(decode(text[from+skip : i]))
			out.WriteByte(0)
		}
	}
	return out.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isBase64(c byte) bool { return isAlnum(c) || strings.IndexByte("+/-_", c) >= 0 }

// unescape replaces the escapes that a mark begins: %XX, or \uXXXX, \xXX, \" and their kin.
// What is no escape stays.
func unescape(text string, mark byte) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		if text[i] != mark || i+1 == len(text) {
			out.WriteByte(text[i])
			i++
			continue
		}
		n := 0
		switch {
		case mark == '%':
			n = writeHexByte(&out, text[i+1:])
		case text[i+1] == 'x' || text[i+1] == 'X':
			if n = writeHexByte(&out, text[i+2:]); n > 0 {
				n++
			}
		case text[i+1] == 'u' || text[i+1] == 'U':
			n = writeRune(&out, text[i:])
		}
		switch {
		case n > 0:
			i += 1 + n
		case mark == '%':
			out.WriteByte(mark)
			i++
		default:
			c := text[i+1]
			if at := strings.IndexByte("ntrbf", c); at >= 0 {
				c = "\n\t\r\b\f"[at]
			}
			out.WriteByte(c)
			i += 2
		}
	}
	return out.String()
}

func writeHexByte(out *strings.Builder, digits string) (read int) {
	if len(digits) < 2 {
		return 0
	}
	n, err := strconv.ParseUint(digits[:2], 16, 8)
	if err != nil {
		return 0
	}
	out.WriteByte(byte(n))
	return 2
}

// writeRune reads \uXXXX at the beginning of text, with the second half of a surrogate pair.
// It returns how much it read after the backslash.
func writeRune(out *strings.Builder, text string) (read int) {
	unit := func(s string) (rune, bool) {
		if len(s) < 6 || s[0] != '\\' || s[1]|0x20 != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(s[2:6], 16, 16)
		return rune(n), err == nil
	}
	r, ok := unit(text)
	if !ok {
		return 0
	}
	if low, ok := unit(text[6:]); ok && utf16.IsSurrogate(r) {
		if both := utf16.DecodeRune(r, low); both != '\uFFFD' {
			out.WriteRune(both)
			return 11
		}
	}
	out.WriteRune(r)
	return 5
}
