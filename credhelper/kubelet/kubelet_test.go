package kubelet

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"regshape/credhelper"
	"regshape/login/app"
	"regshape/scripts/testenv"
	"regshape/store"
	"regshape/store/keys"
)

func TestMain(m *testing.M) { testenv.Main(m, testenv.InMemory()...) }

// call runs the provider with a store in dir.
func call(t *testing.T, dir, input string, args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), credhelper.Call{
		Args: args, In: strings.NewReader(input), Out: &stdout, Err: &stderr, Advice: app.Advice,
		Getenv: func(name string) string { return map[string]string{"REGSHAPE_STORE": dir}[name] },
	})
	return code, stdout.String(), stderr.String()
}

// filled makes a store with these logins.
func filled(t testing.TB, logins ...store.Credential) (dir string) {
	t.Helper()
	dir = testenv.Home(t)
	loc, err := store.Locate(store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(loc, keys.Sources{})
	for _, c := range logins {
		if err == nil {
			err = s.Put(t.Context(), c)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func ask(image string) string {
	return `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"` + image + `"}`
}

// answer is what stands on standard output; a login is "key user:password".
func answer(login, duration string) string {
	auth := ""
	if key, pair, is := strings.Cut(login, " "); is {
		user, secret, _ := strings.Cut(pair, ":")
		auth = `"` + key + `":{"password":"` + secret + `","username":"` + user + `"}`
	}
	return `{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image",` +
		`"cacheDuration":"` + duration + `","auth":{` + auth + "}}\n"
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) time.Time { return time.Now().Add(d) }
		dir := filled(t,
			store.Credential{ServerURL: "r.test", Username: "host", Secret: "s1"},
			store.Credential{ServerURL: "r.test/ns", Username: "ns", Secret: "s2"},
			store.Credential{ServerURL: "r.test/ns/app/deep", Username: "deep", Secret: "s3"},
			store.Credential{ServerURL: "r.test:5000", Username: "port", Secret: "s4"},
			store.Credential{ServerURL: "http://plain.test", Username: "plain", Secret: "s5"},
			store.Credential{ServerURL: "localhost/ns", Username: "local", Secret: "s6"},
			store.Credential{ServerURL: "inhouse", Username: "in", Secret: "s17"},
			store.Credential{ServerURL: "docker.io", Username: "hub", Secret: "s7"},
			store.Credential{ServerURL: "docker.io/team", Username: "team", Secret: "s8"},
			store.Credential{ServerURL: store.HubAddress + "access-token", Username: "web", Secret: "s9"},
			store.Credential{ServerURL: "a//b", Username: "opaque", Secret: "s10"},
			store.Credential{ServerURL: "token.test", Username: "<token>", Secret: "s11", Kind: store.KindIdentityToken},
			store.Credential{ServerURL: "ended.test", Username: "u", Secret: "s12", Expires: in(0)},
			store.Credential{ServerURL: "soon.test", Username: "u", Secret: "s13", Expires: in(30 * time.Second)},
			store.Credential{ServerURL: "two.test", Username: "u", Secret: "s14", Expires: in(2 * time.Minute)},
			store.Credential{ServerURL: "hour.test", Username: "u", Secret: "s15", Expires: in(time.Hour)},
			store.Credential{ServerURL: "[::1]:5000", Username: "six", Secret: "s16"},
		)
		digest := "@sha256:" + strings.Repeat("0", 64)
		for image, want := range map[string]string{
			"r.test/app":                         answer("r.test host:s1", "5m0s"),
			"r.test/app:1.0":                     answer("r.test host:s1", "5m0s"),
			"r.test/app" + digest:                answer("r.test host:s1", "5m0s"),
			"r.test/app:1.0" + digest:            answer("r.test host:s1", "5m0s"),
			"R.Test/app":                         answer("R.Test host:s1", "5m0s"), // the kubelet compares cases
			"r.test:443/app":                     answer("r.test:443 host:s1", "5m0s"),
			"r.test:5000/ns/app:1.0":             answer("r.test:5000 port:s4", "5m0s"),
			"r.test:5001/app":                    answer("", "0s"),
			"r.test/ns/app":                      answer("r.test/ns ns:s2", "5m0s"),
			"r.test/ns/app/deep/x":               answer("r.test/ns/app/deep deep:s3", "5m0s"),
			"r.test/ns":                          answer("r.test/ns ns:s2", "5m0s"),
			"r.test/nsx/app":                     answer("r.test host:s1", "5m0s"),
			"localhost/ns/app":                   answer("localhost/ns local:s6", "5m0s"),
			"localhost/nsx/app":                  answer("", "0s"),
			"InHouse/app":                        answer("InHouse in:s17", "5m0s"), // a lower-case one is a user of Docker Hub
			"inhouse/app":                        answer("docker.io hub:s7", "5m0s"),
			"plain.test/app":                     answer("", "0s"),
			"http://plain.test/app":              answer("", "0s"), // not an image
			"docker://r.test/ns/app":             answer("", "0s"),
			"docker.io/library/nginx:1":          answer("docker.io hub:s7", "5m0s"),
			"index.docker.io/nginx":              answer("index.docker.io hub:s7", "5m0s"),
			"registry-1.docker.io/a/b":           answer("registry-1.docker.io hub:s7", "5m0s"),
			"docker.io/team/app":                 answer("docker.io/team team:s8", "5m0s"),
			"nginx":                              answer("docker.io hub:s7", "5m0s"),
			"nginx:5000" + digest:                answer("docker.io hub:s7", "5m0s"),
			"team/app":                           answer("docker.io/team team:s8", "5m0s"),
			"index.docker.io/v1/access-token":    answer("", "0s"),
			"a//b":                               answer("", "0s"),
			"ended.test/app":                     answer("", "0s"),
			"soon.test/app":                      answer("soon.test u:s13", "0s"),
			"two.test/app":                       answer("two.test u:s14", "1m0s"),
			"hour.test/app":                      answer("hour.test u:s15", "5m0s"),
			"[::1]:5000/app:1":                   answer("[::1]:5000 six:s16", "5m0s"),
			"r.test/" + strings.Repeat("n/", 99): answer("r.test host:s1", "5m0s"),
		} {
			if code, out, errs := call(t, dir, ask(image)); code != 0 || out != want || errs != "" {
				t.Errorf("%s: got %d, %q, %swant %s", image, code, errs, out, want)
			}
		}
		want := "token.test: " + errIdentity.Error() + "\n"
		if code, out, errs := call(t, dir, ask("token.test/app")); code != 0 || out != answer("", "0s") || errs != want {
			t.Errorf("an identity token: got %d, %q, %q", code, out, errs)
		}
	})
}

// The answer is of the version that was asked for. Nothing that is refused is quoted.
func TestRun_requests(t *testing.T) {
	dir := filled(t, store.Credential{ServerURL: "r.test", Username: "u", Secret: "canary"})
	asked := ask("r.test/app")
	for input, want := range map[string]error{
		strings.Replace(asked, "/v1", "/v1beta1", 1):                        nil,
		strings.Replace(asked, "/v1", "/v1alpha1", 1):                       nil,
		strings.Replace(asked, "{", `{"serviceAccountToken":"canary",`, 1):  nil,
		strings.Replace(asked, "/v1", "/v2canary", 1):                       errVersion,
		strings.Replace(asked, "credentialprovider.kubelet.k8s.io/", "", 1): errVersion,
		strings.Replace(asked, "Request", "Response", 1):                    errRequest,
		strings.Replace(asked, "r.test/app", "", 1):                         errRequest,
		"canary": errRequest, "": errRequest, asked + asked: errRequest, `{"image":7}`: errRequest,
	} {
		code, out, errs := call(t, dir, input)
		switch {
		case want == nil:
			var got, sent struct{ APIVersion string }
			if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || errs != "" {
				t.Fatalf("%s: got %d, %q, %q", input, code, out, errs)
			}
			if err := json.Unmarshal([]byte(input), &sent); err != nil || got != sent {
				t.Errorf("%s: got version %q", input, got.APIVersion)
			}
		case code != 1 || out != "" || errs != want.Error()+"\n":
			t.Errorf("%s: got %d, %q, %q, want %q", input, code, out, errs, want)
		}
	}
	if code, out, errs := call(t, dir, asked, "get"); code != 1 || out != "" || errs != errArguments.Error()+"\n" {
		t.Errorf("with an argument: got %d, %q, %q", code, out, errs)
	}
	if code, out, errs := call(t, dir, asked+strings.Repeat(" ", 64<<10)); code != 1 || out != "" || !strings.HasPrefix(errs, "the input is over 64 KiB") {
		t.Errorf("too long: got %d, %q, %q", code, out, errs)
	}
}

// A login that is there and cannot be read is a failure, and not its host's login. Another one is
// answered.
func TestRun_damaged(t *testing.T) {
	dir := filled(t, store.Credential{ServerURL: "r.test/ns", Username: "u", Secret: "s"})
	entries, err := filepath.Glob(filepath.Join(dir, "v1", "g-*", "*"))
	if err != nil || len(entries) != 1 {
		t.Fatalf("the entries are %q (%v)", entries, err)
	}
	if err := os.WriteFile(entries[0], []byte("damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := call(t, dir, ask("r.test/ns/app"))
	if code != 1 || out != "" || !strings.Contains(errs, "damaged") || !strings.Contains(errs, ": log in to that registry again") || strings.Count(errs, "\n") != 1 {
		t.Errorf("got %d, %q, %q", code, out, errs)
	}
	if code, out, errs := call(t, dir, ask("r.test/other")); code != 0 || out != answer("", "0s") || errs != "" {
		t.Errorf("another image: got %d, %q, %q", code, out, errs)
	}
}

// Whatever is asked: one login is answered to the images below it and to no other, with a key that
// the image begins with; a failure is one line.
func FuzzRun(f *testing.F) {
	const canary = "CANARY-5f0e"
	for _, seed := range []string{ask("canary.test/team/app:1"), ask("CANARY.test:443/team"), ask("canary.test/teams"), ask("nginx"), ask("\xff"), ask("a\\nb"), "[", "", "null"} {
		f.Add([]byte(seed))
	}
	dir := filled(f, store.Credential{ServerURL: "canary.test/team", Username: "u", Secret: canary})
	f.Fuzz(func(t *testing.T, input []byte) {
		code, out, errs := call(t, dir, string(input))
		if code != 0 {
			if code != 1 || out != "" || strings.Count(errs, "\n") != 1 || strings.Contains(errs, canary) {
				t.Fatalf("got %d, %q, %q", code, out, errs)
			}
			return
		}
		var asked request
		var got response
		if err := json.Unmarshal(input, &asked); err != nil {
			t.Fatalf("answered: %v", err)
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || got.APIVersion != asked.APIVersion || errs != "" {
			t.Fatalf("got %q, %q (%v)", out, errs, err)
		}
		for key, login := range got.Auth {
			rest, below := strings.CutPrefix(asked.Image, key)
			if !below || rest != "" && !strings.ContainsAny(rest[:1], "/:@") || !strings.HasPrefix(strings.ToLower(key), "canary.test") || login["password"] != canary {
				t.Fatalf("%q was answered with %q", asked.Image, key)
			}
		}
	})
}
