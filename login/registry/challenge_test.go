package registry

import (
	"reflect"
	"testing"
)

func TestParseChallenges(t *testing.T) {
	type m = map[string]string
	for _, tt := range []struct {
		in   []string
		want []challenge
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{" , ,"}, nil},
		{[]string{`Basic`}, []challenge{{scheme: "basic"}}},
		{[]string{`Basic realm="x"`}, []challenge{{scheme: "basic", params: m{"realm": "x"}}}},
		{[]string{`bEaReR REALM = "a\"b\\c" , service=s`}, []challenge{{scheme: "bearer", params: m{"realm": `a"b\c`, "service": "s"}}}},
		{[]string{`Bearer realm="r",scope="repository:a:pull,push"`}, []challenge{{scheme: "bearer", params: m{"realm": "r", "scope": "repository:a:pull,push"}}}},
		{[]string{`Negotiate abc==, Basic realm="x"`}, []challenge{{scheme: "negotiate", token68: "abc=="}, {scheme: "basic", params: m{"realm": "x"}}}},
		{[]string{`Negotiate, Basic realm="x", Bearer realm="y",a=b`}, []challenge{{scheme: "negotiate"}, {scheme: "basic", params: m{"realm": "x"}}, {scheme: "bearer", params: m{"realm": "y", "a": "b"}}}},
		{[]string{`Negotiate`, `Basic realm="x"`}, []challenge{{scheme: "negotiate"}, {scheme: "basic", params: m{"realm": "x"}}}},
		{[]string{`Basic realm="x" charset="UTF-8"`}, []challenge{{scheme: "basic", params: m{"realm": "x", "charset": "UTF-8"}}}},
		{[]string{`Bearer realm=https://a/b?c=d,service=s`}, []challenge{{scheme: "bearer", params: m{"realm": "https://a/b?c=d", "service": "s"}}}},
		{[]string{`Basic realm="x", realm="y"`}, []challenge{{scheme: "basic", params: m{"realm": "x"}}}},
		{[]string{`Basic realm=""`}, []challenge{{scheme: "basic", params: m{"realm": ""}}}},
		{[]string{`Basic realm="no end`}, []challenge{{scheme: "basic"}}},
		{[]string{`realm="x", Basic realm="y"`}, []challenge{{scheme: "basic", params: m{"realm": "y"}}}},
		{[]string{`"Basic realm=", @@, Bearer realm="y"`}, []challenge{{scheme: "bearer", params: m{"realm": "y"}}}},
		{[]string{"Basic realm=\"a\x01b\""}, []challenge{{scheme: "basic"}}},
		{[]string{"Basic\trealm=\"a\tb\""}, []challenge{{scheme: "basic", params: m{"realm": "a\tb"}}}},
	} {
		if got := parseChallenges(tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q:\n got %#v\nwant %#v", tt.in, got, tt.want)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	for _, s := range []string{
		`Bearer realm="https://a/t",service="s",scope="repository:a:pull,push"`, `Negotiate abc==, Basic realm="x\"y\\"`,
		`Basic realm=x y=z, , NTLM`, `a b=c d="e`, `a =b`, `x ===`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseChallenges([]string{s}) {
			if again := parseChallenges([]string{c.String()}); len(again) != 1 || !reflect.DeepEqual(again[0], c) {
				t.Errorf("%q: %#v is written %q and read as %#v", s, c, c.String(), again)
			}
		}
	})
}
