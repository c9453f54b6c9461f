// Package openbadge verifies and issues Open Badges without network access.
//
// [Verify] takes the bytes of a badge in any supported form. The verdict is valid, invalid or indeterminate, with
// reasons in French and English and the outcome of every check in order. [IssueJSON] and [IssueJWT] create badges that
// other software can verify. The package makes no network requests: documents outside the badge come from a [Resolver],
// such as a [Directory] of files, or package openbadge/fetch for the web. Other projects can use this package alone.
//
// # Forms
//
// Verify detects the form of a badge:
//
//   - Open Badges 3.0 as JSON, in the W3C data models 2.0 and 1.1, with a Data Integrity proof;
//   - Open Badges 3.0 as a VC-JWT signed with RS256, ES256, ES384 or EdDSA, in the same data models;
//   - Open Badges 2.0 as JSON: a hosted badge, for which only the document at the badge's own address counts;
//   - Open Badges 2.0 as a JWS with RS256 or another supported algorithm;
//   - a PNG or SVG picture that contains one of these (package openbadge/bake).
//
// Other documents are rejected with a reason that names their kind: Open Badges 1, an encrypted or selectively
// disclosed token, a web page, a presentation, a Comprehensive Learner Record. An old picture may contain only the
// address of its badge: Verify then reads the badge through Options.Documents.
//
// [VerifyDocument] also verifies an endorsement, a status list, a badge class, a profile, and any other verifiable
// credential with known terms. Verdict.Kind is the kind of document. Verdict.Badge is nil for documents that are not
// badges, and Verify rejects such documents. For a badge class or profile of Open Badges 2.0, only the form is checked.
//
// # Trust
//
// A correct signature does not prove who signed. A key counts only if the caller pins it to the issuer: see [Issuer]
// for the kinds of pins (a multikey, a did:web, the https address of a profile or a JWKS, a PEM key). A key in the
// credential, in a token's header or in the fragment of a URL never counts: such a key only identifies the key that
// signed. A hosted badge of Open Badges 2.0 counts if its issuer's profile is pinned by its address, and if this
// profile allows the badge's address.
//
// # Verdicts
//
// A verdict is indeterminate only because of the verifier's own sources: a pinned document, a hosted badge's address or
// a status list is unreachable or cannot be trusted. All data that the presenter controls leads to valid or invalid.
// [Codes] lists all reasons. The codes never change.
//
// # Proofs
//
// Suites: eddsa-rdfc-2022, also under its former name eddsa-2022 and as Ed25519Signature2020, eddsa-jcs-2022,
// ecdsa-rdfc-2019 and ecdsa-jcs-2019 (P-256 or P-384). ecdsa-sd-2023 is reported as unsupported. A document has up to
// eight proofs. One proof that counts is sufficient, and the other proofs are ignored. If a proof refers to other
// proofs (previousProof), each of these must be present and correct, with a pinned key or with the key of its own
// did:key. So another party may have signed before the issuer, but never instead of the issuer. If a proof expires
// before its badge, the badge ends with the proof: Badge.ValidUntil is the earlier time.
//
// # Strict rules
//
//   - Signatures over statements do not cover @context. Therefore only known context addresses are accepted, compared
//     exactly, with the data model's context first. A nested context may only repeat these addresses. Undefined terms,
//     relative ids and types, and aliases of the terms that are read are rejected. Signatures do not cover the position
//     of a statement either. Therefore a second node with the credential's id must be empty, because a second node
//     could hide statements of the issuer. In Open Badges 2.0 no key may be an alias of a key that is read.
//   - JSON that two parsers could read differently is rejected: a repeated key, an unpaired surrogate, an integer that
//     a double cannot represent.
//   - Size limits: 1 MiB (4 MiB for a status list), 32 levels, 20,000 values, 5,000 statements, and a limit of work for
//     the naming of blank nodes. No input of an attacker takes 100 ms or 64 MB.
//
// A null value counts as an absent value. The contexts are Go tables, compiled from the published packages that NOTICE
// names.
//
// # Dates
//
// Dates are checked if Options.At is set, with a tolerance of five minutes ([Skew]) for an issuer with a fast clock.
// The data model 2.0 has validFrom and validUntil, 1.1 has issuanceDate and expirationDate, and Open Badges 2.0 has
// issuedOn and expires. If several are present, the narrower period counts. awardedDate is only informative. All dates
// are xsd:dateTimeStamp values of the years 1 to 9999: 24:00:00 is the end of a day, and an offset has at most 14
// hours. For a VC-JWT, claims supply the values that the credential lacks: exp for the end, nbf (or iat, if nbf is
// missing) for the start, and iss, jti and sub. If a claim and a value of the credential are both present, they must be
// equal. The key of a holder (cnf) is not checked, and the verdict's checks say so.
//
// # Conformance
//
// A badge of Open Badges 3.0 may lack a property that 1EdTech's schema requires, or have a property in another form.
// Such a badge is still valid, and Verdict.Warnings lists each place. With Options.Strict such a badge is invalid, with
// the reason not-conformant.
//
// # Status
//
// If Options.Status is set and the proof is correct, every status of the badge must be good. A 1EdTechRevocationList,
// and the revocationList of an Open Badges 2.0 profile, is trusted because it was read from its own https address. A
// BitstringStatusListEntry names a list that is a credential itself. The list is verified with the same keys and at the
// same time as the badge. The list must come from the badge's issuer or from one of the issuer's StatusIssuers. The
// list must have the entry's purpose, at least 131,072 entries (unless [Allow].ShortStatusLists is set) and no status
// of its own. The purposes revocation and suspension make a badge invalid; message and refresh are only informative.
// For any other purpose, and for entries of more than one bit, the reason is unsupported-status. For a forged, expired
// or unreadable list, or a list of another issuer, the verdict is indeterminate with the reason status-unusable. For an
// entry outside the list, or a wrong purpose, the verdict is invalid with the reason status-mismatch, because the
// badge's issuer signed both. The list's id may differ from the list's address, as for many issuers. The check reports
// the difference. The ttl of a list is not checked, because only the caller knows when the list was fetched.
//
// # Refresh
//
// If Options.Refresh is set and the proof is correct, the package makes one request to a 1EdTechCredentialRefresh
// service. The answer of the service replaces the badge if the answer is the same credential (issuer and id) of the
// same kind, not older, and correctly signed. The verdict is then about the answer, good or bad. Otherwise the verdict
// is about the badge itself, and the check "refresh" gives the reason.
//
// # Recipient
//
// If Options.Recipient is set, the badge must belong to this person, as [Badge.IsFor] reports. A hash is sha256$ or
// md5$ of the address and the salt, in upper or lower case hexadecimal. Without a salt, the hash covers the address
// alone.
//
// # Repeated checks
//
// The checks of a verdict also list the parts that were not checked: dates without At, a status without a Resolver, and
// always a credentialSchema and embedded endorsements. Therefore a caller may verify a proof once, store the result
// under the hash of the bytes, and check dates and status at each decision: [ReadStatusList] reads a list once, and
// [StatusList.Judge] looks up each badge in the list.
package openbadge
