// Package authfile reads and edits, without damage, the JSON files in which
// other tools keep their registry logins.
//
// # Terms
//
// A document is one such file: docker's config.json (and that of everything
// that shares it), helm's own, containers' auth.json, the docker-config.json of
// Singularity and Apptainer, microagent's auth.json, the older .dockercfg, or the value of
// DOCKER_AUTH_CONFIG. An entry is one member of its "auths". A marker is an
// entry that says only that some helper holds a login.
//
// # Rules
//
//   - Documents are standard JSON. Comments, trailing commas and a byte order
//     mark are syntax errors here, because docker and podman refuse them too: a
//     file that its owner cannot read is not ours to fix.
//   - An edit changes the bytes it must and no others. Unknown members, the
//     order, the indentation, CRLF, and the final newline or its absence stay.
//     What is added looks like its siblings.
//   - Adding something and taking it away again gives the bytes of before. Two
//     things are remembered only as long as the Document lives, since the text
//     has no room for them: white space inside an object that was empty, and an
//     "auths" that was not there (it stays as {}, as docker and podman leave it).
//   - The fixed names ("auths", "credsStore", "credHelpers", "auth", …) match
//     without regard to case, as encoding/json and so docker and podman match
//     them. Hosts match exactly. Of duplicates the last wins when reading;
//     editing one is refused, since readers differ about which one counts.
//   - A file is replaced whole by a rename in its own directory or not at all. A
//     malformed file is never touched.
//   - No error text holds a byte of a value; a position is given instead.
package authfile
