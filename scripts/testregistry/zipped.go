package testregistry

import (
	"compress/gzip"
	"maps"
	"net/http"
	"net/http/httptest"
)

// Zipped compresses every answer of a handler, asked or not, as some proxies do.
func Zipped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Del("Content-Length")
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(answer.Code)
		z := gzip.NewWriter(w)
		_, _ = answer.Body.WriteTo(z) // a client that is gone is all that can go wrong
		_ = z.Close()
	})
}
