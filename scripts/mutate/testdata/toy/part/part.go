// Package part is a part of toy, with a function of the same name.
package part

func Sum(a, b int) int {
	if b > 0 {
		a += b
	}
	return a
}

func Small(n int) bool { return n < 7 }
