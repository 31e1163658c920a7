package lookup

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"regshape/login/app"
	"regshape/login/authfile"
	"regshape/store"
)

// file is a document with a login under each key: "KEY=USER", or "KEY" alone for a marker.
func file(t *testing.T, f authfile.Format, logins ...string) *authfile.Document {
	t.Helper()
	var entries []string
	for _, login := range logins {
		key, user, isLogin := strings.Cut(login, "=")
		entry := "{}"
		if isLogin {
			entry = fmt.Sprintf(`{"auth": %q}`, base64.StdEncoding.EncodeToString([]byte(user+":secret")))
		}
		entries = append(entries, fmt.Sprintf("%q: %s", key, entry))
	}
	text := "{" + strings.Join(entries, ", ") + "}"
	if f != authfile.DockercfgFormat {
		text = `{"auths": ` + text + "}"
	}
	d, err := authfile.Parse("file", []byte(text), f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each file is read as its owner reads it.
func TestEntries_owner(t *testing.T) {
	const docker, podman, dockercfg = authfile.Docker, authfile.Containers, authfile.DockercfgFormat
	for _, c := range []struct {
		name   string
		format authfile.Format
		file   string // logins as in file, separated by blanks
		asked  string
		want   string // the user, "" for none, "?" for an error
	}{
		{"the exact key", docker, "https://r.example=old r.example=alice", "r.example", "alice"},
		{"Azure DevOps writes a URL", docker, "https://r.example/harbor=alice", "r.example", "alice"},
		{"an API's path", docker, "r.example/v1/users/=alice", "r.example", "alice"},
		{"a path is none to docker", docker, "r.example/team=alice", "r.example", "alice"},
		{"plain http", docker, "http://r.example:5000=alice", "r.example:5000", "alice"},
		{"another scheme", docker, "ftp://r.example=alice", "r.example", "alice"},
		{"a port is another registry", docker, "r.example:5000=alice", "r.example", ""},
		{"a longer name is another registry", docker, "r.example.evil=alice", "r.example", ""},
		{"a user in the key", docker, "https://bob:pw@r.example/x=alice", "r.example", "alice"},
		{"the implied port", docker, "r.example:443=alice", "r.example", "alice"},
		{"two spellings of one login", docker, "https://r.example=alice r.example/v1/=alice", "r.example", "alice"},
		{"two that differ", docker, "https://r.example=alice http://r.example=bob", "r.example", "?"},
		{"two that differ, and the exact one", docker, "https://r.example=alice http://r.example=bob r.example=carol", "r.example", "carol"},
		{"an exact marker", docker, "https://r.example=alice r.example", "r.example", ""},
		{"Docker Hub's URL", docker, "https://index.docker.io/v1/=alice", "docker.io", "alice"},
		{"Docker Hub's names are none to docker", docker, "docker.io=alice index.docker.io=bob", "docker.io", ""},
		{"Docker Hub beside its names", docker, "docker.io=old https://index.docker.io/v1/=alice", "docker.io", "alice"},
		{"Docker Hub's access token", docker, "https://index.docker.io/v1/access-token=alice", "docker.io", ""},
		{"the access token itself", docker, "https://index.docker.io/v1/access-token=alice", "https://index.docker.io/v1/access-token", "alice"},
		{"a namespace, as podman reads it", docker, "r.example=bob r.example/team=alice", "r.example/team/app", "alice"},
		{"beside a namespace", docker, "r.example=bob r.example/team=alice", "r.example/teams/app", "bob"},
		{"no address", docker, "pycreds_test!=alice", "pycreds_test!", "alice"},

		{"a namespace", podman, "r.example/team=alice", "r.example/team/app", "alice"},
		{"a namespace is not the host", podman, "r.example/team=alice", "r.example", ""},
		{"the longest namespace", podman, "r.example=a r.example/team=b r.example/team/app=c", "r.example/team/app", "c"},
		{"a namespace without a login", podman, "r.example=alice r.example/team", "r.example/team/app", ""},
		{"a scheme and a path", podman, "https://r.example/harbor=alice", "r.example", "alice"},
		{"an API's path without a scheme", podman, "r.example/v1/users/=alice", "r.example", ""},
		{"podman's Docker Hub", podman, "https://index.docker.io/v1/=old docker.io=alice", "docker.io", "alice"},
		{"docker's Docker Hub", podman, "https://index.docker.io/v1/=alice", "docker.io", "alice"},
		{"Docker Hub's index", podman, "index.docker.io=alice", "docker.io", "alice"},
		{"two schemes that differ", podman, "https://r.example=alice http://r.example=bob", "r.example", "?"},

		{"an API's URL", dockercfg, "https://r.example/v1/users/=alice", "r.example", "alice"},
		{"an API's path", dockercfg, "r.example/v1/users/=alice", "r.example", "alice"},
		{"no namespace", dockercfg, "r.example=bob r.example/team=alice", "r.example/team/app", "bob"},
		{"Docker Hub", dockercfg, "https://index.docker.io/v1/=alice", "docker.io", "alice"},

		{"an empty key", docker, "=alice r.example=bob", "r.example", "bob"},
		{"a blank behind the key", docker, "r.example =alice", "r.example", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := Query{E: &app.Env{}, Address: store.ParseAddress(c.asked)}
			logins := strings.Split(c.file, " ")
			if strings.Contains(c.file, " =") { // a blank at its end
				logins = []string{c.file}
			}
			got, a, err := "", (*Answer)(nil), error(nil)
			if a, err = q.in(file(t, c.format, logins...)); a != nil {
				got = a.Username
			}
			if err != nil {
				got = "?"
				if !errors.Is(err, authfile.ErrAmbiguous) {
					t.Errorf("the error is %v, want %v", err, authfile.ErrAmbiguous)
				}
			}
			if got != c.want {
				t.Errorf("%s is answered by %q, want %q", c.asked, got, c.want)
			}
		})
	}
}

// What no client can ask for is a marker, whatever it holds.
func TestEntries_unaskable(t *testing.T) {
	d := file(t, authfile.Docker, "=alice", " =alice", strings.Repeat("r", 3000)+"=alice", "r.example=alice")
	for _, e := range Entries(d) {
		if want := e.Key != "r.example"; e.Marker != want || e.Marker == (e.Secret != "") {
			t.Errorf("%q: marker %t, secret %q", e.Key, e.Marker, e.Secret)
		}
	}
}

func TestEntries_image(t *testing.T) {
	for format, want := range map[authfile.Format]bool{authfile.Docker: false, authfile.Containers: true} {
		e := Entries(file(t, format, "r.example/team/app:latest=alice"))[0]
		if e.Marker != want || !want && e.Address.String() != "r.example" {
			t.Errorf("format %d: marker %t for %s, want %t", format, e.Marker, e.Address, want)
		}
	}
}

// A logout takes every spelling, and no neighbor.
func TestQuery_remove(t *testing.T) {
	for _, c := range []struct {
		format            authfile.Format
		file, asked, want string
	}{
		{authfile.Docker, "r.example=a https://r.example=b http://r.example/v1/=c r.example/team=d x.example=e", "r.example", "x.example"},
		{authfile.Docker, "r.example=a r.example/team=d r.example/team/app=e", "r.example/team", "r.example r.example/team/app"},
		{authfile.Containers, "r.example=a https://r.example/x=b r.example/team=d", "r.example", "r.example/team"},
		{authfile.Docker, "docker.io=a https://index.docker.io/v1/=b https://index.docker.io/v1/access-token=c https://index.docker.io/v1//refresh-token=d", "docker.io", ""},
		{authfile.Docker, "https://index.docker.io/v1/=b https://index.docker.io/v1/access-token=c", "https://index.docker.io/v1/access-token", "https://index.docker.io/v1/"},
	} {
		d := file(t, c.format, strings.Fields(c.file)...)
		Query{E: &app.Env{}, Address: store.ParseAddress(c.asked)}.remove(d)
		var left []string
		for _, e := range d.Entries() {
			left = append(left, e.Key)
		}
		if got := strings.Join(left, " "); got != c.want || d.Err() != nil {
			t.Errorf("%s, without %s: %q is left, want %q (%v)", c.file, c.asked, got, c.want, d.Err())
		}
	}
}
