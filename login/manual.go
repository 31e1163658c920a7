package login

// manual is what --help and the man pages say of a command beyond the grammar.
type manual struct {
	examples []example
	failed   string // what exit code 1 means
}

// example is a command line and what it is for.
type example struct{ line, what string }

// manualOf returns the manual of a command by its path, as "auth key show"; of the program
// itself with "". One that only groups others has none. It is no map, since a map would be
// built at the start of every lookup, too.
func manualOf(path string) manual {
	switch path {
	case "":
		return manual{failed: "it failed, and the message says why", examples: []example{
			{"regshape auth login registry.example.com -u alice", "verify and store a login"},
			{"regshape auth setup", "have docker and podman use it"},
		}}
	case "auth login":
		return manual{failed: "the registry did not accept the login, or it could not be stored", examples: []example{
			{"regshape auth login registry.example.com -u alice", "asks for the password"},
			{`echo "$TOKEN" | regshape auth login ghcr.io -u alice --password-stdin --for 8h`, "in a script; forgotten after 8 hours"},
			{"regshape auth login docker.io --device --device-client-id ID", "confirm in a browser"},
		}}
	case "auth logout":
		return manual{failed: "a login could not be removed", examples: []example{
			{"regshape auth logout registry.example.com", "wherever it would be found"},
			{"regshape auth logout --all", "empty regshape's own store"},
		}}
	case "auth list":
		return manual{failed: "the store is locked, or an entry is damaged", examples: []example{
			{"regshape auth list", "as a table"},
			{"regshape auth list --json", "for scripts"},
		}}
	case "auth status":
		return manual{failed: "a login is not good any more, or could not be verified", examples: []example{
			{"regshape auth status", "every stored login"},
			{"regshape auth status ghcr.io --scope team/app", "a robot account that may see one repository"},
		}}
	case "auth get":
		return manual{failed: "a place that may have it cannot be read", examples: []example{
			{"regshape auth get ghcr.io/team/app", "whose login a pull would use, and from where"},
			{"regshape auth get ghcr.io --show-secret --json", "with the secret, for scripts"},
		}}
	case "auth token":
		return manual{failed: "the registry gave no token", examples: []example{
			{"regshape auth token ghcr.io --scope team/app", "to pull from one repository"},
			{"regshape auth token ghcr.io --scope repository:team/app:pull,push", "to push, too"},
		}}
	case "auth refresh":
		return manual{failed: "a login was not renewed", examples: []example{
			{"regshape auth refresh", "every device login, from a timer"},
			{"regshape auth refresh registry.example.com", "one of them"},
		}}
	case "auth import":
		return manual{failed: "a login could not be moved; it stays where it was", examples: []example{
			{"regshape auth import --dry-run", "what would be moved"},
			{"regshape auth import --from docker --remove", "and take it out of docker's config.json"},
		}}
	case "auth export":
		return manual{failed: "there is no login to export", examples: []example{
			{"regshape auth export ghcr.io --format kubernetes | kubectl apply -f -", "a Secret of a cluster"},
			{"regshape auth export ghcr.io --format auth.json", "for podman on another machine"},
		}}
	case "auth setup":
		return manual{failed: "nothing was changed, and the message says why", examples: []example{
			{"regshape auth setup --dry-run", "what would be changed"},
			{"regshape auth setup --docker --host ghcr.io", "docker, for this registry alone"},
			{"regshape auth setup --undo", "take it back"},
		}}
	case "auth doctor":
		return manual{failed: "there is something to mend", examples: []example{
			{"regshape auth doctor", "each finding comes with the command that mends it"},
			{"regshape auth doctor --json", "for scripts"},
		}}
	case "auth unlock":
		return manual{failed: "the store was not unlocked", examples: []example{
			{"regshape auth unlock --for 2h", "asks for the passphrase"},
			{"regshape auth unlock --passphrase-file FILE", "in a script"},
		}}
	case "auth lock":
		return manual{failed: "the key could not be forgotten", examples: []example{
			{"regshape auth lock", "the default store"},
			{"regshape auth lock --profile work", "a profile's store"},
		}}
	case "auth trust":
		return manual{failed: "the store names a program that it may not start", examples: []example{
			{"regshape auth trust", "shows the programs with their arguments, and asks"},
			{"regshape auth trust --yes --store DIR", "in a script that has made the store itself"},
			{"regshape auth trust --revoke", "start none of them any more"},
		}}
	case "version", "auth version":
		return manual{failed: "the version could not be written", examples: []example{
			{"regshape version", "for people"},
			{"regshape version --json", "for scripts"},
		}}
	case "completion", "auth completion":
		return manual{failed: "the script could not be written", examples: []example{
			{"source <(regshape completion bash)", "in ~/.bashrc"},
			{"regshape completion fish >~/.config/fish/completions/regshape.fish", "for fish"},
		}}
	}
	return keyManualOf(path)
}

// keyManualOf is manualOf for the commands below "auth key".
func keyManualOf(path string) manual {
	switch path {
	case "auth key show":
		return manual{failed: "nothing can be said, and the message says why", examples: []example{
			{"regshape auth key show", "where the key is, and what that protects against"},
			{"regshape auth key show --json", "for scripts"},
		}}
	case "auth key protect":
		return manual{failed: "the key is where it was", examples: []example{
			{"regshape auth key protect --passphrase", "asked for twice"},
			{"regshape auth key protect --recipient age1… --identity FILE", "an age key, or a hardware key's"},
			{"regshape auth key protect --keyring", "the desktop's keyring"},
		}}
	case "auth key unprotect":
		return manual{failed: "the key is where it was", examples: []example{
			{"regshape auth key unprotect", "back into the key file"},
			{"regshape auth key unprotect --slot 2", "remove the second way in"},
		}}
	case "auth key rotate":
		return manual{failed: "the old key is in force; --resume or --abort ends what was cut short", examples: []example{
			{"regshape auth key rotate", "every login is sealed anew"},
			{"regshape auth key rotate --resume", "after a crash"},
		}}
	case "auth key backup":
		return manual{failed: "there is no backup", examples: []example{
			{"regshape auth key backup >regshape-key.age", "asks for a passphrase"},
			{"regshape auth key backup --recipient age1… >regshape-key.age", "to an age key that lies elsewhere"},
		}}
	case "auth key restore":
		return manual{failed: "nothing was changed", examples: []example{
			{"regshape auth key restore regshape-key.age", "asks for the passphrase of the backup"},
			{"regshape auth key restore regshape-key.age --identity FILE", "with an age identity"},
		}}
	case "auth key generate":
		return manual{failed: "no key was made", examples: []example{
			{"regshape auth key generate | vault kv put secret/regshape key=-", "into a secret manager"},
			{"(umask 077; regshape auth key generate >FILE)", "for REGSHAPE_KEY_FILE"},
		}}
	case "auth key reset":
		return manual{failed: "nothing was changed", examples: []example{
			{"regshape auth key reset --forget-all-logins", "moves the old entries aside"},
			{"regshape auth key reset --forget-all-logins --profile work", "those of a profile"},
		}}
	}
	return manual{}
}
