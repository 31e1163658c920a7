package trust

import (
	"fmt"
	"os"
	"path/filepath"

	"regshape/store/durable"
)

// outerRoot is for user namespaces.
func outerRoot() int { return 0 }

// guarded refuses a path that another user could change, or put a library beside: file and
// directory must be open to the user, SYSTEM and administrators alone. What is above is not
// checked: anyone may make directories in C:\, and that replaces nothing.
func guarded(path string, _ int) error {
	for _, part := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(part)
		if err != nil {
			return err
		}
		switch who, _, err := durable.Exposed(part, info, durable.Sealed); {
		case err != nil:
			return err
		case who != "":
			return fmt.Errorf("%w: others could replace %s, as they can write to %s (%s): use a program that only you and administrators can change",
				durable.ErrUnsafe, shown(path), shown(part), who)
		}
	}
	return nil
}
