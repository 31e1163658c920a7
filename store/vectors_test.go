package store

// For the root key 00 01 02 … 1f and the address ghcr.io.
const (
	vectorKID     = "e405ce1086b1c0bd"
	vectorName    = "kssle3cmro0pnuv6k05b4ldaql8dpevj"
	vectorCredKey = "5d6bd33dc337dce68af38af4d1f9c55ed3e661c2192e803103674d373480bf7f"
	vectorLine    = "REGSHAPE-KEY-1 e405ce1086b1c0bd AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ 7139ebba"
)
