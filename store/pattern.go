package store

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math/bits"
	"slices"
	"strings"

	"regshape/store/durable"
)

// maxPatternLabels bounds the masks of a host that a lookup tries, to 63.
const maxPatternLabels = 8

// ErrPattern means that a registry with "*" in it is none that a login can be for.
var ErrPattern = errors.New("not a pattern for registries: give a host name of 3 to 8 labels, with * for whole ones before the last two, and no path")

// ParsePattern returns the canonical form of a pattern, "*.dkr.ecr.*.amazonaws.com": a host
// name, perhaps with https:// before it or a port behind it, with "*" for whole labels but the
// last two. As an address that is an opaque key, so no client asks for it.
func ParsePattern(s string) (pattern string, err error) {
	rest, _ := cutPrefixFold(strings.TrimSpace(s), "https://")
	host, _ := canonicalHost(strings.ReplaceAll(rest, "*", "0"), false) // "" has no labels, and "[::1]" one
	// The canonical form has the same labels, in lower case.
	name, port, _ := strings.Cut(host, ":")
	labels, fixed := strings.Split(strings.ToLower(rest), "."), strings.Split(name, ".")
	if len(labels) != len(fixed) || len(labels) < 3 || len(labels) > maxPatternLabels {
		return "", ErrPattern
	}
	for i, l := range labels {
		switch {
		case fixed[i] == "", strings.Contains(l, "*") && (l != "*" || i >= len(labels)-2):
			return "", ErrPattern
		case l == "*":
			fixed[i] = "*"
		}
	}
	if isNumber(fixed[len(fixed)-1]) || !slices.Contains(fixed, "*") {
		return "", ErrPattern
	}
	pattern = strings.Join(fixed, ".")
	if port != "" {
		pattern += ":" + port
	}
	return pattern, nil
}

// markPatterns makes lookups try masks.
func (v view) markPatterns() error {
	_, err := v.write(context.Background(), Credential{ServerURL: patternMark, Canonical: patternMark, Expires: longAgo, Answer: &Answer{}})
	return err
}

// IsPattern reports whether a login is for all registries that match its address.
func (c Credential) IsPattern() bool {
	p, err := ParsePattern(c.Canonical)
	return c.Program != nil && err == nil && p == c.Canonical
}

// patternMark is the address of an entry that every store with a pattern has, so that all
// others need not look for masks.
const patternMark = "patterns of this store"

// getByPattern finds the pattern that counts for an address.
func (v *view) getByPattern(ctx context.Context, a Address) (Credential, error) {
	masks := a.Masks()
	if len(masks) == 0 {
		return Credential{}, ErrNotFound
	}
	if there, err := durable.Exists(v.path(patternMark)); err != nil || !there {
		return Credential{}, cmp.Or(err, ErrNotFound)
	}
	for _, mask := range masks {
		c, err := v.read(ctx, mask)
		if !errors.Is(err, fs.ErrNotExist) && (err != nil || c.Program != nil) {
			c.asked = a.String()
			return c, err
		}
	}
	return Credential{}, ErrNotFound
}

// isNumber recognizes the last label of an IPv4 address, however it is spelled: no domain ends in
// a number (RFC 3696 §2).
func isNumber(label string) bool { return strings.Trim(label, "0123456789") == "" }

// Masks returns the patterns that an address matches, the one that counts first: with fewer
// "*", then with the leftmost fixed label. A scope, a plain http address, an IP address and
// Docker Hub match none.
func (a Address) Masks() []string {
	name, port, hasPort := strings.Cut(a.host, ":")
	labels := strings.Split(name, ".")
	if a.Opaque() || a.plain || a.host == HubHost || len(a.path) > 0 || strings.HasPrefix(a.host, "[") || isNumber(labels[len(labels)-1]) ||
		len(labels) < 3 || len(labels) > maxPatternLabels || slices.Contains(labels, "") {
		return nil
	}
	free := len(labels) - 2
	var sets []uint // the leftmost label is the highest bit, set where it is "*"
	for set := uint(1); set < 1<<free; set++ {
		sets = append(sets, set)
	}
	slices.SortFunc(sets, func(x, y uint) int {
		return cmp.Or(cmp.Compare(bits.OnesCount(x), bits.OnesCount(y)), cmp.Compare(x, y))
	})
	masks := make([]string, 0, len(sets))
	for _, set := range sets {
		mask := slices.Clone(labels)
		for i := range free {
			if set&(1<<(free-1-i)) != 0 {
				mask[i] = "*"
			}
		}
		text := strings.Join(mask, ".")
		if hasPort {
			text += ":" + port
		}
		masks = append(masks, text)
	}
	return masks
}
