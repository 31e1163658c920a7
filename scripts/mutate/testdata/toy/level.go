package toy

import "toy/part"

// Level is what tests part.Small, which has no test beside it.
func Level() bool { return part.Small(limit) }
