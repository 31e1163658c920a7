package registry

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// troubleScenarios are registries in trouble, before and after the password is sent.
func troubleScenarios() []scenario {
	again := func(n int, line string, waits ...string) string {
		out := make([]string, 0, 2*n)
		for i := range n {
			if out = append(out, line); i < len(waits) {
				out = append(out, "wait "+waits[i])
			}
		}
		return strings.Join(out, "; ")
	}
	return []scenario{
		{name: "429, then well", reg: firstSays(1, says(429, "", "Retry-After: 2"), asksBasic(nil)), scheme: "basic", want: Verified, message: accepted, asked: again(1, ping, "2s") + "; " + basic2},
		{name: "429 by date", reg: firstSays(1, says(429, "", "Retry-After: Thu, 01 Jan 2026 00:00:03 GMT"), asksBasic(nil)), scheme: "basic", want: Verified, message: accepted, asked: again(1, ping, "3s") + "; " + basic2},
		{name: "429 with an odd wait", reg: firstSays(1, says(429, "", "Retry-After: soon"), asksBasic(nil)), scheme: "basic", want: Verified, message: accepted, asked: again(1, ping, "250ms") + "; " + basic2},
		{name: "429 for ever", reg: says(429, "", "Retry-After: 0"), want: Throttled, message: "too many requests", asked: again(4, ping, "100ms", "100ms", "100ms")},
		{name: "429 for an hour", reg: says(429, "", "Retry-After: 3600"), want: Throttled, message: "too many requests; the registry asks to wait 3600 s", asked: ping},
		{name: "429 after the password", reg: asksBasic(says(429, "")), scheme: "basic", want: Throttled, message: "too many requests", asked: ping + "; " + again(4, "reg GET /v2/ basic", "250ms", "500ms", "1s")},
		{name: "503, then well", reg: firstSays(2, says(503, ""), asksBasic(nil)), scheme: "basic", want: Verified, message: accepted, asked: again(2, ping, "250ms", "500ms") + "; " + basic2},
		{name: "503 for ever", reg: says(503, "down", "Content-Type: text/plain"), want: Unreachable, message: "the registry answered 503 Service Unavailable: down", asked: again(4, ping, "250ms", "500ms", "1s")},
		{name: "503 for ages", reg: says(503, "", "Retry-After: 99999999999999999999"), want: Unreachable, message: "the registry answered 503 Service Unavailable", asked: ping},
		{name: "500 after the password", reg: asksBasic(says(500, "")), scheme: "basic", want: Unreachable, message: "the registry answered 500 Internal Server Error", asked: ping + "; " + again(4, "reg GET /v2/ basic", "250ms", "500ms", "1s")},
		{name: "501 is final", reg: says(501, ""), want: Unreachable, message: "the registry answered 501 Not Implemented", asked: ping},
		{name: "a slow answer", reg: waits, opt: Options{Timeout: 300 * time.Millisecond}, transport: "-", want: Unreachable, message: "no answer within 300ms", asked: ping},
		{name: "a slow answer after the password", reg: asksBasic(waits), opt: Options{Timeout: 500 * time.Millisecond}, scheme: "basic", want: Unreachable, message: "no answer within 500ms", asked: basic2},
		{name: "a body that drips for ever", reg: drips, opt: Options{Timeout: 300 * time.Millisecond}, transport: "-", want: Unreachable, message: "no answer within 300ms", asked: ping},
		{name: "a body without end", reg: floods, want: Unverified, message: "the registry did not ask for a credential", asked: ping},
		{name: "a huge header", reg: says(200, "", "X: "+strings.Repeat("x", 2*maxHeader)), transport: "-", want: Protocol, message: "the headers of the answer are too long or broken", asked: ping},
		{name: "ten thousand headers", reg: says(200, "", strings.Split(strings.Repeat("X: xxxxxxxxxx\n", 10_000)+"X: y", "\n")...), transport: "-", want: Protocol, message: "the headers of the answer are too long", asked: ping},
		{name: "a huge header in HTTP/1", noTLS: true, reg: says(200, "", "X: "+strings.Repeat("x", 2*maxHeader)), transport: "-", want: Protocol, message: "the headers of the answer are too long", asked: ping},
		{name: "Ctrl-C", reg: interrupts, transport: "-", want: Unreachable, message: "interrupted", asked: ping},
		{name: "Ctrl-C after the password", reg: asksBasic(interrupts), scheme: "basic", want: Unreachable, message: "interrupted", asked: basic2},
		{name: "Ctrl-C at the token server", reg: asksBearer(nil), auth: interrupts, scheme: "bearer", want: Unreachable, message: "the token server auth.example: interrupted", asked: getTok},
		{name: "an open registry", reg: says(200, "{}", jsonHeader), want: Unverified, message: "the registry did not ask for a credential", asked: ping},
		{name: "a web page", reg: says(200, "<html>", "Content-Type: text/html; charset=utf-8"), want: NotARegistry, message: "not a registry: it answers /v2/ with a web page", hint: checkHint, asked: ping},
		{name: "a web page that says who it is", reg: says(200, "<html>", "Content-Type: text/html", "Docker-Distribution-Api-Version: registry/2.0"), want: Unverified, message: "the registry did not ask for a credential", asked: ping},
		{name: "no API", reg: says(404, ""), want: NotARegistry, message: "not a registry: it answers /v2/ with 404 Not Found", hint: checkHint, asked: ping},
		{name: "forbidden at once", reg: says(403, ""), want: Forbidden, message: "the registry refuses access before it asks for a credential", asked: ping},
		{name: "an empty answer", reg: says(204, ""), want: Protocol, message: "the registry answered 204 No Content", asked: ping},
		{name: "Docker Hub by another name", host: "docker.io", reg: asksBasic(nil), transport: "-", want: Unreachable, message: "no such host"},
		{name: "no such host", host: "nowhere.example", transport: "-", want: Unreachable, message: "no such host"},
	}
}

func waits(_ *stage, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func drips(_ *stage, w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = fmt.Fprint(w, "x")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

func floods(_ *stage, w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = w.Write(make([]byte, maxBody/16))
	}
}
