package openbadge

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

// chained returns a function that gives a proof an id and references to other proofs.
func chained(id string, after ...any) func(object) {
	return func(p object) {
		if id != "" {
			p["id"] = "urn:proof:" + id
		}
		switch len(after) {
		case 0:
		case 1:
			p["previousProof"] = "urn:proof:" + after[0].(string)
		default:
			var names []any
			for _, a := range after {
				names = append(names, "urn:proof:"+a.(string))
			}
			p["previousProof"] = names
		}
	}
}

func ended(p object) { p["expires"] = today.Add(-time.Hour).Format(time.RFC3339) }

// In this test, another party has signed the badge first, and the issuer has signed it last. The issuer's proof is
// accepted if all proofs that it refers to are present and correct.
func TestEveryProofOfAChainMustBeCorrect(t *testing.T) {
	k, other := key(t), key(t)
	issuer, witness := edwardsSigner(k), edwardsSigner(other)
	// the verification method names this key but does not contain it
	third := nistSigner(t, elliptic.P256(), crypto.SHA256)
	proof := func(d object, i int) object { return ld.List(d["proof"])[i].(object) }
	// replace replaces the first proof by a correct proof of another party.
	replace := func(d object) {
		bare := ld.Without(d, "proof")
		d["proof"] = []any{proveWith(t, bare, edwardsSigner(key(t)), issuedSuite, chained("a")), proof(d, 1)}
	}
	for name, c := range map[string]struct {
		make func(d object)
		want string
	}{
		"a witness, then the issuer": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
		}, "valid"},
		"the same over JSON": {func(d object) {
			proveWith(t, d, witness, "eddsa-jcs-2022", chained("a"), func(p object) { p["@context"] = d["@context"] })
			proveWith(t, d, issuer, "eddsa-jcs-2022", chained("", "a"))
		}, "valid"},
		"JSON, then statements": {func(d object) {
			proveWith(t, d, witness, "eddsa-jcs-2022", chained("a"), func(p object) { p["@context"] = d["@context"] })
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
		}, "valid"},
		"statements, then JSON": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, "eddsa-jcs-2022", chained("", "a"))
		}, "valid"},
		"after two and one": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, witness, issuedSuite, chained("b"))
			proveWith(t, d, witness, "eddsa-jcs-2022", chained("c", "b", "a"))
			proveWith(t, d, issuer, "eddsa-jcs-2022", chained("d", "c", "a"))
		}, "valid"},
		"in another order": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			d["proof"] = []any{proof(d, 1), proof(d, 0)}
		}, "valid"},
		"the issuer, then a witness": {func(d object) {
			proveWith(t, d, issuer, issuedSuite, chained("a"))
			proveWith(t, d, witness, issuedSuite, chained("", "a"))
		}, "valid"}, // the issuer's proof refers to no other proof
		"a witness alone": {func(d object) { proveWith(t, d, witness, issuedSuite) }, "invalid key-not-pinned"},
		"two witnesses": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, witness, issuedSuite, chained("", "a"))
		}, "invalid key-not-pinned"},
		"a missing link": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			d["proof"] = []any{proof(d, 1)}
		}, "invalid broken-chain"},
		"one link of two missing": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, witness, issuedSuite, chained("b"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a", "b"))
			d["proof"] = []any{proof(d, 0), proof(d, 2)}
		}, "invalid broken-chain"},
		"a link that was changed": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			proof(d, 0)["created"] = "2024-01-01T00:00:00Z"
		}, "invalid bad-signature"},
		"a link that was replaced": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			replace(d)
		}, "invalid bad-signature"},
		"a link that was replaced, over JSON": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, "eddsa-jcs-2022", chained("", "a"))
			replace(d)
		}, "invalid bad-signature"},
		"a link that has ended": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"), ended)
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
		}, "invalid expired"},
		"a link of an unknown suite": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			proof(d, 0)["cryptosuite"] = "bbs-2023"
		}, "invalid unsupported-proof"},
		"a link whose key is only said to be": {func(d object) {
			proveWith(t, d, third, "ecdsa-rdfc-2019", chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
		}, "invalid bad-signature"},
		"a link with a key in a page's fragment": {func(d object) {
			witness := witness
			witness.method = "https://lab.example/#" + other.Multikey()
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
		}, "invalid key-not-pinned"},
		"a witness after a link that does not hold": {func(d object) {
			first := witness
			first.method = "https://lab.example/#" + other.Multikey()
			proveWith(t, d, first, issuedSuite, chained("a"))
			proveWith(t, d, witness, issuedSuite, chained("b", "a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "b"))
		}, "invalid key-not-pinned"},
		"two links of one name": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			d["proof"] = append(ld.List(d["proof"]), proof(d, 0))
		}, "invalid broken-chain"},
		"one name twice": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a", "a"))
		}, "valid"},
		"itself": {func(d object) {
			proveWith(t, d, issuer, issuedSuite, chained("a"))
			proof(d, 0)["previousProof"] = "urn:proof:a"
		}, "invalid broken-chain"},
		"in a ring": {func(d object) {
			for i := range 5 {
				proveWith(t, d, issuer, issuedSuite, chained(fmt.Sprint(i)))
			}
			for i := range 5 {
				proof(d, i)["previousProof"] = []any{fmt.Sprintf("urn:proof:%d", (i+1)%5)}
			}
		}, "invalid broken-chain"},
		"a link with the badge's own name": {func(d object) {
			proveWith(t, d, witness, issuedSuite, func(p object) { p["id"] = d["id"] })
			proveWith(t, d, issuer, "eddsa-jcs-2022", func(p object) { p["previousProof"] = d["id"] })
			proof(d, 1)["cryptosuite"] = issuedSuite
		}, "invalid ambiguous"},
		"after none": {func(d object) {
			proveWith(t, d, issuer, "eddsa-jcs-2022", func(p object) { p["previousProof"] = []any{} })
		}, "invalid malformed"},
		"after a number": {
			func(d object) { proveWith(t, d, issuer, issuedSuite); proof(d, 0)["previousProof"] = json.Number("1") },
			"invalid malformed",
		},
		"after an object": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			proof(d, 0)["previousProof"] = object{"id": "urn:proof:a"}
		}, "invalid malformed"},
		"after \"\"": {
			func(d object) { proveWith(t, d, issuer, issuedSuite); proof(d, 0)["previousProof"] = "" },
			"invalid malformed",
		},
		"a list with a null": {func(d object) {
			proveWith(t, d, witness, issuedSuite, chained("a"))
			proveWith(t, d, issuer, issuedSuite, chained("", "a"))
			proof(d, 1)["previousProof"] = []any{"urn:proof:a", nil}
		}, "invalid malformed"},
	} {
		d := parse(t, issued(t, k)["JSON"])
		delete(d, "proof")
		c.make(d)
		b, _ := json.Marshal(d)
		v := Verify(b, Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today})
		if got := codes(v); got != c.want {
			t.Errorf("%s: %s, want %s: %s", name, got, c.want, v.Why())
		}
	}
}

// The badge expires at the earliest expiry date of the proofs in its chain.
func TestBadgeEndsWithTheEarliestEndOfItsChain(t *testing.T) {
	k := key(t)
	d := parse(t, issued(t, k)["JSON"])
	delete(d, "proof")
	end := func(h time.Duration) func(object) {
		return func(p object) { p["expires"] = today.Add(h).Format(time.RFC3339) }
	}
	proveWith(t, d, edwardsSigner(key(t)), issuedSuite, chained("a"), end(time.Hour))
	proveWith(t, d, edwardsSigner(key(t)), issuedSuite, chained("b", "a"), end(3*time.Hour))
	proveWith(t, d, edwardsSigner(k), issuedSuite, chained("", "b"), end(2*time.Hour))
	b, _ := json.Marshal(d)
	for _, at := range []time.Time{{}, today} {
		v := Verify(b, Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: at})
		if v.State != Valid || !v.Badge.ValidUntil.Equal(today.Add(time.Hour)) {
			t.Errorf("%s until %v", v.Why(), v.Badge.ValidUntil)
		}
	}
}

// A document may have unsupported proofs beside supported ones.
func TestOneCorrectProofIsSufficient(t *testing.T) {
	k := key(t)
	issuer := edwardsSigner(k)
	proof := func(d object, i int) object { return ld.List(d["proof"])[i].(object) }
	for name, c := range map[string]struct {
		make func(d object)
		want string
	}{
		"a type that nobody knows": {func(d object) {
			d["proof"] = []any{object{"type": "Unheard", "proofValue": object{}}}
			proveWith(t, d, issuer, issuedSuite)
		}, "valid"},
		"a forged one first": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			proveWith(t, d, issuer, issuedSuite)
			proof(d, 0)["created"] = "2024-01-01T00:00:00Z"
		}, "valid"},
		"an old one first": {func(d object) {
			proveWith(t, d, issuer, issuedSuite, ended)
			proveWith(t, d, issuer, issuedSuite)
		}, "valid"},
		"another key's first": {func(d object) {
			proveWith(t, d, edwardsSigner(key(t)), issuedSuite)
			proveWith(t, d, issuer, issuedSuite)
		}, "valid"},
		"one in pieces first": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			d["proof"] = []any{
				object{"type": "DataIntegrityProof", "cryptosuite": issuedSuite, "proofPurpose": []any{}, "id": nil},
				proof(d, 0),
			}
		}, "valid"},
		"unknown ones alone": {
			func(d object) { d["proof"] = []any{object{"type": "Unheard"}, object{}} },
			"invalid unsupported-proof",
		},
		"the first unknown, the second forged": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			proof(d, 0)["created"] = "2024-01-01T00:00:00Z"
			d["proof"] = []any{object{"type": "Unheard"}, proof(d, 0)}
		}, "invalid bad-signature"},
		"nine": {func(d object) {
			for range 9 {
				proveWith(t, d, issuer, issuedSuite)
			}
		}, "invalid too-complex"},
		"a text": {
			func(d object) { proveWith(t, d, issuer, issuedSuite); d["proof"] = []any{proof(d, 0), "signed"} },
			"invalid malformed",
		},
		"a list of none": {func(d object) { d["proof"] = []any{} }, "invalid no-proof"},
		"null":           {func(d object) { d["proof"] = nil }, "invalid no-proof"},
		"a suite's name as a type": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			proof(d, 0)["type"] = issuedSuite
		}, "invalid unsupported-proof"},
		"an old type with a suite that is no text": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			proof(d, 0)["type"], proof(d, 0)["cryptosuite"] = "Ed25519Signature2020", json.Number("2")
		}, "invalid unsupported-proof"},
		"an old type with a suite": {func(d object) {
			proveWith(t, d, issuer, issuedSuite)
			proof(d, 0)["type"] = "Ed25519Signature2020"
		}, "invalid unsupported-proof"},
	} {
		d := parse(t, issued(t, k)["JSON"])
		delete(d, "proof")
		c.make(d)
		b, _ := json.Marshal(d)
		if got := codes(Verify(
			b,
			Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today},
		)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The fuzzer adds proofs with arbitrary terms to a badge that its issuer signed. Verify must not panic, and a badge
// that Verify accepts must have a signature of the issuer.
func FuzzProofs(f *testing.F) {
	k, _ := ParseKey([]byte(testKey))
	d := parse(f, must(IssueJSON(draft(), k, today)))
	delete(d, "proof")
	by, made := edwardsSigner(k), []string{}
	for i, change := range []func(object){chained("a"), chained("b", "a"), chained("c", "b", "a")} {
		p := proveWith(f, d, by, []string{"eddsa-rdfc-2022", "eddsa-jcs-2022"}[i%2], change)
		made = append(made, ld.Str(p, "proofValue"))
		b, _ := json.Marshal(d["proof"])
		f.Add(b)
		b, _ = json.Marshal(p)
		f.Add(b)
	}
	f.Add(
		[]byte(
			`[{"type":"Ed25519Signature2020","proofPurpose":"assertionMethod","verificationMethod":"x:y","proofValue":"z1",` +
				`"previousProof":["urn:proof:a",""]}]`,
		),
	)
	f.Add(
		[]byte(
			`[{"type":"DataIntegrityProof","cryptosuite":"ecdsa-jcs-2019","@context":["https://www.w3.org/ns/credentials/` +
				`v2"],"proofValue":"z1"}]`,
		),
	)
	rest, _ := json.Marshal(ld.Without(d, "proof"))
	o := Options{
		Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey(), "zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP"}}},
		At:    today,
	}
	f.Fuzz(func(t *testing.T, proofs []byte) {
		in := append(append(append(rest[:len(rest)-1:len(rest)-1], `,"proof":`...), proofs...), '}')
		v := Verify(in, o)
		if v.State != Valid && len(v.Reasons) == 0 {
			t.Fatal("refused without a reason")
		}
		if v.State == Valid && !slices.ContainsFunc(made, func(s string) bool { return bytes.Contains(in, []byte(s)) }) {
			t.Fatalf("valid: %s", proofs)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
