package app

// Manual is what --help and the man page of a command say beyond the grammar. Each command
// has a method Manual that returns it.
type Manual struct {
	Failed   string      // what exit code 1 means
	Examples [][2]string // command line and purpose
}
