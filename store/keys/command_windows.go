package keys

import "os/exec"

// endWithChildren leaves it at killing the program itself.
func endWithChildren(*exec.Cmd) {}
