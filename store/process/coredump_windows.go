package process

// NoCoreDumps has nothing to turn off: Windows writes no core files by itself.
func NoCoreDumps() {}
