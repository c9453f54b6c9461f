// Package openbadge verifies and issues Open Badges 3.0, with nobody online.
//
// Verify takes the bytes of a credential and answers valid, invalid or indeterminate, with reasons. Issue makes credentials that
// others verify. There is no network in this package: keys, the time and status lists come from the caller, by a [Resolver]: a
// [Directory] of files, or the web with openbadge/fetch.
//
// It accepts OB 3.0 on the W3C data models 1.1 and 2.0, as JSON with a Data Integrity proof and as a VC-JWT signed with EdDSA, alone
// or baked into a PNG or an SVG (openbadge/bake). Everything else is invalid, with a reason that says what is not supported.
//
// Proofs are of the suites eddsa-rdfc-2022, also under its old name eddsa-2022 and as Ed25519Signature2020, eddsa-jcs-2022,
// ecdsa-rdfc-2019 and ecdsa-jcs-2019 (P-256 or P-384). Of up to eight proofs one that counts is enough; the others, known or not,
// are passed over. A proof that follows others (previousProof) counts where each of those is there and verifies too, with a pinned
// key or with the one that its own did:key is made of: a stranger may have signed before the issuer, never instead of it.
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
//   - Indeterminate is only ever our own fault: a status list that is out of reach or cannot be believed, or pinned keys that cannot
//     be read.
//
// A value of null is an absent value. Dates are judged where Options.At is set, with five minutes' [Skew] for an issuer whose
// clock is ahead; the status where Options.Status is. The checks of the verdict say what was not judged: so a caller may verify a
// proof once, remember it by the hash of the bytes, and judge dates and status at each decision. A proof that ends before its
// badge ends the badge: Badge.ValidUntil is the earlier of the two.
//
// # Kinds
//
// VerifyDocument also judges an endorsement, a status list and any other verifiable credential whose words are known: its proof by
// the issuer's pinned keys, its dates, its status. Verdict.Kind says what it was; Verdict.Badge is nil but for a badge, and Verify
// refuses all else. A credentialSchema is not fetched, and the endorsements within a credential are not verified: checks that say
// «not judged» name them.
//
// # Dates
//
// The data model 2.0 has validFrom and validUntil, 1.1 issuanceDate and expirationDate; where both stand, the narrower counts.
// awardedDate only informs.
//
// # Status
//
// Where Options.Status is set and the proof holds, each credentialStatus must be a good one. A 1EdTechRevocationList is believed for
// standing at its https address. A BitstringStatusListEntry names a list that is a credential of its own, verified with the same
// keys and at the same time: it must be the badge's own issuer's, of that purpose, with 131,072 entries or more
// ([Allow].ShortStatusLists), and have no status itself. The purposes revocation and suspension deny; message and refresh only inform; any
// other, and entries of more than one bit, are unsupported-status. A list that is forged, ended, unreadable or another issuer's is
// status-unusable: indeterminate. A place that the list does not have, or a purpose that it is not for, is status-mismatch: invalid,
// for the badge's issuer signed both. The list's id is not compared with its address, since many issuers' differ: the check says so.
// A list's ttl is not judged either, for only who fetched it knows when.
//
// A caller who verifies once and judges often reads each list once: [ReadStatusList], then [StatusList.Judge].
//
// # Refresh
//
// Where Options.Refresh is set and the proof holds, a 1EdTechCredentialRefresh service is asked once. If it answers with the same
// credential (issuer and id) of the same kind, not older and signed as well, the verdict is about that one, good or bad. If it is out
// of reach or answers with anything else, the badge is judged as it stands, and the check «refresh» says why.
//
// # Recipient
//
// See [Badge.IsFor] for what is compared. A hash is sha256$ or md5$ of the address and the salt, in either case of hexadecimal; without a salt,
// of the address alone.
//
// The contexts are Go tables, compiled by internal/contextgen from published packages; NOTICE names them.
package openbadge

//go:generate sh generate.sh
