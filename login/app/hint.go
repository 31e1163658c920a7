package app

import (
	"errors"
	"io/fs"
	"os/exec"
	"runtime"
	"strings"

	"regshape/login/authfile"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
	"regshape/store/lend"
	"regshape/store/printable"
	"regshape/store/source"
)

// Advice returns what helps against an error of the store, as the end of a sentence or a
// hint line, or "" where the error itself says it. own spells a command of regshape's for
// the store that the error is about. Both front ends have their hints from here: the
// packages below return kinds of errors, and know no command and no flag.
func Advice(err error, own func(words ...string) string) string {
	if advice := storeAdvice(err, own); advice != "" {
		return advice
	}
	return fileAdvice(err, true)
}

// storeAdvice is for what a store or its key says.
func storeAdvice(err error, own func(words ...string) string) string {
	run := func(words ...string) string { return "'" + own(append([]string{"auth"}, words...)...) + "'" }
	restore := run("key", "restore", "BACKUP")
	giveUp := ", or give all stored logins up with " + run("key", "reset", "--forget-all-logins")
	if at, ok := errors.AsType[*keys.SourceError](err); ok {
		return sourceAdvice(at, run)
	}
	var made *source.ProgramError
	var lent *lend.Error
	switch {
	case errors.As(err, &lent):
		switch lent.Problem {
		case lend.Locked:
			return "run 'regshape auth unlock' there"
		case lend.Failed:
			return "the terminal of its forward says why"
		}
		return "try again, or end its forward"
	case errors.Is(err, keys.ErrNoKernelKeyring):
		return "keep the key in a file (" + run("key", "unprotect") + "), or take it from the file that REGSHAPE_KEY_FILE names, " +
			"or from a command (" + run("key", "protect", "--command") + ")"
	case errors.Is(err, keys.ErrNoKeyring):
		return "over SSH and on servers use " + run("key", "protect", "--passphrase")
	case errors.Is(err, keys.ErrFIPS):
		return "use the key file, a command (" + run("key", "protect", "--command") + ") or the OS keyring (" + run("key", "protect", "--keyring") + ")"
	case errors.Is(err, keys.ErrMemory):
		return "give it more, or use an age recipient (" + run("key", "protect", "--recipient") + ") or the OS keyring (" + run("key", "protect", "--keyring") + ")"
	case errors.Is(err, keys.ErrNoIdentity):
		return "run " + run("unlock") + ", then try again"
	case errors.As(err, new(*keys.IdentityError)):
		return "if you gave the store new slots elsewhere, run " + run("lock") + " and " + run("unlock") + ", otherwise put the second one back into that file"
	case errors.Is(err, keys.ErrNoKeyLine):
		return "put one from " + run("key", "generate") + " there"
	case errors.Is(err, store.ErrLocked):
		return "run " + run("unlock")
	case errors.Is(err, store.ErrNoKey):
		return "put the key back with " + restore + giveUp
	case errors.Is(err, store.ErrRotating):
		return "finish it with " + run("key", "rotate", "--resume") + ", or take it back with --abort"
	case errors.Is(err, store.ErrWrongKey), errors.Is(err, store.ErrKeyDamaged):
		return "put the right key back with " + restore + giveUp
	case errors.Is(err, store.ErrConfigDamaged):
		return "restore it, or move it away; a key that is not in the key file then needs " + restore
	case errors.Is(err, store.ErrDamaged):
		return "log in to that registry again, or move the file away"
	case errors.Is(err, store.ErrForgedNames):
		return "run " + run("unlock") + ", which rewrites it"
	case errors.Is(err, store.ErrStray):
		return "move it away"
	case errors.Is(err, store.ErrNewer):
		if _, entry := errors.AsType[*store.EntryError](err); entry {
			return "upgrade regshape, or log out of that registry and log in again"
		}
		return "upgrade regshape, or name another store with --store or REGSHAPE_STORE"
	case errors.Is(err, store.ErrUntrusted):
		return "run " + run("trust") + " to see and allow it"
	case errors.As(err, &made) && made.Err == nil:
		if made.Program == "" {
			return "run " + run("refresh", made.Address.Name()) + " to see why"
		}
		return "check what the program prints, then run " + run("refresh", made.Address.Name())
	case errors.Is(err, store.ErrNoHome):
		return "set " + store.HomeVariable(runtime.GOOS) + ", or name a directory with --store or REGSHAPE_STORE"
	case errors.Is(err, keys.ErrCommand):
		return "check that the command prints the key line, and needs no terminal for it"
	case errors.As(err, new(*keys.PluginError)):
		return "check the plugin and its device; it may need a terminal to ask at"
	case errors.Is(err, exec.ErrNotFound):
		if at, ok := errors.AsType[*exec.Error](err); ok && strings.Contains(at.Name, " ") {
			return "check its name; its arguments follow after -- as words of their own"
		}
		return "install it, or check its name and path"
	case errors.Is(err, keys.ErrWrongPassphrase):
		return "check it, then try again; if it is lost, put the key back with " + restore + giveUp
	case errors.Is(err, keys.ErrNoSlot):
		return "give what opens it with --identity FILE or --passphrase-file FILE"
	case errors.Is(err, durable.ErrUnsure), errors.Is(err, authfile.ErrUnsure):
		return "check the disk, then run the command again"
	}
	return ""
}

// sourceAdvice is for a place that only the user can put a key into: what helps elsewhere
// would not, or would give the key up for lost.
func sourceAdvice(at *keys.SourceError, run func(words ...string) string) string {
	text := "have it print this store's key line, or put a backup into a key file with " + run("key", "restore", "BACKUP")
	if at.Source == store.SourceEnvironment {
		text = "set REGSHAPE_KEY_FILE to the file with this store's key, or unset it where the key is elsewhere"
	}
	if errors.Is(at, keys.ErrNoKeyLine) {
		text += "; for a new store put a line from " + run("key", "generate") + " there"
	}
	return text
}

// Advice is what helps against an error of a command: of the store that the flags name,
// of another tool's file or helper, or of a registry.
func (e *Env) Advice(err error) string {
	if advice := storeAdvice(err, e.Own); advice != "" {
		return advice
	}
	var verify *VerifyError
	var helper *authfile.HelperError
	switch {
	case errors.As(err, &verify) && verify.Hint != "":
		return verify.Hint
	case verify != nil:
		return registryHint(verify.Result)
	case errors.As(err, new(*authfile.SyntaxError)):
		return "fix the syntax error there; the file was not modified"
	case errors.Is(err, authfile.ErrAmbiguous):
		return "remove all but one of them from the file, or log in with '" + e.Own("auth", "login", "REGISTRY") + "'"
	case errors.Is(err, authfile.ErrDuplicate):
		return "remove all but one of them from the file"
	case errors.Is(err, authfile.ErrNoProviders):
		return "give the file or the directory that the kubelet has for --image-credential-provider-config, or one that does not exist yet"
	case errors.Is(err, authfile.ErrNoHelper):
		return "remove that entry from credHelpers of the file, or name a helper there"
	case errors.Is(err, authfile.ErrYAML):
		return "write it as JSON: kubectl get secret NAME -o json"
	case errors.Is(err, authfile.ErrEntry):
		return "fix that entry of the file, or remove it"
	case errors.Is(err, authfile.ErrRegistryToken):
		return "leave it where it is, or log in with a user name and a password"
	case errors.Is(err, authfile.ErrTwoSecrets):
		return "leave it where it is, or store one of the two with '" + e.Own("auth", "login", "REGISTRY") + "'"
	case errors.Is(err, authfile.ErrUserName), errors.Is(err, authfile.ErrSecret):
		return "change it, or leave out --authfile and its variables: regshape's own store takes any"
	case errors.Is(err, store.ErrNotUTF8), errors.Is(err, authfile.ErrText):
		return "check the encoding of the terminal, or of the file or program that it comes from"
	case errors.Is(err, terminal.ErrStdin):
		return "check the variable, file or program that it is piped from"
	case errors.Is(err, authfile.ErrHelperName):
		return "fix that name: NAME stands for a program docker-credential-NAME"
	case errors.Is(err, authfile.ErrNotOnPath):
		return "install it, or change the setting that names it; '" + e.Own("auth", "doctor") + "' has the command"
	case errors.As(err, &helper):
		return helperAdvice(helper)
	}
	path, _ := accessed(err)
	return fileAdvice(err, ofStore(e, path))
}

// helperAdvice is for another tool's helper that does not do what it is there for.
func helperAdvice(at *authfile.HelperError) string {
	const otherwise = ", or change the setting that names it"
	switch path, _ := accessed(at); {
	case path != "" && errors.Is(at, fs.ErrPermission) && durable.ModesMatter:
		return "run '" + printable.Shell("chmod", "755", path) + "'" + otherwise
	case path != "":
		return "install it for this machine, and the interpreter that its first line names" + otherwise
	}
	return "run '" + at.Program + " list' to see what is wrong with it" + otherwise
}

// Problem is an error with what helps, for a result that goes on without.
func (e *Env) Problem(err error) string {
	if advice := e.Advice(err); advice != "" {
		return err.Error() + ": " + advice
	}
	return err.Error()
}
