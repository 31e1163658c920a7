package store

import (
	"testing"
	"time"
)

func TestMergeUnknownRefusesWhatIsNoObject(t *testing.T) {
	for _, test := range []struct{ before, known string }{{"[1]", "{}"}, {"", "{}"}, {"{}", "[1]"}, {"{}", ""}} {
		if got, err := mergeUnknown[Credential]([]byte(test.before), []byte(test.known)); err == nil || got != nil {
			t.Errorf("%q with %q gives %q, %v", test.known, test.before, got, err)
		}
	}
	// An unexported field of the struct is no field of the file.
	got, err := mergeUnknown[Credential]([]byte(`{"payload":1,"username":"old","b":2}`), []byte(`{"Username":"u"}`))
	if want := `{"Username":"u","b":2,"payload":1}`; err != nil || string(got) != want {
		t.Errorf("%s (%v), want %s", got, err, want)
	}
}

// The very second in which a login expires it is not answered any more.
func TestExpiredAtItsTime(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for now, want := range map[time.Time]bool{at.Add(-1): false, at: true, at.Add(1): true} {
		if got := (Credential{Expires: at}).Expired(now); got != want {
			t.Errorf("%v: %t", now, got)
		}
	}
	if (Credential{}).Expired(at) {
		t.Error("a login without an end has expired")
	}
	s := Store{now: func() time.Time { return at }}
	if !s.Expired(Credential{Expires: at}) || s.Expired(Credential{Expires: at.Add(1)}) {
		t.Error("the store has another clock")
	}
}
