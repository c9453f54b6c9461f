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
// credential with known terms. Verdict.Kind is the kind of document. If the document is not a badge, Verdict.Badge is
// nil, and Verify rejects the document. For a badge class or a profile of Open Badges 2.0, the package checks only
// the form.
//
// # Trust
//
// A correct signature does not prove who signed. The package trusts a key only if the caller pins it to the issuer:
// see [Issuer] for the kinds of pins (a multikey, a did:web, the https address of a profile or a JWKS, a PEM key).
// The package never trusts a key because the credential, a token's header or the fragment of a URL contains it: such
// a key only identifies the key that signed. A hosted badge of Open Badges 2.0 is accepted if the address of its
// issuer's profile is pinned, and if this profile allows the badge's address.
//
// # Verdicts
//
// A verdict is indeterminate only if the fault is in the verifier's own sources: a pinned document, a hosted badge's
// address or a status list is unreachable or cannot be trusted. The data that the presenter controls can only make
// the verdict valid or invalid, never indeterminate. [Codes] lists all reasons. The codes never change.
//
// # Proofs
//
// Suites: eddsa-rdfc-2022, also under its former name eddsa-2022 and as Ed25519Signature2020, eddsa-jcs-2022,
// ecdsa-rdfc-2019 and ecdsa-jcs-2019 (P-256 or P-384). The package reports ecdsa-sd-2023 as unsupported. A document
// may have up to eight proofs. One accepted proof is sufficient, and the package ignores the other proofs. If a proof
// refers to other proofs (previousProof), each of these must be present and correct, with a pinned key or with the
// key of its own did:key. Another party may therefore sign before the issuer, but never instead of the issuer. If a
// proof expires before its badge, the badge expires together with the proof: Badge.ValidUntil is the earlier time.
//
// # Strict rules
//
//   - Signatures over statements do not cover @context. Therefore the package accepts only known addresses of
//     contexts, compares them exactly, and requires the data model's context first. A context inside a nested object
//     may only repeat these addresses. The package rejects undefined terms, relative ids and types, and aliases of
//     the terms that it reads. A signature over statements does not cover the position of a statement in the document
//     either. The signature would not change if an attacker moved statements of the issuer to a second node with the
//     credential's id. Therefore a second node with this id must be empty. In Open Badges 2.0, the package rejects a
//     key that a context makes an alias of a key that it reads.
//   - JSON that two parsers could read differently is rejected: a repeated key, an unpaired surrogate, an integer that
//     a double cannot represent.
//   - Size limits: 1 MiB (4 MiB for a status list), 32 levels, 20,000 values, 5,000 statements, and a limit of work for
//     the naming of blank nodes. Verify needs less than 100 ms and less than 64 MB for any input of an attacker.
//
// The package treats a null value like an absent value. The contexts are compiled into Go tables from the published
// packages that NOTICE names.
//
// # Dates
//
// The package checks dates only if Options.At is set, and tolerates an issuer's clock that is fast by five minutes
// ([Skew]). The data model 2.0 has validFrom and validUntil, 1.1 has issuanceDate and expirationDate, and Open Badges
// 2.0 has issuedOn and expires. If dates of several models are present, the badge is valid in the time that all
// periods have in common. awardedDate only informs; no check uses it. All dates are xsd:dateTimeStamp values of the
// years 1 to 9999: 24:00:00 is the end of a day, and an offset has at most 14 hours. For a VC-JWT, the claims supply
// the values that the credential lacks: exp supplies the end of validity, nbf (or iat, if nbf is missing) supplies
// the start, and iss, jti and sub supply the issuer, the id and the subject. If a claim and the matching value of the
// credential are both present, they must be equal. The package does not check the key of a holder (cnf), and the
// verdict's checks say so.
//
// # Conformance
//
// A badge of Open Badges 3.0 may lack a property that 1EdTech's schema requires, or have a property in another form.
// Such a badge can still be valid, and Verdict.Warnings lists each such place. With Options.Strict, such a badge is
// invalid with the reason not-conformant.
//
// # Status
//
// If Options.Status is set and the proof is correct, every status of the badge must be good. The package trusts a
// 1EdTechRevocationList, and the revocationList of an Open Badges 2.0 profile, because it reads each from the list's
// own https address. A BitstringStatusListEntry names a status list that is itself a signed credential. The package
// verifies the list with the same trusted keys and for the same time as the badge. The list must be signed by the
// badge's issuer or by one of the issuer's StatusIssuers. The list must have the purpose that the entry names, at
// least 131,072 entries (unless [Allow].ShortStatusLists is set) and no status of its own. The purposes revocation
// and suspension make a badge invalid; the purposes message and refresh only inform. For any other purpose, and for
// entries of more than one bit, the verdict has the reason unsupported-status. If the list is forged, expired,
// unreadable or from another issuer, the verdict is indeterminate with the reason status-unusable. If the entry is
// outside the list, or the list has another purpose, the verdict is invalid with the reason status-mismatch, because
// the badge's issuer signed the entry. The list's id may differ from the list's address, because many issuers publish
// such lists. The check of the status reports such a difference. The package does not check the ttl of a list,
// because only the caller knows when the list was fetched.
//
// # Refresh
//
// If Options.Refresh is set and the proof is correct, the package makes one request to a 1EdTechCredentialRefresh
// service. The answer of the service replaces the badge if it is the same credential (same issuer and id) of the same
// kind, is not older, and has a correct signature. The verdict is then the verdict on the answer, whether valid or
// not. Otherwise the verdict is about the presented badge, and the check "refresh" gives the reason why the answer
// was not used.
//
// # Recipient
//
// If Options.Recipient is set, the badge must belong to this person, as [Badge.IsFor] reports. A hash is sha256$ or
// md5$ of the address and the salt, in upper or lower case hexadecimal. Without a salt, the hash covers only the
// address.
//
// # Repeated checks
//
// The checks of a verdict also list the parts that were not checked: dates without At, a status without a Resolver, and
// always a credentialSchema and embedded endorsements. Therefore a caller may verify a proof once, store the result
// under the hash of the bytes, and check dates and status at each decision: [ReadStatusList] reads a list once, and
// [StatusList.Judge] looks up each badge in the list.
package openbadge
