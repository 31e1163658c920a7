package login

import (
	"time"

	"github.com/alecthomas/kong"

	"regshape/store/printable"
)

// grammar is the whole command line. Flags of the outer structs may stand before or
// after a command.
type grammar struct {
	globals
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and exit."`

	Auth struct {
		Login   loginCmd   `cmd:"" help:"Log in to a registry: verify the credential there, then store it sealed."`
		Logout  logoutCmd  `cmd:"" help:"Remove the login of a registry, wherever it would be found."`
		List    listCmd    `cmd:"" help:"List the stored logins, never a secret."`
		Status  statusCmd  `cmd:"" help:"Verify every stored login live."`
		Get     getCmd     `cmd:"" help:"Tell what would be used for a registry, from where, and who else has a login for it."`
		Token   tokenCmd   `cmd:"" help:"Print a bearer token for scripts."`
		Refresh refreshCmd `cmd:"" help:"Renew the access tokens of device logins."`
		Import  importCmd  `cmd:"" help:"Move the logins of docker, podman and others into the store."`
		Export  exportCmd  `cmd:"" help:"Print a stored login for a cluster or another machine."`
		Setup   setupCmd   `cmd:"" help:"Make docker, podman, skopeo and buildah use regshape."`
		Doctor  doctorCmd  `cmd:"" help:"Look for trouble, and say what mends it."`
		Key     struct {
			Show      keyShowCmd      `cmd:"" help:"Say where the key is, and what that protects against."`
			Protect   keyProtectCmd   `cmd:"" help:"Encrypt the key, or let the OS keyring or a program keep it."`
			Unprotect keyUnprotectCmd `cmd:"" help:"Put the key back into the key file, or remove one way in."`
			Rotate    keyRotateCmd    `cmd:"" help:"Make a new key and seal every login under it."`
			Backup    keyBackupCmd    `cmd:"" help:"Print the key as an age file."`
			Restore   keyRestoreCmd   `cmd:"" help:"Put a lost key back from a backup."`
			Generate  keyGenerateCmd  `cmd:"" help:"Print a new key line, for a secret manager to keep."`
			Reset     keyResetCmd     `cmd:"" help:"Begin a new store when the key is lost; the old files are moved aside."`
		} `cmd:"" help:"Look after the key that seals the store."`
		Unlock     unlockCmd     `cmd:"" help:"Unlock the store for a while."`
		Lock       lockCmd       `cmd:"" help:"Forget the unlocked key."`
		Trust      trustCmd      `cmd:"" help:"Show which programs the store wants to start, and allow those you know."`
		Version    versionCmd    `cmd:"" help:"Print the version." hidden:""`
		Completion completionCmd `cmd:"" help:"Print a completion script for a shell." hidden:""`
	} `cmd:"" help:"Log in to registries and look after the logins."`
	Overview   overviewCmd   `cmd:"" default:"1" hidden:"" help:"Say where you stand."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

// globals are the flags that every command takes.
type globals struct {
	Username string `short:"u" placeholder:"USER" help:"User name ($REGSHAPE_USERNAME)."`
	Password string `short:"p" placeholder:"SECRET" help:"Password; other processes can see it, so prefer --password-stdin or $REGSHAPE_PASSWORD."`
	JSON     bool   `name:"json" help:"Print one JSON value on standard output."`

	Profile string `placeholder:"NAME" group:"Store" help:"Use the store of this profile, for a second account ($REGSHAPE_PROFILE)."`
	Store   string `placeholder:"DIR" type:"path" group:"Store" help:"Keep data, key and config below this folder ($REGSHAPE_STORE)."`

	DockerConfig string `name:"docker-config" placeholder:"PATH" type:"path" group:"Other tools" help:"Docker's config.json or its folder ($DOCKER_CONFIG)."`
	Authfile     string `placeholder:"FILE" type:"path" group:"Other tools" help:"Use the logins in this auth.json and nothing else ($REGISTRY_AUTH_FILE)."`

	PlainHTTP bool          `name:"plain-http" group:"Connection" help:"Talk to the registry over http, unencrypted."`
	Insecure  bool          `group:"Connection" help:"Do not verify the TLS certificate of the registry's own host."`
	CAFile    string        `name:"ca-file" placeholder:"FILE" type:"path" group:"Connection" help:"Trust the certificates in this PEM file too."`
	CertFile  string        `name:"cert-file" placeholder:"FILE" type:"path" group:"Connection" help:"Client certificate for the registry, PEM."`
	KeyFile   string        `name:"key-file" placeholder:"FILE" type:"path" group:"Connection" help:"The client certificate's key, PEM."`
	Timeout   time.Duration `default:"30s" group:"Connection" help:"Longest network time for one registry."`

	DebugCalls    bool   `name:"debug-calls" group:"Diagnosis" help:"Show every request and response on standard error, secrets redacted."`
	TimeMethods   bool   `name:"time-methods" group:"Diagnosis" help:"Show how long each request took."`
	TimeScenarios bool   `name:"time-scenarios" group:"Diagnosis" help:"Show how long each step of the command took."`
	LogFile       string `name:"log-file" placeholder:"FILE" type:"path" group:"Diagnosis" help:"Append all of these to a file."`
}

const description = `Log in to container registries once, for every tool.

Credentials are verified at the registry, sealed in a store of your own, and handed to docker, podman, skopeo, crane, helm and others by docker-credential-regshape.`

// newParser builds the grammar. kong leaves by calling exit after --help and --version.
func newParser(g *grammar, e *env, exit func(int)) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("regshape"),
		kong.Description(description),
		kong.Writers(printable.Raw(e.Out), printable.Raw(e.Err)), // it looks for the terminal's width
		kong.Exit(exit),
		kong.Vars{"version": e.version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: false}),
		kong.Help(printHelp),
	)
}
