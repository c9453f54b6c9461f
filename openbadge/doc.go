// Package openbadge verifies and issues Open Badges 3.0, with nobody online.
//
// Verify takes the bytes of a credential and answers valid, invalid or indeterminate, with reasons. Issue makes credentials that
// others verify. There is no network in this package: keys, the time and status lists come from the caller.
//
// It accepts OB 3.0 on the W3C data model 2.0, as JSON with an eddsa-rdfc-2022 proof and as a VC-JWT signed with EdDSA. Everything
// else is invalid, with a reason that says what is not supported.
//
// What it insists on:
//
//   - A signature says nothing about who. A key counts only if the caller pins it to the issuer; a key that is found in the
//     credential, in its header or in the fragment of a URL never does.
//   - @context is not covered by the signature: only known addresses, exactly; no context inside, no word that is not defined, no
//     relative id or type, no other word for «id» and «type».
//   - A key that stands twice in an object, more than 1 MiB, more than 32 levels, more than 5,000 statements, and blank nodes
//     that cost too much to name are refused: nothing an attacker sends takes long.
//   - Indeterminate is only ever our own fault: a status list that is out of reach.
//
// The contexts are Go tables, compiled by internal/contextgen from published packages; NOTICE names them.
package openbadge

//go:generate sh generate.sh
