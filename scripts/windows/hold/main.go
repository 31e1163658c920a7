// Command hold holds a file open until its standard input ends, as a virus scanner or an editor
// on Windows does: others may read and write the file, but neither remove nor replace it.
package main

import (
	"io"
	"os"
)

func main() {
	f, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("held\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = f.Close()
}
