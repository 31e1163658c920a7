// Package registry asks a container registry whether a credential is good, and
// obtains bearer tokens from the token server that the registry names. It is the
// only package of the product that speaks HTTP.
//
// The order of questions follows the distribution specification: GET /v2/ without
// a credential; then, as the 401's challenge asks, GET /v2/ with Basic, or a token
// from the realm and GET /v2/ with that token. Nothing is stored or printed here:
// the answer is a [Result], and the caller decides what to do with it.
//
// Rules that hold for every request:
//
//   - A secret goes to the registry and to the token realm it named, nowhere else.
//     A request that carries one is never redirected to another origin.
//   - An https registry cannot send the secret to an http realm, and no redirect
//     leads from https to http.
//   - Loopback, link-local and cloud metadata addresses are dialled for a realm or
//     a redirect only when the registry itself is there, and the registry has to stay
//     where it was first reached. The check is made on the resolved address, at dial
//     time, so that a DNS answer cannot evade it; behind a proxy, on the literal host.
//   - Plain http unasked is for addresses that are loopback, whatever their name.
//   - Certificates that the user keeps for a host, as docker and podman do, are used
//     for that host alone; see [CertDirs]. A client certificate is shown to the
//     registry alone, and only its own host may go unverified.
//   - Everything is bounded: network time by [Options.Timeout], headers by 64 KiB,
//     bodies by 1 MiB, redirects by 5, retries by 3.
//   - No raw remote text and no secret reaches a message; see [Printable].
package registry
