package terminal

import "os"

func endingSignals() []os.Signal { return nil }

// Stops does nothing: Ctrl-Z does not stop a process.
type Stops struct{}

func (*Stops) during(func(stop func())) (end func()) { return func() {} }
