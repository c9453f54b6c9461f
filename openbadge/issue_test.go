package openbadge

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

// rsaKey is a test key in the form of a key file, because generating an RSA key takes a second.
const rsaKey = `{"note":"a test's","type":"JsonWebKey","secretKeyJwk":{"kty":"RSA",` +
	`"n":"vYL0rWxOKYLxopdVkgzjXoL81AiISkPfGUHaVXpkT8TsyjPnpj3u4JYfpwAGYySwBOdGJJx4x7qenRHOBHB2CmdVDsv9H` +
	`MjE870x4_kS5EqJG5w5PNY_wkQyVtJJrNtnOZpAFi1g5URC9XqekGBvRwnZ3zudsvIlYAUmeUjn41ZuFqJON6LbVozKp4BG3Uj` +
	`wZALhO2GhfZj5c6t_ZIdrPnXC9liXuJTh4kbcFbvfGCWdggiiDIJjVhvp5H52UXO-6GGfoy1KtkLo3sfuW_4QvhbKw1atowsl-` +
	`IIZMADGfUBdBBRlmwKcnSi_IQySwvIMRcZurCWb231wM9AtuvGqOw","e":"AQAB",` +
	`"d":"3UyPM4LiNQkz6WKytMwCtr6Um3dbPgiR_Yj3CS9_nsNlFPMyZG61PThKTDl0H4sbjxARPFomsGqDlTzR1ut8szeiDbOZX` +
	`vVMz4yCxDR6k_9Zjg8Kx9Vou2PnnZedcS79FHGL1pLRvj2UnhP13PgU-bTqxO4gDnND-OruSbMgMvOMnVUXgHsazj-YKJ_OQgL` +
	`8aqeu5Nm-h6vxrXH36rQK-jIvk-sLprPqL7MLTpd8rTJr-321xjqhRY-lfcp5yCqPLpR2xdufuUqaqCPOd5rxXabUoB43je8oK` +
	`6cC9oTB_Nikup8_uKeIDPg5WfJMb0dEqYWZGuluQzT7UqiiS4WN",` +
	`"p":"zisF291DQuqcut8fhDjh2LjHFcnIuTrHvN1pSfFnPmbSqZ08tmVLxTsOFCGAiWB4ZxNSzpK1pwC1vIf9L_enfxRH1lhas` +
	`yHhqryRbAvfQdqKYRiYJruZQkUQD6iNNiP10jdVovMYxjvz1IDi0-Pzm5eawCBNoIwIBjLFQFcG34U",` +
	`"q":"61FI3w-GCipc2w3jSdsIQeGuXVBQSPCuGeQvk8QX-q_BT99Go7RErbVlfopneGhaxsN30GTfFhtKFT5ZPrlZZaND0Af9Z` +
	`xQYdTjXAqArTV4RW97uJDqebcS8Vfpp9H0GosK3pKCrcNJ7PBWTCv9TkWpFVvKMl66iEWTstOk7Lr8",` +
	`"dp":"q2WxFTw5suQBMIpWVUJE4Dudp0t-CCAJ9cXMxqBeyM4KzN_fnXNRLsMNzUac6Zi-AFNcQEhPpGs-q2IS51HoegmOP3Bs` +
	`1weP6LWj4ENuc_0PlfEwbOMBYsqvs5TY8O2sa_t8wl9_dS5aY4xTBv03hV7gVGGGp7ZC5YRH4Fl5aVE",` +
	`"dq":"opyBJuOrVMsBb76hGiBqDFzQCVu-nyjypqGw3wPbLjjV9UPtpKKl8wQvJsqtxd8XG9NnsHKEVtp0z0lOkrGyvTGdYtyi` +
	`l-CjJh4pNn9IbSZcCIh9ODvpzyDspN1u6qybMU4taW4-CrDoyBSAkFDwhsRRNkxWK1taU3rSuBGT_DE",` +
	`"qi":"IkpxEm-DSdJFJwEhamXMPbBtK1hG-9S6_T2I9NvBg-aaqkTD7fvyvKr-8ImrbONex0eNjcPQA_OfWJN-pd7GIGXf8f_t` +
	`rKlmcEUyn3eOfy-iU5LuVEFZpwYuJ-sWh4AtJ-7ufUDd2Z8fCpJPTWWgbKjnv_2oScyNptel7rbquRY"}}`

func testRSA(t testing.TB) *Key {
	t.Helper()
	k, err := ParseKey([]byte(rsaKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRSAKeyFilesRoundTrip(t *testing.T) {
	k := testRSA(t)
	b, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(b)
	if err != nil || !again.rsa.Equal(k.rsa) || again.note != k.note {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s %x %v", k, k, k, k, k, k.LogValue())
	if !strings.Contains(printed, k.Name()) || strings.Contains(printed, b64(k.rsa.D.Bytes())[:20]) ||
		strings.Contains(printed, k.rsa.D.String()[:20]) {
		t.Error(printed)
	}
}

// If a number in a key file is changed, missing or malformed, ParseKey must return an error that does not quote the
// number.
func TestInconsistentRSAKeyFilesAreRejected(t *testing.T) {
	var f map[string]any
	if err := json.Unmarshal([]byte(rsaKey), &f); err != nil {
		t.Fatal(err)
	}
	numbers := f["secretKeyJwk"].(map[string]any)
	for name, was := range numbers {
		for _, bad := range []any{nil, "", "AQAB", "AAAA", "!", 3, was.(string)[1:] + "A"} {
			if name == "e" && bad == "AQAB" || slices.Contains([]string{"dp", "dq", "qi"}, name) && bad != "!" && bad != 3 {
				continue // skip the correct value of the number, and numbers that ParseKey calculates again
			}
			numbers[name] = bad
			b, _ := json.Marshal(f)
			if _, err := ParseKey(b); err == nil {
				t.Errorf("%s: %v is taken", name, bad)
			} else if s, ok := bad.(string); ok && len(s) > 4 && strings.Contains(err.Error(), s[:5]) {
				t.Errorf("%s: %v quotes the key", name, err)
			}
		}
		numbers[name] = was
	}
	small := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: big.NewInt(3233), E: 17},
		D:         big.NewInt(413),
		Primes:    []*big.Int{big.NewInt(61), big.NewInt(53)},
	}
	small.Precomputed.Dp, small.Precomputed.Dq, small.Precomputed.Qinv = big.NewInt(1), big.NewInt(1), big.NewInt(1)
	b, _ := json.Marshal(keyFile{Type: "JsonWebKey", SecretJWK: secretOf(small)})
	if _, err := ParseKey(b); err == nil || !strings.Contains(err.Error(), "2048") {
		t.Error(err)
	}
}

// tokenParts decodes a token, without using the code of this package.
func tokenParts(t *testing.T, token []byte) (header, payload map[string]any, signed, sig []byte) {
	t.Helper()
	parts := bytes.Split(bytes.TrimSpace(token), []byte("."))
	for i, into := range []*map[string]any{&header, &payload} {
		raw, err := base64.RawURLEncoding.DecodeString(string(parts[i]))
		if err != nil || json.Unmarshal(raw, into) != nil {
			t.Fatalf("part %d: %v", i, err)
		}
	}
	sig, err := base64.RawURLEncoding.DecodeString(string(parts[2]))
	if err != nil {
		t.Fatal(err)
	}
	return header, payload, bytes.Join(parts[:2], []byte(".")), sig
}

func TestTokenAlgorithmFollowsTheKindOfKey(t *testing.T) {
	d := draft()
	d.IssuerID = "did:web:lab.example"
	for _, k := range []*Key{key(t), testRSA(t)} {
		token, err := IssueJWT(d, k)
		if err != nil {
			t.Fatal(err)
		}
		header, payload, signed, sig := tokenParts(t, token)
		hash := sha256.Sum256(signed)
		switch pub := k.Public().(type) {
		case ed25519.PublicKey:
			if !ed25519.Verify(pub, signed, sig) || header["alg"] != "EdDSA" {
				t.Error("signature with EdDSA is wrong")
			}
		case *rsa.PublicKey:
			if rsa.VerifyPKCS1v15(pub, crypto.SHA256, hash[:], sig) != nil || header["alg"] != "RS256" {
				t.Error("signature with RS256 is wrong")
			}
		}
		if header["typ"] != "JWT" || header["kid"] != "did:web:lab.example#"+k.Name() || header["jwk"] != nil {
			t.Error(header)
		}
		want := map[string]any{
			"iss": d.IssuerID,
			"jti": payload["id"],
			"sub": d.Subject,
			"nbf": float64(d.ValidFrom.Unix()),
			"exp": float64(d.ValidUntil.Unix()),
		}
		for claim, v := range want {
			if payload[claim] != v {
				t.Errorf("%s: %v, want %v", claim, payload[claim], v)
			}
		}
	}
}

func TestTokenHeaderHasTheKeyOnlyOnRequest(t *testing.T) {
	d := draft()
	d.HeaderKey, d.IssuerID = true, "https://lab.example/issuer"
	token, err := IssueJWT(d, testRSA(t))
	if err != nil {
		t.Fatal(err)
	}
	header, _, _, _ := tokenParts(t, token)
	jwk, _ := header["jwk"].(map[string]any)
	if len(jwk) != 3 || jwk["kty"] != "RSA" || jwk["d"] != nil {
		t.Error(jwk)
	}
}

func TestRSAKeyNeedsAnIssuerAndCannotSignJSON(t *testing.T) {
	d, k := draft(), testRSA(t)
	if _, err := IssueJWT(d, k); err == nil || !strings.Contains(err.Error(), "set the issuer") {
		t.Error(err)
	}
	d.IssuerID = "did:web:lab.example"
	if _, err := IssueJSON(d, k, today); err == nil || !strings.Contains(err.Error(), "cannot sign JSON") {
		t.Error(err)
	}
}

func listDraft() StatusListDraft {
	return StatusListDraft{
		ID:         "https://lab.example/status/1",
		IssuerID:   "did:web:lab.example",
		Set:        []int{0, 7, 8, 94567, MinStatusEntries - 1},
		ValidUntil: today.AddDate(0, 1, 0),
		TTL:        time.Hour,
	}
}

func TestStatusListsRoundTrip(t *testing.T) {
	for _, k := range []*Key{key(t), testRSA(t)} {
		b, err := IssueStatusList(listDraft(), k, today)
		if err != nil {
			t.Fatal(err)
		}
		d, err := OpenStatusList(b, k)
		want := listDraft()
		if err != nil || !slices.Equal(d.Set, want.Set) || d.ID != want.ID || d.IssuerID != want.IssuerID ||
			d.purpose() != "revocation" ||
			!d.ValidFrom.Equal(today) ||
			!d.ValidUntil.Equal(want.ValidUntil) ||
			d.TTL != time.Hour ||
			d.size() != MinStatusEntries {
			t.Errorf("%s: %+v %v", k.Algorithm(), d, err)
		}
		other := key(t)
		if k.rsa == nil {
			if _, err := OpenStatusList(b, testRSA(t)); err == nil {
				t.Error("OpenStatusList accepted another kind of key")
			}
		}
		if _, err := OpenStatusList(b, other); err == nil {
			t.Error("OpenStatusList accepted another key")
		}
		middle := len(b) / 2
		for _, bad := range [][]byte{nil, []byte("{}"), []byte("."), []byte(".."), bytes.Replace(
			b,
			[]byte("revocation"),
			[]byte("suspension"),
			1,
		), bytes.ToUpper(b),
			append(append(bytes.Clone(b[:middle]), b[middle]^1), b[middle+1:]...), b[:middle]} {
			if _, err := OpenStatusList(bad, k); err == nil && !bytes.Equal(bad, b) {
				t.Errorf("%.60q is taken", bad)
			}
		}
	}
}

// An issued status list must have the form that the standard requires: only its own context, the index as a text, and
// the first entry in the highest bit.
func TestStatusListHasTheFormOfTheStandard(t *testing.T) {
	b, err := IssueStatusList(
		StatusListDraft{ID: "https://lab.example/status/1", Purpose: "suspension", Set: []int{0, 9}},
		key(t),
		today,
	)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ld.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	subject := ld.Obj(doc, "credentialSubject")
	bits, err := decodeBits(ld.Str(subject, "encodedList"))
	if err != nil || len(bits) != 16384 || bits[0] != 0x80 || bits[1] != 0x40 || bytes.Count(bits, []byte{0}) != 16382 {
		t.Error(err, len(bits))
	}
	if c := ld.List(doc["@context"]); len(c) != 1 || c[0] != ContextVC ||
		!hasText(doc["type"], "BitstringStatusListCredential") ||
		ld.Str(subject, "type") != "BitstringStatusList" ||
		ld.Str(subject, "statusPurpose") != "suspension" {
		t.Errorf("%s", b)
	}
}

func TestUnusableStatusListsAreNotIssued(t *testing.T) {
	k := key(t)
	for name, change := range map[string]func(*StatusListDraft){
		"an id that is no https address": func(d *StatusListDraft) { d.ID = "urn:x" },
		"another purpose":                func(d *StatusListDraft) { d.Purpose = "message" },
		"too few entries":                func(d *StatusListDraft) { d.Size = MinStatusEntries - 8 },
		"too many entries":               func(d *StatusListDraft) { d.Size = 8*maxBits + 8 },
		"not in eights":                  func(d *StatusListDraft) { d.Size = MinStatusEntries + 1 },
		"an entry beyond its end":        func(d *StatusListDraft) { d.Set = []int{MinStatusEntries} },
		"an entry before its beginning":  func(d *StatusListDraft) { d.Set = []int{-1} },
		"an end before its beginning":    func(d *StatusListDraft) { d.ValidUntil = today.AddDate(-1, 0, 0) },
	} {
		d := listDraft()
		change(&d)
		if _, err := IssueStatusList(d, k, today); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	d := listDraft()
	d.IssuerID = ""
	if _, err := IssueStatusList(d, testRSA(t), today); err == nil {
		t.Error("an RSA key without an issuer's id: issued")
	}
}

func TestRandomIndexIsInTheListAndUnused(t *testing.T) {
	d := listDraft()
	taken := map[int]string{}
	for range 1000 {
		i, err := d.RandomIndex(taken)
		if err != nil || i < 0 || i >= MinStatusEntries || taken[i] != "" {
			t.Fatal(i, err)
		}
		taken[i] = "urn:x"
	}
	for i := range MinStatusEntries / 2 {
		taken[i] = "urn:x"
	}
	if i, err := d.RandomIndex(taken); err == nil {
		t.Errorf("%d of a list that is half full", i)
	}
}

func TestBadgesNameTheirStatusEntries(t *testing.T) {
	k, d := key(t), draft()
	l := listDraft()
	d.Statuses = []StatusEntry{l.Entry(94567)}
	for _, status := range []string{"", "https://lab.example/revoked/1"} {
		d.Status = status
		b, err := IssueJSON(d, k, today)
		if err != nil {
			t.Fatal(err)
		}
		doc, _ := ld.Parse(b)
		all := ld.List(doc["credentialStatus"])
		e, _ := all[len(all)-1].(object)
		if status == "" && len(all) != 1 || status != "" && len(all) != 2 || e["statusListIndex"] != "94567" ||
			e["statusListCredential"] != l.ID ||
			e["statusPurpose"] != "revocation" ||
			e["type"] != BitstringEntryType {
			t.Errorf("%+v", all)
		}
	}
	for _, bad := range []StatusEntry{
		{},
		{Type: "StatusList2021Entry", List: l.ID, Purpose: "revocation"},
		{List: "urn:x", Purpose: "revocation"},
		{List: l.ID, Purpose: "revocation", Index: -1},
		{List: l.ID},
	} {
		d.Statuses = []StatusEntry{bad}
		if _, err := IssueJSON(d, k, today); err == nil {
			t.Errorf("%+v: issued", bad)
		}
	}
}

// The package must accept the status lists and status entries that it has issued.
func TestIssuedStatusListsRevokeBadges(t *testing.T) {
	k, d := key(t), draft()
	l := listDraft()
	l.IssuerID, l.Set, d.Status, d.Statuses = "", nil, "", []StatusEntry{l.Entry(94567)}
	badge, err := IssueJSON(d, k, today)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		set  []int
		k    *Key
		want string
	}{
		{nil, k, "valid"},
		{[]int{94566, 94568}, k, "valid"},
		{[]int{94567}, k, "invalid revoked"},
		{nil, key(t), "indeterminate status-unusable"},
	} {
		l.Set = c.set
		list, err := IssueStatusList(l, c.k, today)
		if err != nil {
			t.Fatal(err)
		}
		v := Verify(
			badge,
			Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today, Status: lists{l.ID: string(list)}},
		)
		if got := codes(v); got != c.want {
			t.Errorf("%v: %s, want %s", c.set, got, c.want)
		}
		if e := v.Badge.Status; len(e) != 1 || e[0] != d.Statuses[0] {
			t.Errorf("%+v", e)
		}
	}
}

// ParseKey must return a working key for every key file, or an error that does not quote the file.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(testKey))
	f.Add([]byte(rsaKey))
	f.Add([]byte(`{"type":"JsonWebKey","secretKeyJwk":{"kty":"RSA","n":"AQ","e":"AQAB","d":"AQ","p":"AQ","q":"AQ"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKey(b)
		if err != nil {
			return
		}
		if _, err := k.sign([]byte("text")); err != nil {
			t.Fatal(err)
		}
		text, err := k.MarshalText()
		if again, e := ParseKey(text); err != nil || e != nil || again.Name() != k.Name() {
			t.Fatal(err, e)
		}
	})
}

func TestIssuedAchievementHasPictureAndAlignments(t *testing.T) {
	k, err := GenerateKey("test")
	if err != nil {
		t.Fatal(err)
	}
	d := Draft{IssuerName: "Lab", Email: "lea@example.org", ValidFrom: time.Now(), Achievement: Achievement{
		ID: "https://lab.example/laser", Name: "Laser", Description: "Laser cutting", Criteria: "A test piece",
		Image:      "https://lab.example/laser.png",
		Alignments: []Alignment{{Name: "Safety", URL: "https://frame.example/safety"}},
	}}
	b, err := IssueJSON(d, k, d.ValidFrom)
	if err != nil {
		t.Fatal(err)
	}
	v := Verify(b, Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: d.ValidFrom.Add(time.Minute),
		Strict: true})
	if v.State != Valid || v.Badge.Image != "https://lab.example/laser.png" {
		t.Fatalf("%s: %+v", v.Why(), v.Badge)
	}
	for _, want := range []string{`"targetName": "Safety"`, `"targetUrl": "https://frame.example/safety"`} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("the badge lacks %s", want)
		}
	}
}
