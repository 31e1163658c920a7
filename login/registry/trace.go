package registry

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxPreview bounds how much of a body a trace reads ahead of the caller. Responses with
// tokens stay far below; of a longer body only the size is shown.
const maxPreview = 64 << 10

// Trace returns a decorator that writes requests and responses to w as curl -v does:
// "> " and "< " before headers, "* " before everything else. Only values known to
// be harmless are shown, the others become "[redacted]"; and what was recognised as
// a secret once is redacted wherever a server repeats it. Each half of a call is one
// Write, so that parallel calls do not mix. The time until the headers of the
// response, or the error, is measured with now. Errors of w are ignored: a trace must not
// make a login fail.
func Trace(w io.Writer, now func() time.Time) func(http.RoundTripper) http.RoundTripper {
	out := &tracer{w: w, known: &redactor{}}
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			out.request(req)
			start := now()
			res, err := next.RoundTrip(req)
			took := now().Sub(start)
			if err != nil {
				out.print(fmt.Sprintf("* %s, after %.1f ms\n", classify(err).message, milliseconds(took)))
				return nil, err
			}
			out.answer(res, took)
			return res, nil
		})
	}
}

// roundTripper makes a function an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

type tracer struct {
	mu    sync.Mutex
	w     io.Writer
	known *redactor
}

func (t *tracer) print(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.w, s)
}

func (t *tracer) request(req *http.Request) {
	t.known.learnRequest(req)
	var b strings.Builder
	target := req.URL.EscapedPath()
	if req.URL.RawQuery != "" {
		target += "?" + t.known.params(req.URL.RawQuery)
	}
	// Scheme and address have a line of their own, since Host shows neither.
	fmt.Fprintf(&b, "* %s\n", t.known.text(req.URL.Scheme+"://"+req.URL.Host))
	fmt.Fprintf(&b, "> %s %s HTTP/1.1\n", req.Method, t.known.text(target))
	fmt.Fprintf(&b, "> Host: %s\n", t.known.text(req.URL.Host))
	t.headers(&b, "> ", req.Header)
	b.WriteString(">\n")
	if req.ContentLength > 0 {
		fmt.Fprintf(&b, "* sent %d bytes: %s\n", req.ContentLength, t.known.text(t.known.params(sentForm(req))))
	}
	t.print(b.String())
}

func (t *tracer) answer(res *http.Response, took time.Duration) {
	size := "a body of unknown size"
	if res.ContentLength >= 0 {
		size = fmt.Sprintf("%d bytes", res.ContentLength)
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	preview := ""
	if kind == "application/json" || strings.HasSuffix(kind, "+json") {
		head, whole := peek(res)
		if whole && res.StatusCode == http.StatusOK {
			t.known.learnAnswer(head)
		}
		if whole {
			size, preview = fmt.Sprintf("%d bytes", len(head)), ": "+t.known.json(head)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "< HTTP/%d.%d %s\n", res.ProtoMajor, res.ProtoMinor, statusText(res.StatusCode))
	t.headers(&b, "< ", res.Header)
	b.WriteString("<\n")
	fmt.Fprintf(&b, "* received %s after %.1f ms%s\n", size, milliseconds(took), preview)
	t.print(b.String())
}

func (t *tracer) headers(b *strings.Builder, mark string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(b, "%s%s: %s\n", mark, t.known.text(name), t.known.header(name, value))
		}
	}
}

// peek reads the beginning of a body and puts it back; whole says that it is all. A read
// error is left for the caller.
func peek(res *http.Response) (head []byte, whole bool) {
	body := res.Body
	head, err := io.ReadAll(io.LimitReader(body, maxPreview+1))
	rest := io.Reader(body)
	if err != nil {
		rest = failing{err}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), body}
	return head, err == nil && len(head) <= maxPreview
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TimeCalls returns a decorator that writes one line a call to w: method, URL
// without its query, status or error, and the milliseconds until the headers of the
// response, measured with now. Errors of w are ignored.
func TimeCalls(w io.Writer, now func() time.Time) func(http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	known := &redactor{}
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			known.learnRequest(req)
			start := now()
			res, err := next.RoundTrip(req)
			took := now().Sub(start)
			var end string
			if err != nil {
				end = classify(err).message
			} else {
				end = statusText(res.StatusCode)
			}
			place := known.url(&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path})
			mu.Lock()
			defer mu.Unlock()
			_, _ = fmt.Fprintf(w, "%s %s: %s, %.1f ms\n", req.Method, place, end, milliseconds(took))
			return res, err
		})
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
