// Package process keeps secrets out of child processes and core dumps.
package process

import "strings"

// ChildEnvironment is an environment without what no child process may see: the password
// of the command line, and docker's logins in a variable.
func ChildEnvironment(environ []string) []string {
	env := make([]string, 0, len(environ))
	for _, kv := range environ {
		// Windows does not tell lower from upper case here; nobody else has such a variable.
		name, _, _ := strings.Cut(kv, "=")
		if !strings.EqualFold(name, "REGSHAPE_PASSWORD") && !strings.EqualFold(name, "DOCKER_AUTH_CONFIG") {
			env = append(env, kv)
		}
	}
	return env
}
