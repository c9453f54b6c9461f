// Package openbadge verifies and issues Open Badges, with nobody online.
//
// [Verify] takes the bytes of a badge, in whatever form it comes, and answers valid, invalid or indeterminate, with
// reasons in French and English and every check's outcome in order. [IssueJSON] and [IssueJWT] make badges that others
// verify. There is no network in this package: whatever a verdict rests on besides the bytes is asked of a [Resolver],
// which may be a [Directory] of files, or the web with package openbadge/fetch. Other projects may take it alone.
//
// # Forms
//
// It finds out by itself which of these it was given:
//
//   - Open Badges 3.0 as JSON, on the W3C data models 2.0 and 1.1, with a Data Integrity proof;
//   - Open Badges 3.0 as a VC-JWT signed with RS256, ES256, ES384 or EdDSA, likewise;
//   - Open Badges 2.0 as JSON: a hosted badge, which is what its own address says, whatever the copy at hand says;
//   - Open Badges 2.0 as a JWS with RS256 (and the other algorithms);
//   - a PNG or an SVG that one of these is baked into (package openbadge/bake).
//
// What is something else is called by its name: Open Badges 1, an encrypted or selectively disclosed token, a web page,
// a presentation, a Comprehensive Learner Record. An old picture that holds the address of its badge is followed
// through Options.Documents.
//
// [VerifyDocument] also judges an endorsement, a status list, a badge class, a profile, and any other verifiable
// credential whose words are known. Verdict.Kind says what it was; Verdict.Badge is nil but for a badge, and Verify
// refuses all else. A class or a profile of Open Badges 2.0 by itself is judged by its form alone: nobody's trust is in
// it.
//
// # Trust
//
// A signature says nothing about who. A key counts only if the caller pins it to the issuer: see [Issuer] for the kinds
// of pins (a multikey, a did:web, the https address of a profile or a JWKS, a PEM key). A key that is found in the
// credential, in its header or in the fragment of a URL never counts: it only says which key signed. A hosted badge of
// Open Badges 2.0 counts where its issuer's profile is pinned by its address, and the badge stands where that profile
// says that its badges do.
//
// # Verdicts
//
// Indeterminate is only ever our own sources' fault: a pinned document, a hosted badge's address or a status list that
// is out of reach or cannot be believed. What the presenter controls is valid or invalid. [Codes] lists every reason;
// the list is closed and stable.
//
// # Proofs
//
// Suites: eddsa-rdfc-2022, also under its old name eddsa-2022 and as Ed25519Signature2020, eddsa-jcs-2022,
// ecdsa-rdfc-2019 and ecdsa-jcs-2019 (P-256 or P-384). ecdsa-sd-2023 is named as unsupported. Of up to eight proofs one
// that counts is enough; the others, known or not, are passed over. A proof that follows others (previousProof) counts
// where each of those is there and verifies too, with a pinned key or with the one that its own did:key is made of: a
// stranger may have signed before the issuer, never instead of it. A proof that ends before its badge ends the badge:
// Badge.ValidUntil is the earlier of the two.
//
// # What it insists on
//
//   - @context is not covered by the signatures of statements: only known addresses, exactly, the data model's own
//     first; a nested one may only repeat them; no word that is not defined, no relative id or type, no other word for
//     what is read. Statements have no place either: a second node with the credential's id may say nothing, or it
//     could take away what the issuer said. In Open Badges 2.0 no key may say in another way what is read.
//   - JSON that two readers could read as two documents is refused: a key that stands twice, half a surrogate pair, a
//     whole number that no double can hold.
//   - More than 1 MiB (4 MiB of a status list), 32 levels, 20,000 values or 5,000 statements, and blank nodes that cost
//     too much to name, are refused: nothing that an attacker sends takes 100 ms or 64 MB.
//
// A value of null is an absent value. The contexts are Go tables, compiled from published packages that NOTICE names.
//
// # Dates
//
// Dates are judged where Options.At is set, with five minutes' [Skew] for an issuer whose clock is ahead. The data
// model 2.0 has validFrom and validUntil, 1.1 issuanceDate and expirationDate, Open Badges 2.0 issuedOn and expires;
// where several stand, the narrower counts. awardedDate only informs. All are xsd:dateTimeStamp of the years 1 to 9999:
// 24:00:00 ends a day, an offset has at most 14 hours. What a credential in a VC-JWT does not say its claims set: exp
// its end, nbf (or, without it, iat) its beginning, iss, jti and sub the rest; where both speak they must say the same.
// cnf, a holder's key, is not judged, and a check says so.
//
// # What its standard requires
//
// A badge of Open Badges 3.0 that lacks something that 1EdTech's schema requires, or has it in another form, is its
// issuer's all the same: Verdict.Warnings names each place. With Options.Strict that is a reason against it,
// not-conformant.
//
// # Status
//
// Where Options.Status is set and the proof holds, each status must be a good one. A 1EdTechRevocationList, and the
// revocationList of an Open Badges 2.0 profile, is believed for standing at its https address. A
// BitstringStatusListEntry names a list that is a credential of its own, verified with the same keys and at the same
// time: it must be the badge's own issuer's or one's whom that issuer's StatusIssuers name, of that purpose, with
// 131,072 entries or more ([Allow].ShortStatusLists), and have no status itself. The purposes revocation and suspension
// deny; message and refresh only inform; any other, and entries of more than one bit, are unsupported-status. A list
// that is forged, ended, unreadable or another issuer's is status-unusable: indeterminate. A place that the list does
// not have, or a purpose that it is not for, is status-mismatch: invalid, for the badge's issuer signed both. The
// list's id is not compared with its address, since many issuers' differ: the check says so. A list's ttl is not judged
// either, for only who fetched it knows when.
//
// # Refresh
//
// Where Options.Refresh is set and the proof holds, a 1EdTechCredentialRefresh service is asked once. If it answers
// with the same credential (issuer and id) of the same kind, not older and signed as well, the verdict is about that
// one, good or bad. If it is out of reach or answers with anything else, the badge is judged as it stands, and the
// check «refresh» says why.
//
// # Recipient
//
// Where Options.Recipient is set, the badge must be theirs: see [Badge.IsFor] for what is compared. A hash is sha256$
// or md5$ of the address and the salt, in either case of hexadecimal; without a salt, of the address alone.
//
// # Once, and often
//
// The checks of a verdict name what was not judged: dates without At, a status without a Resolver, a credentialSchema
// and embedded endorsements always. So a caller may verify a proof once, remember it by the hash of the bytes, and
// judge dates and status at each decision: [ReadStatusList] reads a list once, [StatusList.Judge] asks it for each
// badge.
package openbadge
