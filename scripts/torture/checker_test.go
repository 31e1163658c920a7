//go:build torture && linux && amd64

package torture

import "testing"

func get(key, value string, start, end int64) look {
	if value != "" && value[0] == '#' {
		value = key + value
	}
	return look{scopes: scopes(key), value: value, start: start, end: end}
}

func list(start, end int64, values ...string) look {
	all := map[string]string{}
	for _, v := range values {
		all[keyOf(v)] = v
	}
	return look{all: all, start: start, end: end}
}

func put(v string, start, end int64) change {
	return change{key: keyOf(v), value: v, start: start, end: end, acked: true}
}

func erase(key string, start, end int64) change {
	return change{key: key, start: start, end: end, acked: true}
}

func killed(c change) change {
	c.acked = false
	return c
}

// A checker that accepts everything would prove nothing: it must refuse these histories,
// and accept their legal neighbours.
func TestChecker(t *testing.T) {
	for _, c := range []struct {
		name        string
		changes     []change
		looks       []look
		lost, wrong int
	}{
		{
			"reads in order",
			[]change{put("a#1", 10, 20), put("a#2", 30, 40), erase("a", 50, 60)},
			[]look{get("a", "", 1, 2), get("a", "#1", 21, 22), get("a", "#2", 41, 42), get("a", "", 61, 62)},
			0, 0,
		},
		{
			"reads beside a put see old or new",
			[]change{put("a#1", 10, 20), put("a#2", 30, 40)},
			[]look{get("a", "#1", 35, 36), get("a", "#2", 35, 36), get("a", "#1", 29, 50), get("a", "#2", 20, 31)},
			0, 0,
		},
		{"a lost write", []change{put("a#1", 10, 20)}, []look{get("a", "", 21, 22)}, 1, 0},
		{"a stale read", []change{put("a#1", 10, 20), put("a#2", 30, 40)}, []look{get("a", "#1", 41, 42)}, 1, 0},
		{"an erased login is back", []change{put("a#1", 10, 20), erase("a", 30, 40)}, []look{get("a", "#1", 41, 42)}, 1, 0},
		{"a read of what is not yet written", []change{put("a#1", 10, 20)}, []look{get("a", "#1", 5, 9)}, 0, 1},
		{"a secret that nobody stored", []change{put("a#1", 10, 20)}, []look{get("a", "#7", 21, 22)}, 0, 1},
		{"a foreign secret", []change{put("a#1", 10, 20), put("b#1", 10, 20)}, []look{get("a", "b#1", 21, 22)}, 1, 1},
		{"a foreign secret where nothing is", []change{put("b#1", 10, 20)}, []look{get("a", "b#1", 21, 22)}, 0, 1},
		{
			"an unacknowledged put is seen, or not",
			[]change{put("a#1", 10, 20), killed(put("a#2", 30, 40))},
			[]look{get("a", "#1", 41, 42), get("a", "#2", 43, 44), get("a", "#1", 45, 46)},
			0, 0,
		},
		{"an unacknowledged put is replaced", []change{killed(put("a#1", 10, 20)), put("a#2", 30, 40)}, []look{get("a", "#1", 41, 42)}, 1, 0},
		{
			"an unacknowledged erase was done, or not",
			[]change{put("a#1", 10, 20), killed(erase("a", 30, 40))},
			[]look{get("a", "", 41, 42), get("a", "#1", 43, 44)},
			0, 0,
		},
		{"an unacknowledged erase before a put", []change{killed(erase("a", 10, 20)), put("a#1", 30, 40)}, []look{get("a", "", 41, 42)}, 1, 0},
		{
			"two puts at once, either stands",
			[]change{put("a#1", 10, 40), put("a#2", 20, 30)},
			[]look{get("a", "#1", 41, 42), get("a", "#2", 41, 42)},
			0, 0,
		},
		{"a put beside an erase", []change{put("a#1", 10, 40), erase("a", 20, 30)}, []look{get("a", "", 41, 42), get("a", "#1", 41, 42)}, 0, 0},
		{
			"the wider scope answers for an erased one",
			[]change{put("h/t#1", 1, 2), put("h/t/a#1", 10, 20), erase("h/t/a", 30, 40)},
			[]look{get("h/t/a", "#1", 21, 22), get("h/t/a", "h/t#1", 41, 42)},
			0, 0,
		},
		{"the wider scope answers in the place of a login", []change{put("h/t#1", 1, 2), put("h/t/a#1", 10, 20)}, []look{get("h/t/a", "h/t#1", 21, 22)}, 1, 0},
		{"nothing is found in either scope", []change{put("h/t#1", 1, 2)}, []look{get("h/t/a", "", 21, 22)}, 1, 0},
		{"a whole list", []change{put("a#1", 10, 20), put("b#1", 10, 20)}, []look{list(21, 22, "a#1", "b#1")}, 0, 0},
		{"half a list", []change{put("a#1", 10, 20), put("b#1", 10, 20)}, []look{list(21, 22, "a#1")}, 1, 0},
		{"half a list beside an erase", []change{put("a#1", 10, 20), put("b#1", 10, 20), erase("b", 25, 30)}, []look{list(21, 26, "a#1")}, 0, 0},
		{"a list of what was replaced", []change{put("a#1", 10, 20), put("a#2", 30, 40)}, []look{list(41, 42, "a#1")}, 1, 0},
		{"a list with a stranger", []change{put("a#1", 10, 20)}, []look{list(21, 22, "a#1", "z#1")}, 0, 1},
	} {
		lost, wrong := history{changes: c.changes, looks: c.looks}.check()
		if len(lost) != c.lost || len(wrong) != c.wrong {
			t.Errorf("%s: want %d lost and %d wrong, got\n%q\n%q", c.name, c.lost, c.wrong, lost, wrong)
		}
	}
}
