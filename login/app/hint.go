package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"regshape/login/authfile"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
)

// Advice returns what helps against an error of the store, as the end of a sentence or a
// hint line, or "" where the error itself says it. own spells a command of regshape's for
// the store that the error is about. Both front ends have their hints from here: the
// packages below return kinds of errors, and know no command and no flag.
func Advice(err error, own func(words ...string) string) string {
	run := func(words ...string) string { return "'" + own(append([]string{"auth"}, words...)...) + "'" }
	restore := run("key", "restore", "BACKUP")
	giveUp := ", or give all stored logins up with " + run("key", "reset", "--forget-all-logins")
	if at, ok := errors.AsType[*keys.SourceError](err); ok {
		return sourceAdvice(at, run)
	}
	switch {
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
		return "upgrade regshape"
	case errors.Is(err, store.ErrUntrusted):
		return "run " + run("trust") + " to see and allow it"
	case errors.As(err, new(*durable.OwnerError)):
		return "run as that user, or use a store of your own with --store or REGSHAPE_STORE"
	case errors.Is(err, durable.ErrUnsafe):
		return ""
	case errors.Is(err, store.ErrNoHome):
		return "set HOME, or name a directory with --store or REGSHAPE_STORE"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space, or name another directory with REGSHAPE_STORE"
	case isLinkError(err): // FAT says so in a different way on each system
		return "with REGSHAPE_STORE name a directory on a file system that has hard links"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return "make it readable and writable for yourself, or name another directory with REGSHAPE_STORE"
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

// isLinkError reports that a hard link could not be made.
func isLinkError(err error) bool {
	link, ok := errors.AsType[*os.LinkError](err)
	return ok && link.Op == "link" && !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EACCES)
}

// Advice is what helps against an error of a command: of the store that the flags name,
// of another tool's file, or of a registry.
func (e *Env) Advice(err error) string {
	if path, ok := errors.AsType[*fs.PathError](err); ok && !ofStore(e, path.Path) {
		return "" // a file of the user's or of another tool's, which REGSHAPE_STORE does not move
	}
	if advice := Advice(err, e.Own); advice != "" {
		return advice
	}
	if verify, ok := errors.AsType[*VerifyError](err); ok {
		if verify.Hint != "" {
			return verify.Hint
		}
		return registryHint(verify.Result)
	}
	if _, ok := errors.AsType[*authfile.SyntaxError](err); ok {
		return "fix the syntax error there; the file was not modified"
	}
	if errors.Is(err, authfile.ErrAmbiguous) {
		return "remove all but one of them from the file, or log in with '" + e.Own("auth", "login", "REGISTRY") + "'"
	}
	if errors.Is(err, authfile.ErrNoHelper) {
		return "remove that entry from credHelpers of the file, or name a helper there"
	}
	if errors.Is(err, authfile.ErrYAML) {
		return "write it as JSON: kubectl get secret NAME -o json"
	}
	if errors.Is(err, store.ErrNotUTF8) {
		return "check the encoding of the terminal, or of the file or program that it comes from"
	}
	if errors.Is(err, terminal.ErrStdin) {
		return "check the variable, file or program that it is piped from"
	}
	if errors.Is(err, authfile.ErrNotOnPath) {
		return "install it, or change the setting that names it; '" + e.Own("auth", "doctor") + "' has the command"
	}
	return ""
}

// Problem is an error with what helps, for a result that goes on without.
func (e *Env) Problem(err error) string {
	if advice := e.Advice(err); advice != "" {
		return err.Error() + ": " + advice
	}
	return err.Error()
}

// ofStore reports whether a path is one of the store's, or a directory above them.
func ofStore(e *Env, path string) bool {
	loc, err := e.Locate()
	if err != nil {
		return true
	}
	path = filepath.Clean(path)
	for _, dir := range []string{loc.Data, loc.State, loc.Config} {
		if within(path, dir) || within(dir, path) {
			return true
		}
	}
	return false
}

// within reports whether a path is a directory or below it.
func within(path, dir string) bool {
	rest, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rest)
}
