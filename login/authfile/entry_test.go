package authfile

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// What an entry holds beside its login is told, and never shown.
func TestEntry_more(t *testing.T) {
	basic := func(user, password string) string {
		return `"auth":"` + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + `"`
	}
	for _, c := range []struct {
		entry string
		want  error
		says  string
	}{
		{`{` + basic("u", "canary") + `}`, nil, ""},
		{`{` + basic("u", "canary") + `,"email":"a@b.example","serveraddress":"r"}`, nil, ""},
		{`{` + basic("u", "canary") + `,"username":"u","password":"canary"}`, nil, ""},
		{`{` + basic("u", "") + `,"identitytoken":"canary","username":"u"}`, nil, ""},
		{`{"username":"u","password":"canary","identitytoken":"","registrytoken":null,"x":null,"y":"","z":false}`, nil, ""},
		{`{` + basic("u", "canary\x00") + `}`, nil, ""}, // docker and podman cut the NUL off
		{`{` + basic("u", "canary") + `,"identitytoken":"t"}`, ErrTwoSecrets, ""},
		{`{"username":"u","password":"canary","IdentityToken":"t"}`, ErrTwoSecrets, ""},
		{`{` + basic("u", "p") + `,"password":"canary"}`, ErrMembers, "another password"},
		{`{` + basic("u", "p") + `,"username":"canary"}`, ErrMembers, "another user name"},
		{`{` + basic("u", "") + `,"identitytoken":"t","password":"canary"}`, ErrMembers, "another password"},
		{`{` + basic("u", "p") + `,"password":"p","Password":"canary","password":"p"}`, ErrMembers, "more than once"},
		{`{"auth":"Y2FuYXJ5OmNhbmFyeQ==",` + basic("u", "p") + `}`, ErrMembers, `"auth" more than once`},
		{`{"pa\u017fsword":"canary","username":"u","password":"p"}`, ErrMembers, "more than once"},
		{`{"registrytoken":"canary",` + basic("u", "p") + `,"RegistryToken":""}`, ErrMembers, "more than once"},
		{`{` + basic("u", "p") + `,"x-refresh":"canary"}`, ErrMembers, `"x-refresh"`},
		{`{` + basic("u", "p") + `,"n":0}`, ErrMembers, `"n"`},
		{`{` + basic("u", "p") + `,"email":{"token":"canary"}}`, ErrMembers, `"email"`},
		{`{` + basic("u", "p") + `,"a\u001b\u202e":["canary"]}`, ErrMembers, `"a??"`},
	} {
		d, err := Parse("f", []byte(`{"auths":{"r.example":`+c.entry+`}}`), Docker)
		if err != nil {
			t.Fatal(err)
		}
		e := d.Entries()[0]
		if !errors.Is(e.More, c.want) || e.Err != nil || e.Marker || e.Secret == "" {
			t.Errorf("%s: more is %v (%v), want %v", c.entry, e.More, e.Err, c.want)
		}
		if e.More != nil && (!strings.Contains(e.More.Error(), c.says) || strings.Contains(e.More.Error(), "canary")) {
			t.Errorf("%s: says %q", c.entry, e.More)
		}
	}
	d, err := Parse("f", []byte(`{"auths":{"r":{"username":"a","password":"x"},"s":{"username":"a","password":"x"},"r":{"username":"b","password":"y"}}}`), Docker)
	if err != nil {
		t.Fatal(err)
	}
	if e := d.Entries(); len(e) != 2 || e[0].Username != "b" || !errors.Is(e[0].More, ErrDuplicate) || e[1].More != nil {
		t.Errorf("got %v", e)
	}
}
