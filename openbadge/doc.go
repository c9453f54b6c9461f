// Package openbadge verifies and issues Open Badges 3.0, with nobody online.
//
// Verify takes the bytes of a credential and answers valid, invalid or indeterminate, with reasons. Issue makes credentials that
// others verify. There is no network in this package: keys, the time and status lists come from the caller, by a [Resolver]: a
// [Directory] of files, or the web with openbadge/fetch.
//
// It accepts OB 3.0 on the W3C data model 2.0, as JSON with an eddsa-rdfc-2022 proof and as a VC-JWT signed with EdDSA, alone or baked
// into a PNG or an SVG (openbadge/bake). Everything else is invalid, with a reason that says what is not supported.
//
// What it insists on:
//
//   - A signature says nothing about who. A key counts only if the caller pins it to the issuer; a key that is found in the
//     credential, in its header or in the fragment of a URL never does.
//   - @context is not covered by the signature: only known addresses, exactly; no context inside, no word that is not defined, no
//     relative id or type, no other word for what is read. Statements have no place either: a second node with the credential's
//     id may say nothing, or it could take away what the issuer said.
//   - JSON that two readers could read as two documents: a key that stands twice, half a surrogate pair, a number beyond 2^53.
//   - More than 1 MiB, 32 levels, 20,000 values or 5,000 statements, and blank nodes that cost too much to name: nothing that an
//     attacker sends takes 100 ms or 64 MB.
//   - Indeterminate is only ever our own fault: a status list that is out of reach, or pinned keys that cannot be read.
//
// A value of null is an absent value. Dates are judged where Options.At is set, with five minutes' [Skew] for an issuer whose
// clock is ahead; the status where Options.Status is. The checks of the verdict say what was not judged: so a caller may verify a
// proof once, remember it by the hash of the bytes, and judge dates and status at each decision. A proof that ends before its
// badge ends the badge: Badge.ValidUntil is the earlier of the two.
//
// The contexts are Go tables, compiled by internal/contextgen from published packages; NOTICE names them.
package openbadge

//go:generate sh generate.sh
