// Package store keeps registry credentials sealed on disk, one file for each.
//
// This comment is the specification of format version 1. What it says does not
// change: a later format gets a directory of its own (v2) beside this one.
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
//     HMAC-SHA256(name key, address); 32 characters. Without the name key it reveals
//     nothing about the registry.
//   - generation: all entries sealed under one root key.
//
// # Files
//
//	DATA/v1/g-<kid>/<entry name>   sealed credentials
//	DATA/v1/g-<kid>/.tmp-*         files being written, never read
//	DATA/v1/g-<kid>/.rekey/<token> announces a change of key to writers
//	DATA/v1/.new-<token>           a generation being made
//	DATA/v1/.retired-*             generations being removed
//	DATA/v1/key-<kid>.age          key source "slots": the key line, see below
//	DATA/v1/slots/<id>/<n>.<type>.age  and the slots that open it
//	STATE/key                      key source "file": the key line
//	STATE/key.next-<kid>           a key that the store is about to switch to
//	STATE/names                    the names line
//	CONFIG/config                  JSON: version, key source, pinned kid
//	CONFIG/config.next-<token>     the config after a change of key
//
// DATA, STATE and CONFIG are $XDG_DATA_HOME/regshape, $XDG_STATE_HOME/regshape and
// $XDG_CONFIG_HOME/regshape, or all three the one directory named by --store; a
// profile lives in profiles/NAME below each. Directories are made with mode 0700 and
// files with mode 0600. All of them must belong to the user, none may be writable
// by anybody else, and none may be a link, except the top directory: DATA, STATE or
// CONFIG, of a profile the one around profiles.
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
// that has no entry, and only that. While a rotation runs, the names file has a
// line for each of the two keys, and never two for one.
//
// The checksum of the names line does not authenticate it: with a name key of their own,
// anybody who can write the file makes every entry seem to be missing. A run that has the
// root key uses the name key derived from that, reports a names line with another one, and
// replaces it when it writes. A lookup that finds nothing does not ask a keyring or a program
// for the key, and a locked store has none: there a forged line hides logins until the key
// is next available.
//
// The config names the key source, chosen once and never probed, and pins the
// kid: a key that derives another kid is refused, so key and data cannot be
// replaced together without the config. It also records where the previous key was,
// so that any later run can clear it away. The OS keyring has keys of other
// stores, too: a key is removed from there only if it vouches for the other key of the
// change with "proof", the hexadecimal digits of HKDF(RK, "regshape/v1/turn/" + the other
// key's kid, 16 bytes). Fields that this version does not know are kept when the config
// is rewritten. A config, or the name of a slot's file, only names a program: package
// trust says whether it is started.
//
// # Slots
//
// With the key source "slots" the store has its own age identity (X25519).
// Its recipient is in the config; <id> is the first 16 hexadecimal digits of the
// recipient's SHA-256. The identity is in each file of slots/<id>, encrypted once
// to one recipient: a passphrase, an age recipient, or a plugin's. key-<kid>.age is
// the key line encrypted to the store's recipient. So a rotation needs no slot, and a
// new slot does not touch the others.
//
// # Change of key
//
// A change of the key, of the place it is in, or of both is a transition:
//
//  1. write CONFIG/config.next-<token>, the next config. The token is 16 random
//     hexadecimal digits;
//  2. make the new key durable in its place, beside the current one;
//  3. mark the current generation with .rekey/<token>; refuse if another token is
//     there;
//  4. re-encrypt every entry into DATA/v1/.new-<token>, read each copy back, let the
//     names file answer for both keys, and rename the directory to the new generation. An
//     entry that cannot be found was erased meanwhile only if its directory does not
//     list it any more: a network file system may say "not there" of a file that is;
//  5. rename config.next-<token> over the config: the commit;
//  6. clear away the old key and the staged names, rename the old generation to
//     .retired-*, and remove it. What it holds beside entries and markers was not made
//     by regshape, and is moved on to the new generation.
//
// Removing config.next-<token> before step 5 aborts. Only one of the two can
// happen, and since no two transitions share a token, a run that was stopped for
// long cannot commit or abort another's. After the commit every writer finishes
// step 6 before it writes, if the run that committed did not.
//
// A writer waits while a token is there, for 5 s at most: then it aborts, for the
// rotation may be dead. After its write it looks again: if there is a token, or
// the config pins another kid, the copying may have missed the write, and it
// writes again under the key then valid. A reader that finds nothing, or cannot
// open what it finds, reads the config again and starts over if that has changed.
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
// 1,024 bytes. This version pads to multiples of 3,072, so that the size of a file does
// not tell a password from an identity token of up to 2,500 bytes; longer secrets, and
// those of device logins, which hold two tokens, may show in steps of 3 KiB. An entry that
// an earlier version wrote shows its size in steps of 1 KiB until it is written again.
// Fields that this version does not know are kept when the entry is replaced.
//
// # Invariants
//
//  1. A visible file is whole: a rename (or link) of a finished file is the only
//     publication. It opens only under its own kid and name, and the address
//     inside hashes back to the name, so swapped and copied files are detected.
//  2. Acknowledged means durable: the file is synced, renamed, and its directory
//     synced, before a write returns without error.
//  3. The key is durable before the config that pins it, and the config before the
//     first credential. Of several first writers link(2) of the config picks one.
//     No key is made while any generation exists.
//  4. Get, List, Put and Erase take no lock, never prompt, and run no slow key
//     derivation. Get and List write nothing.
//  5. A store that meets a version or a marker (.rekey of another form, .switched)
//     that it does not know how to handle refuses to write.
//  6. Files are opened without following symbolic links, must be regular and the
//     user's, and are read up to a limit, so that nothing put in an entry's place
//     can make a reader hang; directories below the top are the user's and no links.
//
// Nothing here protects against root, against programs of the same user, or
// against somebody who puts older copies of these files back.
package store
