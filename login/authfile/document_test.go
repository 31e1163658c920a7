package authfile

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestSyntaxErrors(t *testing.T) {
	const canary = "canary"
	for _, c := range []struct {
		text         string
		line, column int
		reason       string
	}{
		{"{\n  \"auths\": {},\n  \"é\": canary\n}", 3, 8, "not valid JSON"},
		{"{\"a\": \"canary", 1, 14, "ends too early"},
		{"{\"a\": \"canary\"", 1, 15, "ends too early"},
		{"{\n\"a\": 1, // canary\n}", 2, 9, "comments"},
		{"{\"a\": 1,\n}", 2, 1, "comma before"},
		{"{\"a\": [1,]}", 1, 10, "comma before"},
		{"\xef\xbb\xbf{}", 1, 1, "byte order mark"},
		{"{} canary", 1, 4, "the end is expected"},
		{"{\"a\": \"can\nary\"}", 1, 11, "line break inside a string"},
		{"[\"canary\"]", 1, 1, "not a JSON object"},
		{"null", 1, 1, "not a JSON object"},
		{"{\"auths\": [\"canary\"]}", 1, 11, "auths is not an object"},
		{"{\n\"CREDSSTORE\": 5}", 2, 15, "credsStore is not a string"},
		{"{\"credHelpers\": \"canary\"}", 1, 17, "credHelpers is not an object"},
		{"{\"credHelpers\": {\"h\": [\"canary\"]}}", 1, 23, "value of credHelpers"},
		{strings.Repeat("[", 20000), 1, 10001, "not valid JSON"},
	} {
		_, err := Parse("f.json", []byte(c.text), Docker)
		se, ok := errors.AsType[*SyntaxError](err)
		if !ok {
			t.Errorf("%.40q: %v", c.text, err)
			continue
		}
		if se.Line != c.line || se.Column != c.column || !strings.Contains(se.Reason, c.reason) || se.Name != "f.json" {
			t.Errorf("%.40q: %v", c.text, err)
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%.40q is quoted: %v", c.text, err)
		}
	}
}

func TestEntries(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	login := func(user, secret string) Entry { return Entry{Username: user, Secret: secret} }
	for _, c := range []struct {
		value string
		want  Entry
		err   string
	}{
		{`{"auth":"` + b64("ada:pa:ss") + `"}`, login("ada", "pa:ss"), ""},
		{`{"auth":"` + strings.TrimRight(b64("ada:canary1"), "=") + `"}`, login("ada", "canary1"), ""},
		{`{"auth":"` + b64("ada:\x00pass\x00\x00") + `"}`, login("ada", "pass"), ""},
		{`{"auth":"` + b64("ada:") + `"}`, login("ada", ""), ""},
		{`{"AUTH":"` + b64("ada:pass") + `","username":"eve","password":"canary"}`, login("ada", "pass"), ""},
		{`{"username":"ada","password":"pass"}`, login("ada", "pass"), ""},
		{
			`{"auth":"` + b64("ada:") + `","identitytoken":"tok"}`,
			Entry{Username: TokenUser, Secret: "tok", IdentityToken: true},
			"",
		},
		{`{"identitytoken":"tok"}`, Entry{Username: TokenUser, Secret: "tok", IdentityToken: true}, ""},
		{`{}`, Entry{Marker: true}, ""},
		{`null`, Entry{Marker: true}, ""},
		{`{"email":"ada@mail.example","auth":""}`, Entry{Marker: true}, ""},
		{`{"auth":"canary!"}`, Entry{}, "broken entry: auth is not base64"},
		{`{"auth":"` + b64("canary") + `"}`, Entry{}, "broken entry: auth has no colon between user name and password"},
		{`{"auth":"` + b64(":canary") + `"}`, Entry{}, "broken entry: auth has no user name"},
		{`{"auth":"canary!","identitytoken":"canary"}`, Entry{}, "broken entry: auth is not base64"},
		{`{"auth":["canary"]}`, Entry{}, "broken entry: auth is not a string"},
		{`{"username":"canary"}`, Entry{}, "broken entry: a user name without a password"},
		{`{"password":"canary"}`, Entry{}, "broken entry: a password without a user name"},
		{`{"registrytoken":"canary"}`, Entry{}, "cannot be moved: registry token"},
		{`"canary"`, Entry{}, "broken entry: not an object"},
	} {
		d := parse(t, "f.json", []byte(`{"auths":{"first.example":{},"r.example":`+c.value+`}}`))
		got := d.Entries()[1]
		if c.err != "" {
			if got.Err == nil || got.Err.Error() != c.err || got.Username != "" || got.Secret != "" {
				t.Errorf("%s: %+v", c.value, got)
			}
			continue
		}
		c.want.Key, got.More = "r.example", nil // TestEntry_more has that
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v", c.value, got)
		}
	}
}

// The expectations are what encoding/json gives docker for the same text.
func TestRead_duplicates(t *testing.T) {
	d := parse(t, "f.json", []byte(`{
		"auths": {"a": {"auth": "YTox"}, "b": {}, "a": {"auth": "YToy"}},
		"AUTHS": {"c": {"auth": "YTo0"}, "b": {"auth": "YTo1"}},
		"credsStore": "one", "CredsStore": "two", "credsstore": null,
		"credHelpers": {"h": "x", "h": "y"}
	}`))
	var got []string
	for _, e := range d.Entries() {
		got = append(got, e.Key+"="+e.Secret)
	}
	if s := strings.Join(got, " "); s != "a=2 b=5 c=4" {
		t.Error(s)
	}
	if e, ok := d.Lookup("b"); !ok || e.Secret != "5" {
		t.Errorf("lookup: got %+v, want secret 5", e)
	}
	if _, ok := d.Lookup("A"); ok {
		t.Error("a host is matched without regard to case")
	}
	if d.CredsStore() != "two" || !reflect.DeepEqual(d.CredHelpers(), []CredHelper{{"h", "y"}}) {
		t.Errorf("got store %q, helpers %v, want the last of each", d.CredsStore(), d.CredHelpers())
	}
}

func TestUpdate_refused(t *testing.T) {
	setAuth := func(key, user, secret string, token bool) func(*Document) {
		return func(d *Document) { d.SetAuth(key, user, secret, token) }
	}
	for _, c := range []struct {
		name, text string
		format     Format
		edit       func(*Document)
		want       error
	}{
		{"store twice", `{"credsStore":"a","CREDSSTORE":"b"}`, Docker, func(d *Document) { d.SetCredsStore("r") }, ErrDuplicate},
		{"store twice, removed", `{"credsStore":"a","credsStore":"b"}`, Docker, func(d *Document) { d.RemoveCredsStore() }, ErrDuplicate},
		{"helpers twice", `{"credHelpers":{},"credhelpers":{}}`, Docker, func(d *Document) { d.SetCredHelper("h", "r") }, ErrDuplicate},
		{"host twice", `{"credHelpers":{"h":"a","h":"b"}}`, Docker, func(d *Document) { d.SetCredHelper("h", "r") }, ErrDuplicate},
		{"host twice, removed", `{"credHelpers":{"h":"a","h":"b"}}`, Docker, func(d *Document) { d.RemoveCredHelper("h") }, ErrDuplicate},
		{"auths twice", `{"auths":{},"Auths":{}}`, Docker, setAuth("k", "a", "b", false), ErrDuplicate},
		{"auths twice, removed", `{"auths":{"k":{}},"Auths":{}}`, Docker, func(d *Document) { d.RemoveAuth("k") }, ErrDuplicate},
		{"key twice", `{"auths":{"k":{},"k":{}}}`, Containers, setAuth("k", "a", "b", false), ErrDuplicate},
		{"key twice, removed", `{"auths":{"k":{},"k":{}}}`, Docker, func(d *Document) { d.RemoveAuth("k") }, ErrDuplicate},
		{"field twice", `{"auths":{"k":{"auth":"","Auth":""}}}`, Docker, setAuth("k", "a", "b", false), ErrDuplicate},
		{"no entry", `{"auths":{"k":"canary"}}`, Docker, setAuth("k", "a", "b", false), errNotObject},
		{"colon", `{}`, Docker, setAuth("k", "can:ary", "b", false), ErrUserName},
		{"no user", `{}`, Docker, setAuth("k", "", "b", false), ErrUserName},
		{"NUL", `{}`, Docker, setAuth("k", "a", "canary\x00", false), ErrSecret},
		{"key not UTF-8", `{}`, Docker, setAuth("k\xff", "a", "b", false), ErrText},
		{"token not UTF-8", `{}`, Docker, setAuth("k", "", "canary\xff", true), ErrText},
		{"store in .dockercfg", `{}`, DockercfgFormat, func(d *Document) { d.SetCredsStore("r") }, ErrFormat},
		{"helper in .dockercfg", `{}`, DockercfgFormat, func(d *Document) { d.SetCredHelper("h", "r") }, ErrFormat},
		{"host not UTF-8", `{}`, Docker, func(d *Document) { d.SetCredHelper("h\xff", "r") }, ErrText},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse("f.json", []byte(c.text), c.format)
			if err != nil {
				t.Fatal(err)
			}
			c.edit(d)
			d.SetCredsStore("later") // does nothing any more
			if !errors.Is(d.Err(), c.want) || strings.Contains(d.Err().Error(), "canary") {
				t.Errorf("got %v, want %v", d.Err(), c.want)
			}
			if string(d.Bytes()) != c.text {
				t.Errorf("changed to %s", d.Bytes())
			}
		})
	}
}

func TestRead(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "config.json")
	if _, err := Read(path, Docker); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Read(folder, Docker); !errors.Is(err, ErrIrregular) {
		t.Errorf("folder: %v", err)
	}
	put(t, path, " \n")
	if d, err := Read(path, Docker); err != nil || d.CredsStore() != "" || len(d.Entries()) != 0 {
		t.Errorf("blank: %v", err)
	}
	if err := os.Truncate(path, maxDocument+1); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, Docker); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large: %v", err)
	}
}
