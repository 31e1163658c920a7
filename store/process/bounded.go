package process

import "errors"

// Bounded keeps the first bytes that are written to it.
type Bounded struct {
	Limit int
	Full  func() // stops who writes more; nil drops that
	Data  []byte
	Over  bool
}

func (b *Bounded) Write(p []byte) (int, error) {
	rest := b.Limit - len(b.Data)
	b.Data = append(b.Data, p[:min(len(p), rest)]...)
	if len(p) > rest {
		b.Over = true
		if b.Full != nil {
			b.Full()
			return rest, errors.New("too much output")
		}
	}
	return len(p), nil
}
