package login

import (
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"regshape/login/account"
	"regshape/login/app"
	"regshape/login/custody"
	"regshape/login/doctor"
	"regshape/login/forward"
	"regshape/login/importer"
	"regshape/login/setup"
	"regshape/store/printable"
)

// grammar is the whole command line. The parser accepts the flags of app.Globals before and
// after every command; the tag "uses" names the groups of them that mean something to a
// command, which are the ones that help, man pages and completion show.
type grammar struct {
	app.Globals
	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and exit."`

	Auth struct {
		Login   account.Login   `cmd:"" uses:"Account,Store,Other tools,Connection,Diagnosis" help:"Log in to a registry: verify the credential there, then store it encrypted."`
		Logout  account.Logout  `cmd:"" uses:"Store,Other tools,Connection,Diagnosis" help:"Log out of a registry: remove its login from wherever it is stored."`
		List    account.List    `cmd:"" uses:"Store,Other tools" help:"List the stored logins, without secrets."`
		Status  account.Status  `cmd:"" uses:"Account,Store,Other tools,Connection,Diagnosis" help:"Verify the stored logins with their registries."`
		Get     account.Get     `cmd:"" uses:"Account,Store,Other tools" help:"Show which credential a registry would use, where it comes from, and who else has one."`
		Token   account.Token   `cmd:"" uses:"Account,Store,Other tools,Connection,Diagnosis" help:"Print a bearer token for use in scripts."`
		Refresh account.Refresh `cmd:"" uses:"Store,Connection,Diagnosis" help:"Renew device logins, and have programs make new secrets."`
		Import  importer.Import `cmd:"" uses:"Store,Other tools" help:"Move the logins of docker, podman and other tools into the store."`
		Export  account.Export  `cmd:"" uses:"Store" help:"Print a stored login for a cluster or another machine."`
		Setup   setup.Setup     `cmd:"" uses:"Store,Other tools" help:"Configure docker, podman, helm and others, or the kubelet of a node, to use regshape."`
		Doctor  doctor.Doctor   `cmd:"" uses:"Store,Other tools" help:"Check the setup and suggest fixes."`
		Key     struct {
			Show      custody.Show      `cmd:"" uses:"Store" help:"Show where the key is, and what that protects against."`
			Protect   custody.Protect   `cmd:"" uses:"Store" help:"Encrypt the key, or keep it in the OS keyring or a program."`
			Unprotect custody.Unprotect `cmd:"" uses:"Store" help:"Move the key back to the key file, or remove one key slot."`
			Rotate    custody.Rotate    `cmd:"" uses:"Store" help:"Create a new key and re-encrypt every login."`
			Backup    custody.Backup    `cmd:"" uses:"Store" help:"Print the key as an age file."`
			Restore   custody.Restore   `cmd:"" uses:"Store" help:"Restore a lost key from a backup."`
			Generate  custody.Generate  `cmd:"" help:"Print a new key line for a secret manager."`
			Reset     custody.Reset     `cmd:"" uses:"Store" help:"Start a new store when the key is lost; the old files are moved aside."`
		} `cmd:"" help:"Manage the key that encrypts the store."`
		Unlock     custody.Unlock  `cmd:"" uses:"Store" help:"Unlock the store for a limited time."`
		Lock       custody.Lock    `cmd:"" uses:"Store" help:"Lock the store again."`
		Trust      custody.Trust   `cmd:"" uses:"Store" help:"Show which programs the store would start, and trust the ones you know."`
		Forward    forward.Forward `cmd:"" uses:"Store" help:"Lend logins to another machine while this runs."`
		Version    versionCmd      `cmd:"" help:"Print the version." hidden:""`
		Completion completionCmd   `cmd:"" help:"Print a completion script for a shell." hidden:""`
	} `cmd:"" help:"Log in to registries and manage logins."`
	Overview   overviewCmd   `cmd:"" default:"1" hidden:"" help:"Show the current state."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

const description = `Log in to container registries once, for every tool.

Credentials are verified with the registry, encrypted in your own store, and passed to docker, podman, skopeo, crane, helm and others by docker-credential-regshape.`

// flagsOf lists the flags to show for a command: its own, then the global ones that mean
// something to it, those of every command last.
func flagsOf(node *kong.Node) []*kong.Flag {
	flags := slices.DeleteFunc(slices.Clone(node.Flags), func(f *kong.Flag) bool { return f.Hidden })
	for parent := node.Parent; parent != nil; parent = parent.Parent {
		for _, f := range parent.Flags {
			if f.Group != nil && !f.Hidden && uses(node, f.Group.Key) {
				flags = append(flags, f)
			}
		}
		for _, f := range parent.Flags {
			if f.Group == nil && !f.Hidden && f.Name != "version" {
				flags = append(flags, f)
			}
		}
	}
	return flags
}

// uses reports whether a command, or one below it, uses a group of global flags.
func uses(node *kong.Node, group string) bool {
	return slices.Contains(strings.Split(node.Tag.Get("uses"), ","), group) ||
		slices.ContainsFunc(node.Children, func(child *kong.Node) bool { return uses(child, group) })
}

// newParser builds the grammar. kong exits through exit after --help and --version.
func newParser(g *grammar, e *app.Env, exit func(int)) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("regshape"),
		kong.Description(description),
		kong.Writers(printable.Raw(e.Out), printable.Raw(e.Err)), // it looks for the terminal's width
		kong.Exit(exit),
		kong.Vars{"version": version(e)},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(printHelp),
		kong.KindMapper(reflect.String, kong.MapperFunc(exactString)),
		kong.PostBuild(takeFlagValues),
	)
}
