package credhelper

const (
	hubURL   = "https://index.docker.io/v1/"
	noServer = "no credentials server URL\n"
)

// contracts are what callers send, in their order, and what they need to be answered.
// Each source says where that was seen.
var contracts = []struct {
	caller, source string
	exchanges      []exchange
}{
	{
		"docker login and logout of a host", "docker CLI 28 and 29: login is one store, logout erases four spellings",
		[]exchange{
			stores("registry.example:5000", "alice", "s1"),
			finds("registry.example:5000", "alice", "s1"),
			stores("registry.example", "bob", "s2"), // a neighbour, not asked to go
			stores("registry.example:5000/team", "carol", "s3"),
			erases("registry.example:5000"),
			erases("registry.example:5000"),
			erases("http://registry.example:5000"),
			erases("https://registry.example:5000"),
			misses("registry.example:5000"),
			finds("registry.example", "bob", "s2"),
			finds("registry.example:5000/team", "carol", "s3"),
		},
	},
	{
		"docker login replaces", "docker CLI 28: a second login is a second store, and the first user is gone",
		[]exchange{
			stores("registry.example", "alice", "s1"),
			stores("registry.example", "bob", "s2"),
			finds("registry.example", "bob", "s2"),
			lists(`{"registry.example":"bob"}`),
		},
	},
	{
		"docker logout of Docker Hub", "docker CLI 29, logout: the refresh token of a web login is asked for first, to be revoked",
		[]exchange{
			stores(hubURL, "alice", "s1"),
			misses(hubURL + "refresh-token"),
			erases(hubURL),
			erases("http://" + hubURL[len("https://"):]),
			misses(hubURL),
		},
	},
	{
		"docker web login", "docker CLI 28, device flow: three entries, none of which may answer for another",
		[]exchange{
			stores(hubURL+"access-token", "alice", "access"),
			misses(hubURL),
			misses("docker.io"),
			misses("index.docker.io/access-token/app"), // a repository of somebody's, no token
			misses(hubURL + "refresh-token"),
			stores(hubURL+"refresh-token", "alice", "refresh"),
			stores(hubURL, "alice", "pat"),
			finds(hubURL+"access-token", "alice", "access"),
			finds(hubURL+"refresh-token", "alice", "refresh"),
			finds(hubURL, "alice", "pat"),
			erases(hubURL),
			finds(hubURL+"access-token", "alice", "access"),
		},
	},
	{
		"Docker Desktop", "its entries have two slashes before the token's name; to the letter, or not at all",
		[]exchange{
			stores(hubURL+"/access-token", "alice", "desktop"),
			finds(hubURL+"/access-token", "alice", "desktop"),
			misses(hubURL + "access-token"),
			misses(hubURL),
			lists(`{"` + hubURL + `/access-token":"alice"}`),
			stores(hubURL, "alice", "pat"),
			erases(hubURL),
			finds(hubURL+"/access-token", "alice", "desktop"),
		},
	},
	{
		"classic build and compose", "docker CLI 28, GetAllCredentials: list, then get of every key; one failure fails all",
		[]exchange{
			lists(`{}`),
			stores("docker.io", "hub", "s1"),
			stores("https://Registry.Example:443/v2/", "alice", "s2"),
			stores("registry.example/team", "bob", "s3"),
			stores("http://plain.example:5000", "carol", "s4"),
			stores("any words at all", "dave", "s5"),
			lists(`{"any words at all":"dave","http://plain.example:5000":"carol","https://Registry.Example:443/v2/":"alice",` +
				`"` + hubURL + `":"hub","registry.example/team":"bob"}`),
			finds("any words at all", "dave", "s5"),
			finds("http://plain.example:5000", "carol", "s4"),
			finds("https://Registry.Example:443/v2/", "alice", "s2"),
			finds(hubURL, "hub", "s1"),
			finds("registry.example/team", "bob", "s3"),
		},
	},
	{
		"identity tokens", "docker CLI 28: the user name <token> marks the secret as one, in both directions",
		[]exchange{
			stores("registry.example", "<token>", "identity"),
			finds("registry.example", `\u003ctoken\u003e`, "identity"), // package json's spelling of it
		},
	},
	{
		"buildx and oras-go", "BuildKit's and oras-go v2's clients ask for registry-1.docker.io by Docker Hub's key",
		[]exchange{
			stores("registry-1.docker.io", "alice", "s1"),
			finds(hubURL, "alice", "s1"),
			finds("registry-1.docker.io", "alice", "s1"),
		},
	},
	{
		"podman, skopeo and buildah", "podman 4.3, login: get, get, store; later one get; Docker Hub by its bare name",
		[]exchange{
			misses("docker.io"),
			misses("docker.io"),
			stores("docker.io", "alice", "s1"),
			finds("docker.io", "alice", "s1"),
			finds(hubURL, "alice", "s1"), // what docker then asks for
			misses("localhost:5000"),
			misses("localhost:5000"),
			stores("localhost:5000", "bob", "s2"),
			finds("localhost:5000", "bob", "s2"),
			erases("docker.io"),
			misses(hubURL),
			finds("localhost:5000", "bob", "s2"),
		},
	},
	{
		"kaniko, ko and crane", "go-containerregistry, keychain: the repository, then the host; any text but the one of a miss aborts",
		[]exchange{
			misses("registry.example/team/app"),
			misses("registry.example"),
			stores("registry.example", "alice", "s1"),
			misses("registry.example/team/app"), // or a login of the host would hide the next one
			finds("registry.example", "alice", "s1"),
			stores("registry.example/team", "robot", "s2"),
			finds("registry.example/team/app", "robot", "s2"),
			misses("registry.example/teams/app"),
			misses("index.docker.io/library/alpine"),
			misses(hubURL),
		},
	},
	{
		"nerdctl, login with https", "nerdctl, dockerconfigresolver: stores host:443, asks for six spellings until one has a user",
		[]exchange{
			stores("registry.example:443", "alice", "s1"),
			finds("registry.example:443", "alice", "s1"),
			finds("https://registry.example:443", "alice", "s1"),
			misses("http://registry.example:443"), // http:// is another address
			finds("registry.example", "alice", "s1"),
			finds("https://registry.example", "alice", "s1"),
			misses("http://registry.example"),
		},
	},
	{
		"nerdctl, login with http", "the same six, of a login that was made for http:// alone: no https client may get it",
		[]exchange{
			stores("http://registry.example", "alice", "s1"),
			misses("registry.example:443"),
			misses("https://registry.example:443"),
			misses("http://registry.example:443"), // port 443 is not that of http
			misses("registry.example"),
			misses("https://registry.example"),
			finds("http://registry.example", "alice", "s1"),
			finds("http://registry.example:80", "alice", "s1"),
		},
	},
	{
		"docker-py and compose v1", "docker-py's store and its integration suite: exact members, {} for nothing, keys without a dot",
		[]exchange{
			lists(`{}`),
			misses("pycreds_test_ab12"),
			stores("pycreds_test_ab12", "user", "pass"),
			finds("pycreds_test_ab12", "user", "pass"),
			lists(`{"pycreds_test_ab12":"user"}`),
			stores("pycreds_test_ab12", "user", `p\u00e4ss \ud83d\udd11`), // json.dumps escapes all but ASCII
			finds("pycreds_test_ab12", "user", "päss 🔑"),
			erases("pycreds_test_ab12"),
			misses("pycreds_test_ab12"),
			lists(`{}`),
		},
	},
	{
		"Jib", "jib-core, DockerConfigCredentialRetriever: four names of Docker Hub in turn",
		[]exchange{
			stores(hubURL, "alice", "s1"),
			finds("registry.hub.docker.com", "alice", "s1"),
			finds("index.docker.io", "alice", "s1"),
			finds("registry-1.docker.io", "alice", "s1"),
			finds("docker.io", "alice", "s1"),
			misses("hub.docker.com"), // the web site, no registry
		},
	},
	{
		"rules_oci", "it sends the host with a line ending of two bytes, and reads the echo without one",
		[]exchange{
			{"get", "registry.example\r\n", 1, notFound},
			stores("registry.example", "alice", "s1"),
			{"get", "registry.example\r\n", 0, finds("registry.example", "alice", "s1").gets},
			{"erase", "registry.example\r\n", 0, ""},
			misses("registry.example"),
		},
	},
	{
		"testcontainers", "it learns the text of a miss from a host that it makes up, and compares other answers to it",
		[]exchange{
			misses("https://made-up-1c9d8b.example/nobody"),
			stores("registry.example", "alice", "s1"),
			misses("https://made-up-1c9d8b.example/nobody"),
			misses("another.example"),
			finds("registry.example", "alice", "s1"),
		},
	},
	{
		"list without the word", "docker's library sends the word unused; the protocol asks for nothing there",
		[]exchange{
			{"list", "", 0, "{}\n"},
			{"list", "\n", 0, "{}\n"},
		},
	},
	{
		"incomplete input", "docker-credential-helpers 0.9.12, client: it knows two more texts to the letter",
		[]exchange{
			{"store", `{"ServerURL":"","Username":"u","Secret":"s"}`, 1, noServer},
			{"store", `{"ServerURL":"registry.example","Username":"","Secret":"s"}`, 1, "no credentials username\n"},
			{"erase", "", 1, noServer},
			lists(`{}`),
		},
	},
}
