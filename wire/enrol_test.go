package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func sealKey(t testing.TB, b byte) SealKey {
	t.Helper()
	k, err := NewSealKey(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

var unknownCard = EnrolCard{Code: "0A1B2C", Card: strings.Repeat("0123456789abcdef", 4)}

func TestEnrolCodeHasSixCharactersAndDependsOnNumberAndKey(t *testing.T) {
	key := []byte("0123456789abcdef")
	seen := map[string]bool{}
	for i := range 1000 {
		c := EnrolCode(key, []byte{byte(i >> 8), byte(i), 7, 9})
		if len(c) != 6 || strings.Trim(c, codeLetters) != "" {
			t.Fatalf("%q", c)
		}
		seen[c] = true
	}
	// Of 1000 random codes of 30 bits, two are equal with a probability of 1 in 2,000. The test uses fixed numbers, so its
	// result never changes.
	if len(seen) < 999 {
		t.Errorf("%d codes of 1000 cards", len(seen))
	}
	// The expected code was computed with "openssl dgst -sha256 -mac HMAC": the HMAC begins with 77cd27ff.
	if got := EnrolCode(key, []byte{0x04, 0xa1, 0xb2, 0xc3}); got != "EZ6JFZ" {
		t.Error(got)
	}
	if EnrolCode(key, []byte{1, 2, 3, 4}) == EnrolCode(key, []byte{4, 3, 2, 1}) ||
		EnrolCode(key, []byte{1}) == EnrolCode([]byte("another key of 16"), []byte{1}) {
		t.Error("another number or another key gives the same code")
	}
}

func TestEnrolCodeIsParsedAsAPersonTypesIt(t *testing.T) {
	for s, want := range map[string]string{
		"0A1B2C": "0A1B2C", " 0a1-b2c ": "0A1B2C", "oAiBlC": "0A1B1C", "O\u00a0A1 B2C": "0A1B2C",
		"": "", "7F3A": "", "0A1B2CD": "", "0A1B2U": "", "0A1B2É": "", "04A1B2C3D4": "",
		strings.Repeat("-", 60) + "0A1B2C": "",
	} {
		got, err := ParseEnrolCode(s)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", s, got, err, want)
		}
	}
}

func TestSealedCardOpensOnlyWithItsKeyForItsMachine(t *testing.T) {
	k, other := sealKey(t, 1), sealKey(t, 2)
	sealed, err := SealCard(k.Public(), "lab", "laser", unknownCard)
	if err != nil || len(sealed) > maxSealed {
		t.Fatal(len(sealed), err)
	}
	raw, _ := base64.StdEncoding.DecodeString(sealed)
	if bytes.Contains(raw, []byte(unknownCard.Code)) || bytes.Contains(raw, []byte(unknownCard.Card[:16])) {
		t.Error("the sealed card shows the code or the HMAC")
	}
	if c, err := OpenCard(sealed, "lab", "laser", []SealKey{other, k}); err != nil || c != unknownCard {
		t.Errorf("%+v %v", c, err)
	}
	if again, _ := SealCard(k.Public(), "lab", "laser", unknownCard); again == sealed {
		t.Error("the same card seals to the same text, so two taps of one card can be told from others")
	}
	if _, err := OpenCard(sealed, "lab", "laser", []SealKey{other}); !errors.Is(err, ErrNoSealKey) {
		t.Errorf("another key: %v", err)
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-1] ^= 1
	for name, err := range map[string]error{
		"another machine": second(OpenCard(sealed, "lab", "vinyl", []SealKey{k})),
		"another site":    second(OpenCard(sealed, "bal", "laser", []SealKey{k})),
		"a flipped bit":   second(OpenCard(base64.StdEncoding.EncodeToString(flipped), "lab", "laser", []SealKey{k})),
		"cut":             second(OpenCard(base64.StdEncoding.EncodeToString(raw[:20]), "lab", "laser", []SealKey{k})),
		"too long":        second(OpenCard(sealed+strings.Repeat("A", maxSealed), "lab", "laser", []SealKey{k})),
	} {
		if err == nil {
			t.Errorf("%s: it opens", name)
		}
	}
	for _, c := range []EnrolCard{{}, {Code: "0a1b2c", Card: unknownCard.Card}, {Code: "0A1B2C", Card: "04A1B2C3"},
		{Code: "0A1B2C", Card: strings.ToUpper(unknownCard.Card)}} {
		sealed, err := SealCard(k.Public(), "lab", "laser", c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCard(sealed, "lab", "laser", []SealKey{k}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzParseEnrolCode(f *testing.F) {
	for _, s := range []string{"0A1B2C", "0a1-b2c", "oil oil", "ÉÉÉ", "ı00000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseEnrolCode(s)
		if err != nil {
			return
		}
		if again, err := ParseEnrolCode(c); err != nil || again != c || len(c) != codeLength {
			t.Fatalf("%q is read as %q, that as %q, %v", s, c, again, err)
		}
	})
}

func FuzzOpenCard(f *testing.F) {
	k := sealKey(f, 1)
	sealed, err := SealCard(k.Public(), "lab", "laser", unknownCard)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{sealed, "", "AAAA", sealed[:40]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := OpenCard(s, "lab", "laser", []SealKey{k}); err == nil && c.check() != nil {
			t.Fatalf("%+v was taken", c)
		}
	})
}
