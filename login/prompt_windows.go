package login

import "os"

func endingSignals() []os.Signal { return nil }

// stops has nothing to do: there is no Ctrl-Z that stops a process.
type stops struct{}

func (*stops) during(func(stop func())) (end func()) { return func() {} }
