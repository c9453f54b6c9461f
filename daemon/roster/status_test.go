package roster

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// issuer signs status lists in the tests.
type issuer struct {
	did string
	key ed25519.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	n, digit, did := new(big.Int).SetBytes(append([]byte{0xed, 0x01}, public...)), new(big.Int), ""
	for n.Sign() > 0 {
		n.DivMod(n, big.NewInt(58), digit)
		did = alphabet[digit.Int64():digit.Int64()+1] + did
	}
	return issuer{"did:key:z" + did, private}
}

// list returns a Bitstring Status List as a JWT, for both purposes, with the 7th entry set.
func (i issuer) list(t *testing.T, until time.Time) []byte {
	t.Helper()
	entries := make([]byte, 16384)
	entries[0] = 1
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(entries)
	z.Close()
	enc := base64.RawURLEncoding
	payload, err := json.Marshal(
		map[string]any{
			"@context":   "https://www.w3.org/ns/credentials/v2",
			"type":       []string{"VerifiableCredential", "BitstringStatusListCredential"},
			"id":         "https://lab.example/status/1",
			"issuer":     i.did,
			"validUntil": until,
			"credentialSubject": map[string]any{"type": "BitstringStatusList",
				"statusPurpose": []string{"revocation", "suspension"}, "encodedList": "u" + enc.EncodeToString(packed.Bytes())},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	text := enc.EncodeToString([]byte(`{"alg":"EdDSA"}`)) + "." + enc.EncodeToString(payload)
	return []byte(text + "." + enc.EncodeToString(ed25519.Sign(i.key, []byte(text))))
}

// The status lists in the bundle determine whether a badge is accepted. A list that cannot be verified is ignored, and
// then its badges grant nothing.
func TestStatusListsDetermineWhetherABadgeIsAccepted(t *testing.T) {
	us, others, named := newIssuer(t), newIssuer(t), newIssuer(t)
	l := &loader{m: wire.Manifest{Issued: monday}, trust: trust{
		lists: map[string]*openbadge.StatusList{},
		issuers: []openbadge.Issuer{
			{ID: us.did, Keys: []string{us.did}, StatusIssuers: []string{named.did}},
			{ID: others.did, Keys: []string{others.did}},
			{ID: named.did, Keys: []string{named.did}},
		},
	}}
	for url, body := range map[string][]byte{
		"good":    us.list(t, monday.AddDate(0, 0, 1)),
		"ended":   us.list(t, monday.AddDate(0, 0, -1)),
		"theirs":  others.list(t, monday.AddDate(0, 0, 1)),
		"named":   named.list(t, monday.AddDate(0, 0, 1)),
		"strange": newIssuer(t).list(t, monday.AddDate(0, 0, 1)),
		"page":    []byte("<html>"),
		"plain":   []byte(`{"id":"plain","revokedCredential":[{"id":"urn:x:gone"}]}`),
		"old": []byte(`{"@context":"https://w3id.org/openbadges/v2","type":"RevocationList","id":"old",` +
			`"revokedAssertions":[{"uid":"u-7"}]}`),
	} {
		l.addStatusList(url, body)
	}
	at := func(list, purpose string, index int64) openbadge.StatusEntry {
		return openbadge.StatusEntry{Type: openbadge.BitstringEntryType, List: list, Purpose: purpose, Index: index}
	}
	plain := openbadge.StatusEntry{Type: openbadge.RevocationListType, List: "plain"}
	for name, c := range map[string]struct {
		id   string
		on   []openbadge.StatusEntry
		want policy.Standing
	}{
		"clean": {"urn:x:1", []openbadge.StatusEntry{at("good", "revocation", 6)}, policy.Verified},
		"clean on two lists": {
			"urn:x:1",
			[]openbadge.StatusEntry{plain, at("good", "suspension", 6)},
			policy.Verified,
		},
		"revoked":   {"urn:x:1", []openbadge.StatusEntry{at("good", "revocation", 7)}, policy.Revoked},
		"suspended": {"urn:x:1", []openbadge.StatusEntry{at("good", "suspension", 7)}, policy.Revoked},
		"revoked on the second list": {
			"urn:x:1",
			[]openbadge.StatusEntry{plain, at("good", "revocation", 7)},
			policy.Revoked,
		},
		"revoked, first list missing": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("nowhere", "revocation", 7), at("good", "revocation", 7)},
			policy.Revoked,
		},
		"revoked by its id": {"urn:x:gone", []openbadge.StatusEntry{plain}, policy.Revoked},
		"index beyond the list": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("good", "revocation", 131072)},
			policy.Unverified,
		},
		"one list missing": {
			"urn:x:1",
			[]openbadge.StatusEntry{plain, at("nowhere", "revocation", 6)},
			policy.Unverified,
		},
		"on an expired list": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("ended", "revocation", 6)},
			policy.Unverified,
		},
		"on another issuer's list": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("theirs", "revocation", 6)},
			policy.Unverified,
		},
		"on a list of a named issuer": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("named", "revocation", 6)},
			policy.Verified,
		},
		"revoked by a named issuer": {"urn:x:1", []openbadge.StatusEntry{at("named", "revocation", 7)}, policy.Revoked},
		"revoked by its uid": {
			"urn:x:1",
			[]openbadge.StatusEntry{{Type: openbadge.RevocationList2Type, List: "old"}},
			policy.Revoked,
		},
		"on a list of an unknown issuer": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("strange", "revocation", 6)},
			policy.Unverified,
		},
		"on a web page": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("page", "revocation", 6)},
			policy.Unverified,
		},
		"on a list of another purpose": {
			"urn:x:1",
			[]openbadge.StatusEntry{at("plain", "revocation", 6)},
			policy.Unverified,
		},
		"with an unknown kind of status": {
			"urn:x:1",
			[]openbadge.StatusEntry{{Type: "StatusList2021Entry", List: "good"}},
			policy.Unverified,
		},
	} {
		got, checked := l.standing(verdict{Valid: true, ID: c.id, UID: "u-7", Issuer: us.did, Status: c.on})
		if got != c.want || checked.Equal(monday) != (got != policy.Unverified) {
			t.Errorf("%s: %v, want %v, checked %v", name, got, c.want, checked)
		}
	}
}

// The policy names the issuers that may sign a status list. The policy names these issuers by the issuer ids in
// credentials.
func TestStatusListsAreTrustedOnlyFromThePolicysIssuers(t *testing.T) {
	all := []policy.Issuer{
		{ID: "lab", Profile: "did:x:lab", Keys: []string{"k"}, StatusIssuers: []policy.IssuerID{"club"}},
		{ID: "club", Profile: "did:x:club", Keys: []string{"c"}},
	}
	got := trustOf(all)
	if len(got) != 2 || len(got[0].StatusIssuers) != 1 || got[0].StatusIssuers[0] != "did:x:club" ||
		got[1].StatusIssuers != nil {
		t.Errorf("%+v", got)
	}
}
