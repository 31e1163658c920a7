package login

import (
	"github.com/alecthomas/kong"

	"regshape/login/account"
	"regshape/login/app"
	"regshape/login/custody"
	"regshape/login/doctor"
	"regshape/login/importer"
	"regshape/login/setup"
	"regshape/store/printable"
)

// grammar is the whole command line. Flags of the outer structs may stand before or
// after a command.
type grammar struct {
	app.Globals
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and exit."`

	Auth struct {
		Login   account.Login   `cmd:"" help:"Log in to a registry: verify the credential there, then store it sealed."`
		Logout  account.Logout  `cmd:"" help:"Remove the login of a registry, wherever it would be found."`
		List    account.List    `cmd:"" help:"List the stored logins, never a secret."`
		Status  account.Status  `cmd:"" help:"Verify every stored login live."`
		Get     account.Get     `cmd:"" help:"Tell what would be used for a registry, from where, and who else has a login for it."`
		Token   account.Token   `cmd:"" help:"Print a bearer token for scripts."`
		Refresh account.Refresh `cmd:"" help:"Renew the access tokens of device logins."`
		Import  importer.Import `cmd:"" help:"Move the logins of docker, podman and others into the store."`
		Export  account.Export  `cmd:"" help:"Print a stored login for a cluster or another machine."`
		Setup   setup.Setup     `cmd:"" help:"Make docker, podman, skopeo and buildah use regshape."`
		Doctor  doctor.Doctor   `cmd:"" help:"Look for trouble, and say what mends it."`
		Key     struct {
			Show      custody.Show      `cmd:"" help:"Say where the key is, and what that protects against."`
			Protect   custody.Protect   `cmd:"" help:"Encrypt the key, or let the OS keyring or a program keep it."`
			Unprotect custody.Unprotect `cmd:"" help:"Put the key back into the key file, or remove one way in."`
			Rotate    custody.Rotate    `cmd:"" help:"Make a new key and seal every login under it."`
			Backup    custody.Backup    `cmd:"" help:"Print the key as an age file."`
			Restore   custody.Restore   `cmd:"" help:"Put a lost key back from a backup."`
			Generate  custody.Generate  `cmd:"" help:"Print a new key line, for a secret manager to keep."`
			Reset     custody.Reset     `cmd:"" help:"Begin a new store when the key is lost; the old files are moved aside."`
		} `cmd:"" help:"Look after the key that seals the store."`
		Unlock     custody.Unlock `cmd:"" help:"Unlock the store for a while."`
		Lock       custody.Lock   `cmd:"" help:"Forget the unlocked key."`
		Trust      custody.Trust  `cmd:"" help:"Show which programs the store wants to start, and allow those you know."`
		Version    versionCmd     `cmd:"" help:"Print the version." hidden:""`
		Completion completionCmd  `cmd:"" help:"Print a completion script for a shell." hidden:""`
	} `cmd:"" help:"Log in to registries and look after the logins."`
	Overview   overviewCmd   `cmd:"" default:"1" hidden:"" help:"Say where you stand."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

const description = `Log in to container registries once, for every tool.

Credentials are verified at the registry, sealed in a store of your own, and handed to docker, podman, skopeo, crane, helm and others by docker-credential-regshape.`

// newParser builds the grammar. kong leaves by calling exit after --help and --version.
func newParser(g *grammar, e *app.Env, exit func(int)) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("regshape"),
		kong.Description(description),
		kong.Writers(printable.Raw(e.Out), printable.Raw(e.Err)), // it looks for the terminal's width
		kong.Exit(exit),
		kong.Vars{"version": version(e)},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: false}),
		kong.Help(printHelp),
	)
}
