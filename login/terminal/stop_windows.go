package terminal

import "os"

func endingSignals() []os.Signal { return nil }

// Stops has nothing to do: there is no Ctrl-Z that stops a process.
type Stops struct{}

func (*Stops) during(func(stop func())) (end func()) { return func() {} }
