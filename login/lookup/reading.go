package lookup

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
	"regshape/store/printable"
)

// What a key of a file means is for the tool to say whose file it is:
//
//   - docker reads config.json: the key asked for, else any key with that host, whatever its
//     scheme and path. It asks for Docker Hub by [store.HubAddress] alone. Source: docker/cli
//     29.7, cli/config/credentials (ConvertToHostname) and configfile.
//   - podman, skopeo and buildah read auth.json: the repository and its namespaces to the
//     letter, then the host, then keys with a scheme by their host. They read config.json in
//     the same way, and .dockercfg by hosts alone. Source: go.podman.io/image 5.42,
//     pkg/docker/config.

// maxKey bounds the keys of files: a host name has 253 characters at most, and a namespace
// that a client asks for has room in the rest.
const maxKey = 2048

// rank orders the keys that mean one registry.
type rank int

const (
	exact   rank = iota // what the file's owner looks for first
	inexact             // found by its host, if there is no exact key
	unused              // only other tools take it for that registry
)

// Entry is an entry of a file, with the registry or namespace that the file's owner uses it
// for. An entry that no client can ask for is a marker.
type Entry struct {
	authfile.Entry
	Address store.Address
	rank    rank
}

// Namespace reports that podman uses the entry for a namespace, and so looks for it in the
// file alone: it asks helpers for whole registries.
func (e Entry) Namespace() bool {
	a, rank := keyAddress(e.Key, authfile.Containers)
	return a.Scope() != "" && rank == exact
}

// Exact reports whether clients ask for the key to the letter. Several may have one address: a
// host with and without the port that its scheme implies, or in capitals.
func (e Entry) Exact() bool { return e.rank == exact }

// Used reports whether the file's owner uses the entry, if it finds no better one.
func (e Entry) Used() bool { return e.rank != unused }

// Entries reads the entries of a file. Of those for one registry the one that the owner
// uses comes first. Where that is left to chance each has [authfile.ErrAmbiguous].
func Entries(d *authfile.Document) []Entry {
	var entries []Entry
	chosen := map[string]rank{}
	byHelper := map[string]bool{} // for which the owner asks the helper of credHelpers alone
	for _, h := range d.CredHelpers() {
		if a, ok := HelperAddress(h.Host, d.Format()); ok && (d.Format() == authfile.Containers || h.Helper != "") {
			byHelper[a.String()] = true
		}
	}
	for _, entry := range d.Entries() {
		e := Entry{Entry: entry}
		e.Address, e.rank = keyAddress(e.Key, d.Format())
		switch {
		case !askable(e.Key, d.Format()):
			e.Entry, e.rank = authfile.Entry{Key: e.Key, Marker: true}, unused
		case byHelper[e.Address.Registry().String()]:
			e.rank = unused
		}
		if best, seen := chosen[e.Address.String()]; !seen || e.rank < best {
			chosen[e.Address.String()] = e.rank
		}
		entries = append(entries, e)
	}
	byAddress := map[string][]int{} // where chance decides
	for i, e := range entries {
		if e.rank == inexact && chosen[e.Address.String()] == inexact && !e.Marker {
			byAddress[e.Address.String()] = append(byAddress[e.Address.String()], i)
		}
	}
	for _, same := range byAddress {
		differ := slices.ContainsFunc(same, func(i int) bool { return !entries[i].Same(entries[same[0]]) })
		if !differ {
			continue
		}
		var keys []string
		for _, i := range same {
			keys = append(keys, fmt.Sprintf("%q", printable.Line(printable.Address(entries[i].Key), 200)))
		}
		for _, i := range same {
			entries[i].Err = fmt.Errorf("%w: %s", authfile.ErrAmbiguous, strings.Join(keys, ", "))
		}
	}
	// Of package slices, a sort of structs is 10 KiB of the program for each type.
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].rank < entries[j].rank })
	return entries
}

// KeyIn is the key for which the tools of a format look where an address is stored: podman and its
// relatives ask for the host of Docker Hub, docker for its URL.
func KeyIn(f authfile.Format, address string) string {
	if f == authfile.Containers && address == store.HubAddress {
		return store.HubHost
	}
	return address
}

// HelperAddress is the registry for which the owner of a file finds a key of credHelpers: to
// the letter. ok is false where it never does.
func HelperAddress(key string, f authfile.Format) (a store.Address, ok bool) {
	a = store.ParseAddress(key).Bare()
	return a, key == KeyIn(f, a.String())
}

// NamedFor lists the registries for which a tool's file names a helper in credHelpers: it
// looks nowhere else for these.
func NamedFor(e *app.Env, helper string) (registries []string) {
	for _, p := range append(Places(e), podmansDocker(e)...) {
		d, err := authfile.Read(p.Path, p.Format)
		if err != nil {
			continue
		}
		for _, h := range d.CredHelpers() {
			if a, ok := HelperAddress(h.Host, p.Format); ok && h.Helper == helper {
				registries = append(registries, a.String())
			}
		}
	}
	return registries
}

// Same reports whether it does not matter which of two entries is used.
func (e Entry) Same(other Entry) bool {
	return e.Err == nil && other.Err == nil && e.Username == other.Username && e.Secret == other.Secret && e.IdentityToken == other.IdentityToken
}

// Matches reports whether a login of the store is that of the entry, byte for byte.
func (e Entry) Matches(c store.Credential) bool {
	return e.Err == nil && e.Username == c.Username && e.Secret == c.Secret && e.IdentityToken == (c.Kind == store.KindIdentityToken)
}

// askable reports whether a client can ask for a key: CI jobs write "" for an unset variable,
// and people the name of an image with its tag.
func askable(key string, f authfile.Format) bool {
	image := f == authfile.Containers && !strings.Contains(key, "://") && strings.Contains(key, "/") && store.ParseAddress(key).Opaque()
	return key != "" && len(key) <= maxKey && key == strings.TrimSpace(key) && !image
}

// keyAddress is what the owner of a file takes a key for. The tokens of docker's web login
// and keys that are not addresses are kept to the letter.
func keyAddress(key string, f authfile.Format) (store.Address, rank) {
	letter := store.ParseAddress(key)
	host, path, scheme := splitKey(key)
	a := store.ParseAddress(host)
	if f == authfile.Containers && !scheme && path != "" {
		a = letter
	}
	a = a.Bare()
	switch {
	case a.Opaque(), letter.Opaque() && store.ParseAddress(host).Hub():
		return letter, exact
	case f == authfile.Docker && a.Hub() && key == store.HubAddress, f != authfile.Docker && a.Hub() && key == store.HubHost:
		return a, exact
	case f == authfile.Docker && a.Hub():
		return a, unused
	case !a.Hub() && (key == a.String() || !scheme && path == ""):
		return a, exact
	case f == authfile.Containers && !scheme && path != "":
		return a, unused
	}
	return a, inexact
}

// splitKey cuts a key into host, with its port, and path.
func splitKey(key string) (host, path string, scheme bool) {
	_, rest, scheme := strings.Cut(key, "://")
	if !scheme {
		rest = key
	}
	host, path = rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	return host[strings.LastIndexByte(host, '@')+1:], path, scheme
}

// find returns the entry that is used, for what, or nil: one for a namespace as podman looks
// it up, the longest first, then that of the registry as the file's owner does.
func (q Query) find(d *authfile.Document) (*Entry, store.Address) {
	entries := Entries(d)
	for _, candidate := range q.Candidates() {
		for _, e := range entries {
			if e.rank == exact && e.Key == candidate.String() {
				return &e, candidate
			}
		}
		for _, e := range entries { // exact ones come first
			namespace := d.Format() != authfile.DockercfgFormat && e.Key == candidate.String()
			if namespace || e.rank != unused && e.Address.String() == candidate.String() {
				return &e, candidate
			}
		}
	}
	return nil, q.Address
}

// remove removes the entries of a document that mean the registry, all spellings of it.
// With Docker Hub goes what docker's web login keeps beside it.
func (q Query) remove(d *authfile.Document) {
	address := q.Address.Bare()
	var tokens []store.Address
	if address.Hub() {
		tokens = store.HubTokens()
	}
	for _, e := range Entries(d) {
		token := slices.ContainsFunc(tokens, func(t store.Address) bool { return t.String() == e.Key })
		if token || e.Key == address.String() || e.Address.String() == address.String() {
			d.RemoveAuth(e.Key)
		}
	}
}
