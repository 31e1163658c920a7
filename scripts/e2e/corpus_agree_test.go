//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
)

// agrees fails the test unless get names, for a host, the account that docker or podman uses
// for it, and for an image the one of podman or docker.
func (h *corpusHome) agrees(step string, used answers) {
	h.t.Helper()
	namespaced := strings.Contains(h.files()[dockerConfig], "/team\"")
	for q, byDocker := range used {
		if q.client != "docker pull" {
			continue
		}
		host, _, _ := strings.Cut(q.image, "/")
		if host == "my-server:443" || host != strings.ToLower(host) { // one address with another key of the file
			continue
		}
		for address, byPodman := range map[string]account{
			host: used.ofHost("podman", q.image), q.image: used[question{"podman", q.image}],
		} {
			got := h.get(address)
			switch {
			case !byDocker.known() && !byPodman.known(), got == byDocker, got == byPodman:
			case strings.Contains(string(byDocker), "bearer:"): // regshape has no use for one
			case got.known() && strings.Contains(string(byDocker), string(got)): // a password or a token
			case isAny(string(byPodman), "invented-refresh", "invented-access"): // it takes any of Docker Hub's keys
			case address == q.image && namespaced: // docker takes another key of its file than podman
			case isAny(string(got), "is not on PATH", "and they differ", "empty name of a helper"): // a source that is broken
			default:
				h.t.Errorf("%s: get %s says %s, docker uses %s, podman %s", step, address, got, byDocker, byPodman)
			}
		}
	}
}

// get is the account that regshape says would be used.
func (h *corpusHome) get(registry string) account {
	h.t.Helper()
	said := h.run("regshape", "auth", "get", registry, "--json", "--show-secret")
	var answer struct {
		Username, Secret, Message string
		IdentityToken             bool `json:"identity_token"`
	}
	switch err := json.Unmarshal([]byte(said.stdout), &answer); {
	case err != nil:
		h.t.Fatalf("not JSON (%v):\n%s", err, said)
	case said.code != 0:
		return account("error: " + answer.Message)
	case answer.IdentityToken:
		return accountOf("", "", answer.Secret, "")
	}
	return accountOf(answer.Username, answer.Secret, "", "")
}

// logsOut logs out of every host, and fails the test if a client still comes with a login
// that logout has not named. Podman's logins for namespaces are others.
func (h *corpusHome) logsOut(step string, asked []string) {
	h.t.Helper()
	still := map[string][]string{}
	for _, image := range asked {
		host, _, _ := strings.Cut(image, "/")
		if still[host] != nil {
			continue
		}
		said := h.run("regshape", "auth", "logout", host, "--json")
		var answer struct{ Still []string }
		h.must(json.Unmarshal([]byte(said.stdout), &answer))
		if said.code != 0 {
			h.t.Logf("%s: logout fails:\n%s", step, said)
			answer.Still = []string{"an error"}
		}
		still[host] = append([]string{}, answer.Still...)
	}
	for q, who := range h.ask(asked, true) {
		host, _, _ := strings.Cut(q.image, "/")
		namespaced := q.client == "podman" && q.image != beside(q.image) && slices.Contains(asked, beside(q.image))
		if who.known() && len(still[host]) == 0 && !namespaced {
			h.t.Errorf("%s: after logout %s comes as %s, and logout names no place", step, q, who)
		}
	}
}

func isAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// lists fails the test unless list has what the helper lists, and the helper gives each of
// that: without one of them docker's builds get no login at all.
func (h *corpusHome) lists(step string) {
	h.t.Helper()
	said := h.run("regshape", "auth", "list", "--json")
	var rows []struct{ Username string }
	h.must(json.Unmarshal([]byte(said.stdout), &rows))
	held := h.stored()
	if len(rows) != len(held) {
		h.t.Errorf("%s: the helper lists %d logins, and list:\n%s", step, len(held), said)
	}
	for address := range held {
		get := h.runIn(address, "docker-credential-regshape", "get")
		if get.code != 0 || strings.TrimSpace(address) == "" || len(address) > 2048 {
			h.t.Errorf("%s: the helper lists %.100q, and gives:\n%s", step, address, get)
		}
	}
}
