package registry

// Loopback reports whether host, "host" or "host:port", is localhost or a literal
// loopback address, where plain http is allowed unasked.
func Loopback(host string) bool {
	_, loopback, err := apiHost(host)
	return err == nil && loopback
}
