package registry

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// TimeCalls returns a decorator that writes one line a call to w: method, URL
// without its query, status or error, and the milliseconds by now until the headers
// of the answer were there. Errors of w are ignored.
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
