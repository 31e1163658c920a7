// Package store keeps registry credentials sealed on disk, one file for each.
//
// This comment is the specification of format version 1. What it says does not
// change: a later format gets a folder of its own (v2) beside this one.
//
// # Terms
//
//   - root key (RK): 32 random bytes; everything else is derived from it with
//     HKDF-SHA256 without salt.
//   - kid: the root key's public name, the 16 hexadecimal digits of
//     HKDF(RK, "regshape/v1/kid", 8 bytes).
//   - name key: HKDF(RK, "regshape/v1/names", 32 bytes).
//   - address: the canonical form of a registry address, see [ParseAddress].
//   - entry name: lower-case base32hex without padding of the first 20 bytes of
//     HMAC-SHA256(name key, address); 32 characters. It tells nothing of the
//     registry to whoever lacks the name key.
//   - generation: all entries sealed under one root key.
//
// # Files
//
//	DATA/v1/g-<kid>/<entry name>   sealed credentials
//	DATA/v1/g-<kid>/.tmp-*         files being written, never read
//	STATE/key                      the key line, where the key source is "file"
//	STATE/names                    the names line
//	CONFIG/config                  JSON: version, key source, pinned kid
//
// DATA, STATE and CONFIG are $XDG_DATA_HOME/regshape, $XDG_STATE_HOME/regshape and
// $XDG_CONFIG_HOME/regshape, or all three the one folder named by --store; a
// profile lives in profiles/NAME below each. Folders are made with mode 0700 and
// files with mode 0600. All of them must belong to the user, and none may be
// writable by anybody else.
//
// The key line is
//
//	REGSHAPE-KEY-1 <kid> <base32 of RK, no padding> <crc>
//
// where crc is the CRC-32 (IEEE, eight hexadecimal digits) of the line up to the
// space before it. Every key source yields this line. The names line is
//
//	REGSHAPE-NAMES-1 <kid> <base32 of the name key, no padding> <crc>
//
// and lets a store whose key cannot be read answer "not found" for an address
// that has no entry, and only that.
//
// The config names the key source, chosen once and never probed, and pins the
// kid: a key that derives another kid is refused, so key and data cannot be
// replaced together without the config. Fields that this version does not know
// are kept when the config is rewritten.
//
// # Sealed file
//
//	offset  bytes  content
//	0       4      "RGS1"
//	4       1      version, 1
//	5       1      suite, 1: AES-256-GCM
//	6       1      type, 1: credential
//	7       1      0
//	8       8      kid, raw
//	16      12     nonce, random
//	28      n      ciphertext
//	28+n    16     tag
//
// The entry's key is HKDF(RK, "regshape/v1/cred/" + entry name, 32 bytes), and the
// associated data is the 16 header bytes followed by the entry name. The
// plaintext is the JSON of a [Credential], padded with spaces to a multiple of
// 1,024 bytes so that a file's size does not tell a token from a password.
// Fields that this version does not know are kept when the entry is replaced.
//
// # Invariants
//
//  1. A visible file is whole: a rename (or link) of a finished file is the only
//     publication. It opens only under its own kid and name, and the address
//     inside hashes back to the name, so swapped and copied files are detected.
//  2. Acknowledged means durable: the file is synced, renamed, and its folder
//     synced, before a write returns without error.
//  3. The key is durable before the first credential is sealed under it. Of
//     several first writers one key wins. No key is made while any generation
//     exists.
//  4. Get, List, Put and Erase take no lock, never prompt, and run no slow key
//     derivation. Get and List write nothing.
//  5. A store that meets a version or a marker (.rekey, .switched) that it does
//     not know how to handle refuses to write.
//  6. Files are opened without following symbolic links, must be regular, and
//     are read up to a limit, so that nothing put in an entry's place can make
//     a reader hang.
//
// Nothing here protects against root, against programs of the same user, or
// against somebody who puts older copies of these files back.
package store
