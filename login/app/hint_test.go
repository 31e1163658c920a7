package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"regshape/login/authfile"
	"regshape/login/registry"
	"regshape/login/terminal"
	"regshape/store"
	"regshape/store/durable"
	"regshape/store/keys"
)

// Every error that a user can act on comes with the very command that does.
func TestAdvice(t *testing.T) {
	const giveUp = ", or give all stored logins up with 'rs auth key reset --forget-all-logins'"
	const printKey = "have it print this store's key line, or put a backup into a key file with 'rs auth key restore BACKUP'"
	for _, test := range []struct {
		err  error
		want string
	}{
		{store.ErrLocked, "run 'rs auth unlock'"},
		{store.ErrNoKey, "put the key back with 'rs auth key restore BACKUP'" + giveUp},
		{store.ErrRotating, "finish it with 'rs auth key rotate --resume', or take it back with --abort"},
		{store.ErrWrongKey, "put the right key back with 'rs auth key restore BACKUP'" + giveUp},
		{store.ErrKeyDamaged, "put the right key back with 'rs auth key restore BACKUP'" + giveUp},
		{store.ErrDamaged, "log in to that registry again, or move the file away"},
		{store.ErrStray, "move it away"},
		{store.ErrForgedNames, "run 'rs auth unlock', which rewrites it"},
		{store.ErrNewer, "upgrade regshape, or name another store with --store or REGSHAPE_STORE"},
		{&store.EntryError{File: "/s/x", Err: store.ErrNewer}, "upgrade regshape, or log out of that registry and log in again"},
		{store.ErrUntrusted, "run 'rs auth trust' to see and allow it"},
		{durable.ErrUnsafe, ""},
		{errors.Join(durable.ErrUnsafe, fs.ErrPermission), ""},
		{durable.ErrUnsure, "check the disk, then run the command again"},
		{keys.ErrCommand, "check that the command prints the key line, and needs no terminal for it"},
		{fmt.Errorf("%w; %w", keys.ErrNoSlot, &keys.PluginError{Err: io.EOF}), "check the plugin and its device; it may need a terminal to ask at"},
		{&exec.Error{Name: "x", Err: exec.ErrNotFound}, "install it, or check its name and path"},
		{&exec.Error{Name: "gh auth token", Err: exec.ErrNotFound}, "check its name; its arguments follow after -- as words of their own"},
		{keys.ErrWrongPassphrase, "check it, then try again; if it is lost, put the key back with 'rs auth key restore BACKUP', or give all stored logins up with 'rs auth key reset --forget-all-logins'"},
		{keys.ErrNoSlot, "give what opens it with --identity FILE or --passphrase-file FILE"},
		{store.ErrConfigDamaged, "restore it, or move it away; a key that is not in the key file then needs 'rs auth key restore BACKUP'"},
		{store.ErrNoHome, "set HOME, or name a directory with --store or REGSHAPE_STORE"},
		{&durable.OwnerError{Path: "/s", UID: 1, Named: true}, "name a copy of your own"},
		{&durable.OwnerError{Path: "/s", UID: 1}, "run as that user, or use a store of your own with --store or REGSHAPE_STORE"},
		{&keys.SourceError{Source: store.SourceCommand, Err: store.ErrNoKey}, printKey},
		{&keys.SourceError{Source: store.SourceCommand, Err: store.ErrWrongKey}, printKey},
		{&keys.SourceError{Source: store.SourceCommand, Err: errors.Join(store.ErrNoKey, keys.ErrNoKeyLine)}, printKey + "; for a new store put a line from 'rs auth key generate' there"},
		{&keys.SourceError{Source: store.SourceEnvironment, Err: store.ErrKeyDamaged}, "set REGSHAPE_KEY_FILE to the file with this store's key, or unset it where the key is elsewhere"},
		{keys.ErrNoKeyLine, "put one from 'rs auth key generate' there"},
		{keys.ErrFIPS, "use the key file, a command ('rs auth key protect --command') or the OS keyring ('rs auth key protect --keyring')"},
		{keys.ErrMemory, "give it more, or use an age recipient ('rs auth key protect --recipient') or the OS keyring ('rs auth key protect --keyring')"},
		{errors.Join(store.ErrLocked, keys.ErrNoKeyring), "over SSH and on servers use 'rs auth key protect --passphrase'"},
		{errors.Join(store.ErrLocked, keys.ErrNoKernelKeyring, syscall.EPERM), "keep the key in a file ('rs auth key unprotect'), or take it from the file that REGSHAPE_KEY_FILE names, or from a command ('rs auth key protect --command')"},
		{keys.ErrNoIdentity, "run 'rs auth unlock', then try again"},
		{&keys.IdentityError{}, "if you gave the store new slots elsewhere, run 'rs auth lock' and 'rs auth unlock', otherwise put the second one back into that file"},
		{errors.New("anything else"), ""},
	} {
		own := func(words ...string) string { return "rs " + strings.Join(words, " ") }
		if got := Advice(fmt.Errorf("while reading: %w", test.err), own); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// So does every error about another tool's file or helper.
func TestAdvice_otherTools(t *testing.T) {
	const setting = ", or change the setting that names it"
	helper := func(err error) error {
		return &authfile.HelperError{Program: "docker-credential-x", Action: "get", Err: err}
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&authfile.SyntaxError{}, "fix the syntax error there; the file was not modified"},
		{authfile.ErrAmbiguous, "remove all but one of them from the file, or log in with 'regshape auth login REGISTRY'"},
		{authfile.ErrDuplicate, "remove all but one of them from the file"},
		{authfile.ErrNoHelper, "remove that entry from credHelpers of the file, or name a helper there"},
		{authfile.ErrYAML, "write it as JSON: kubectl get secret NAME -o json"},
		{authfile.ErrEntry, "fix that entry of the file, or remove it"},
		{authfile.ErrRegistryToken, "leave it where it is, or log in with a user name and a password"},
		{authfile.ErrTwoSecrets, "leave it where it is, or store one of the two with 'regshape auth login REGISTRY'"},
		{authfile.ErrUserName, "change it, or leave out --authfile and its variables: regshape's own store takes any"},
		{authfile.ErrSecret, "change it, or leave out --authfile and its variables: regshape's own store takes any"},
		{authfile.ErrText, "check the encoding of the terminal, or of the file or program that it comes from"},
		{store.ErrNotUTF8, "check the encoding of the terminal, or of the file or program that it comes from"},
		{terminal.ErrStdin, "check the variable, file or program that it is piped from"},
		{authfile.ErrHelperName, "fix that name: NAME stands for a program docker-credential-NAME"},
		{authfile.ErrNotOnPath, "install it, or change the setting that names it; 'regshape auth doctor' has the command"},
		{helper(authfile.ErrHelperTimeout), "run 'docker-credential-x list' to see what is wrong with it" + setting},
		{helper(&fs.PathError{Op: "fork/exec", Path: "/b/x", Err: fs.ErrPermission}), "run 'chmod 755 /b/x'" + setting},
		{helper(&fs.PathError{Op: "fork/exec", Path: "/b/x", Err: fs.ErrNotExist}), "install it for this machine, and the interpreter that its first line names" + setting},
		{&VerifyError{Hint: "h"}, "h"},
		{&VerifyError{Result: registry.Result{Advice: registry.CheckName}}, "check the name and the port"},
	} {
		e := &Env{Call: Call{Getenv: func(string) string { return "" }}}
		if got := e.Advice(fmt.Errorf("while reading: %w", test.err)); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}
