package openbadge

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
	"portillon/openbadge/internal/otherstest"
)

// vector is a folder of the W3C's test vectors, with the proof and every intermediate result of the signature.
type vector struct {
	folder, suffix, keys string
	hash                 crypto.Hash
	// the context of this vector is not available, so the test uses the canonical texts that the vector contains
	opaque bool
}

var vectors = map[string][]vector{
	"eddsa": {
		{"w3c+vc-di-eddsa/TestVectors/eddsa-rdfc-2022", "DataInt", "../keyPair.json", crypto.SHA256, false},
		{"w3c+vc-di-eddsa/TestVectors/eddsa-rdfc-2022/employ", "DataInt", "../../keyPair.json", crypto.SHA256, true},
		{"w3c+vc-di-eddsa/TestVectors/eddsa-jcs-2022", "JCS", "../keyPair.json", crypto.SHA256, false},
		{"w3c+vc-di-eddsa/TestVectors/Ed25519Signature2020", "EdSig", "../keyPair.json", crypto.SHA256, false},
	},
	"ecdsa": {
		{"w3c+vc-di-ecdsa/TestVectors/ecdsa-rdfc-2019-p256", "ECDSAP256", "../p256KeyPair.json", crypto.SHA256, false},
		{
			"w3c+vc-di-ecdsa/TestVectors/ecdsa-rdfc-2019-p256/employ",
			"ECDSAP256",
			"../../p256KeyPair.json",
			crypto.SHA256,
			true,
		},
		{"w3c+vc-di-ecdsa/TestVectors/ecdsa-rdfc-2019-p384", "ECDSAP384", "../p384KeyPair.json", crypto.SHA384, false},
		{
			"w3c+vc-di-ecdsa/TestVectors/ecdsa-rdfc-2019-p384/employ",
			"ECDSAP384",
			"../../p384KeyPair.json",
			crypto.SHA384,
			true,
		},
		{"w3c+vc-di-ecdsa/TestVectors/ecdsa-jcs-2019-p256", "JCSECDSAP256", "../p256KeyPair.json", crypto.SHA256, false},
		{"w3c+vc-di-ecdsa/TestVectors/ecdsa-jcs-2019-p384", "JCSECDSAP384", "../p384KeyPair.json", crypto.SHA384, false},
	},
}

// examples contains the terms that the W3C's vectors use, whose context has a default vocabulary.
var examples = ld.Extra{"https://www.w3.org/ns/credentials/examples/v2": {
	"AlumniCredential": "https://www.w3.org/ns/credentials/examples#AlumniCredential",
	"alumniOf":         "https://www.w3.org/ns/credentials/examples#alumniOf",
}}

func TestW3CVectorsMatchAtEveryStep(t *testing.T) {
	for name, all := range vectors {
		held := 0
		for _, v := range all {
			t.Run(filepath.Base(v.folder)+" "+v.suffix, func(t *testing.T) {
				if v.test(t); !t.Failed() {
					held++
				}
			})
		}
		t.Logf("%s: %d of %d vectors hold", name, held, len(all))
	}
}

func (v vector) file(t *testing.T, name, ext string) []byte {
	t.Helper()
	return otherstest.File(t, v.folder, name+v.suffix+ext)
}

func (v vector) hex(t *testing.T, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSpace(string(v.file(t, name, ".txt"))))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v vector) test(t *testing.T) {
	signed := parse(t, v.file(t, "signed", ".json"))
	p := ld.Obj(signed, "proof")
	c, err := suiteOf(p)
	if err != nil {
		t.Fatal(err)
	}
	options, doc := v.file(t, "proofCanon", ".txt"), v.file(t, "canonDoc", ".txt")
	if !v.opaque {
		o, d, err := c.texts(open(t, signed), p, nil, v.hash)
		equalBytes(t, "options", o, options)
		equalBytes(t, "document", d, doc)
		if err != nil {
			t.Fatal(err)
		}
		o, _, err = c.texts(open(t, signed), parse(t, v.file(t, "proofConfig", ".json")), nil, v.hash)
		equalBytes(t, "options with a context of their own", o, options)
		if err != nil {
			t.Fatal(err)
		}
	}
	message := append(hashOf(v.hash, options), hashOf(v.hash, doc)...)
	equalBytes(t, "hash of the options", hashOf(v.hash, options), v.hex(t, "proofHash"))
	equalBytes(t, "hash of the document", hashOf(v.hash, doc), v.hex(t, "docHash"))
	equalBytes(t, "both hashes", message, v.hex(t, "combinedHash"))
	equalBytes(t, "proofValue", []byte(ld.Str(p, "proofValue")), v.file(t, "sigBTC58", ".txt"))
	sig, err := signatureOf(p)
	equalBytes(t, "signature", sig, v.hex(t, "sigHex"))
	if err != nil {
		t.Fatal(err)
	}
	key := readKey(t, ld.Str(parse(t, otherstest.File(t, v.folder, v.keys)), "publicKeyMultibase"))
	with, ok := c.scheme(key)
	if !ok || with.hash != v.hash || !with.verify(message, sig) {
		t.Errorf("the signature does not verify: %v %v", ok, with.hash)
	}
	sig[9] ^= 1
	if with.verify(message, sig) {
		t.Error("a wrong signature was accepted")
	}
	if !v.opaque {
		v.verifyWhole(t, signed, key)
	}
}

// verifyWhole verifies the vector's proof in the same way as the proof of a badge. Then the test checks that Verify
// rejects a changed document and a changed proof.
func (v vector) verifyWhole(t *testing.T, signed object, key crypto.PublicKey) {
	pins := []pin{{key: key}}
	for want, change := range map[string]func(d, p object){
		"":               func(d, p object) {},
		"bad-signature":  func(d, p object) { d["name"] = "Another" },
		"bad-signature ": func(d, p object) { p["created"] = "2023-02-24T23:36:39Z" },
		"not-yet-valid":  func(d, p object) {},
	} {
		d := parse(t, v.file(t, "signed", ".json"))
		change(d, ld.Obj(d, "proof"))
		at := time.Time{}
		if want == "not-yet-valid" {
			at = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		got := codeOf(setOf(t, open(t, d), at, pins...).verify(0).issuerError())
		if got != strings.TrimSpace(want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// In a set or a chain of proofs, each proof must be correct with its own key. The last proof of a chain needs exactly
// the earlier proofs of the chain.
func TestW3CProofSetsAndChainsAreValid(t *testing.T) {
	held, files := 0, map[string]int{
		"signedProofSet1":   1,
		"signedProofSet2":   2,
		"signedProofChain1": 3,
		"signedProofChain2": 4,
	}
	for name, n := range files {
		d := open(t, parse(t, otherstest.File(t, "w3c+vc-di-eddsa/TestVectors/proof-set-chain", name+".json")))
		for i := range n {
			last := ld.List(d.Words["proof"])[i].(object)
			k, _ := methodKey(ld.Str(last, "verificationMethod"))
			s := setOf(t, d, today, pin{key: k})
			if err := s.verify(i).issuerError(); err != nil || len(s.all) != n {
				t.Errorf("%s: proof %d: %v", name, i, err)
				continue
			}
			for j := range n { // if only another key is pinned, only the proof of that key is accepted
				if code := codeOf(s.verify(j).issuerError()); j != i && code != "key-not-pinned" {
					t.Errorf("%s: proof %d with the key of %d: %q", name, j, i, code)
				}
			}
			held++
		}
	}
	t.Logf("proof sets and chains: %d proofs of %d files hold", held, len(files))
	if held != 10 {
		t.Errorf("%d proofs, want 10", held)
	}
}

// 1EdTech's samples have proofs with names and types from before the standard.
func TestProofsWithOldNamesAreValid(t *testing.T) {
	for name, want := range map[string]string{
		"simple_v1.json":         "Ed25519Signature2020",
		"simple-eddsa-2022.json": "eddsa-2022",
	} {
		t.Run(want, func(t *testing.T) {
			d := open(t, parse(t, otherstest.File(t, inspector, name)))
			p := ld.List(d.Words["proof"])[0].(object)
			k, _ := methodKey(ld.Str(p, "verificationMethod"))
			if c, err := suiteOf(p); err != nil || c.name != want && c.typ != want {
				t.Errorf("%v, %v", c, err)
			}
			if err := setOf(t, d, today, pin{key: k}).verify(0).issuerError(); err != nil {
				t.Error(err)
			}
			p["created"] = "2022-11-16T18:54:23Z"
			if code := codeOf(setOf(t, d, today, pin{key: k}).verify(0).issuerError()); code != "bad-signature" {
				t.Errorf("a changed proof: %q", code)
			}
		})
	}
}

// The suite ecdsa-sd-2023 is for documents that the holder discloses only in part. The reason must name the suite
// ecdsa-sd-2023 as unsupported.
func TestSelectiveDisclosureIsReportedAsUnsupported(t *testing.T) {
	for _, path := range []string{
		inspector + "/sd/derivedcredential.json",
		"w3c+vc-di-ecdsa/TestVectors/ecdsa-sd-2023/employ/derivedRevealDocument.json",
		"w3c+vc-di-ecdsa/TestVectors/ecdsa-sd-2023/employ/addSignedSDBase.json",
	} {
		_, _, err := readProofs(parse(t, otherstest.File(t, path)))
		if codeOf(err) != "unsupported-proof" && codeOf(err) != "no-proof" ||
			codeOf(err) == "unsupported-proof" && !strings.Contains(err.Error(), "ecdsa-sd-2023") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func parse(t testing.TB, b []byte) object {
	t.Helper()
	d, err := ld.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t testing.TB, words object) *ld.Document {
	t.Helper()
	d, err := ld.OpenKnowing(words, examples)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func setOf(t testing.TB, d *ld.Document, at time.Time, pins ...pin) *proofSet {
	t.Helper()
	all, _, err := readProofs(d.Words)
	if err != nil {
		t.Fatal(err)
	}
	return &proofSet{doc: d, all: all, pins: pins, at: at, found: make([]*finding, len(all))}
}

func codeOf(err error) string {
	code, _, _ := strings.Cut(errText(err), ":")
	return code
}

func equalBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n%.600s\nwant\n%.600s", what, got, want)
	}
}

// readKey decodes a multikey of any kind that the suites accept: Ed25519 (0xed), P-256 (0x1200) and P-384 (0x1201), as
// varints.
func readKey(t testing.TB, s string) crypto.PublicKey {
	t.Helper()
	k, ok := parseMultikey(s)
	if !ok {
		t.Fatalf("%q is no multikey", s)
	}
	return k
}
