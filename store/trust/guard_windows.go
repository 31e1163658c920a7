package trust

import "os"

// guarded only checks that the path exists: owners and access control lists are not checked
// here, as nowhere in package store. By default other users cannot write to Program Files and a
// user's profile.
func guarded(path string) error {
	_, err := os.Stat(path)
	return err
}
