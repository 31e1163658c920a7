package app

import "regshape/store/printable"

// DeleteAside is the command that deletes what a reset moved aside.
func DeleteAside(aside []string) string {
	return printable.Shell(append([]string{"rm", "-r", "--"}, aside...)...)
}
