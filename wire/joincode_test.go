package wire

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
)

func someCode(t testing.TB) JoinCode {
	t.Helper()
	var c JoinCode
	rand.Read(c.Pins[:])
	var err error
	if c.Secret, err = NewJoinSecret(rand.Reader); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParsingAWrittenJoinCodeReturnsTheSameCode(t *testing.T) {
	for range 200 {
		c := someCode(t)
		text := c.String()
		if len(text) != 35 || strings.Trim(text, codeLetters+"-") != "" {
			t.Fatalf("%q: want 27 characters in groups of three", text)
		}
		if got, err := ParseJoinCode(text); err != nil || got != c {
			t.Fatalf("%q: %+v %v, want %+v", text, got, err, c)
		}
	}
	c, err := ParseJoinCode(JoinCode{}.String())
	if err != nil || c != (JoinCode{}) {
		t.Errorf("%+v %v", c, err)
	}
}

// The form of a code must not change, because machines and hubs of different releases exchange codes. Another program
// computed the expected values.
func TestJoinCodeHasItsFixedForm(t *testing.T) {
	c := JoinCode{Pins: [PinsHashSize]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 255}, Secret: 1<<50 - 1}
	const want = "000-G40-R40-M30-E27-ZZZ-ZZZ-ZZZ-ZZW"
	if got := c.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h := Pins{Site: "biklab", CA: []byte("ca"), PolicyKey: "p", HubKey: "h"}.Hash()
	if got := fmt.Sprintf("%x", h); got != "9a1f7de485f6184c97ac" {
		t.Errorf("%s", got)
	}
}

func TestJoinCodeIgnoresCaseBlanksAndLookalikes(t *testing.T) {
	c := JoinCode{Secret: 0x1_0842_1084_2108} // a code in which ones and zeros occur
	text := c.String()
	for _, typed := range []string{strings.ToLower(text), strings.ReplaceAll(text, "-", ""),
		strings.ReplaceAll(text, "-", " "),
		strings.ReplaceAll(text, "0", "O"), strings.ReplaceAll(text, "0", "o"), strings.ReplaceAll(text, "1", "I"),
		strings.ReplaceAll(text, "1", "l"), " " + text + "\n"} {
		if got, err := ParseJoinCode(typed); err != nil || got != c {
			t.Errorf("%q: %+v %v", typed, got, err)
		}
	}
}

func TestJoinCodeDetectsOneWrongOrTwoExchangedCharacters(t *testing.T) {
	text := strings.ReplaceAll(someCode(t).String(), "-", "")
	for i := range len(text) {
		for _, r := range codeLetters {
			if slip := text[:i] + string(r) + text[i+1:]; slip != text {
				if _, err := ParseJoinCode(slip); err == nil {
					t.Fatalf("%s for %s was taken", slip, text)
				}
			}
		}
		for j := i + 1; j < len(text); j++ {
			b := []byte(text)
			if b[i], b[j] = b[j], b[i]; string(b) != text {
				if _, err := ParseJoinCode(string(b)); err == nil {
					t.Fatalf("%s for %s was taken: places %d and %d", b, text, i, j)
				}
			}
		}
	}
}

func TestMalformedJoinCodesAreRefused(t *testing.T) {
	text := someCode(t).String()
	for _, s := range []string{"", "x", text[:len(text)-1], text + "0", text + text, strings.Repeat("0", 10000),
		"U" + text[1:], "é" + text[1:], "*" + text[1:]} {
		if c, err := ParseJoinCode(s); err == nil {
			t.Errorf("%.40q: %+v", s, c)
		}
	}
}

func TestPinsHashDependsOnEachPin(t *testing.T) {
	p := Pins{Site: "biklab", CA: []byte("ca"), PolicyKey: "p", HubKey: "h"}
	seen := map[[PinsHashSize]byte]bool{p.Hash(): true}
	for _, change := range []func(*Pins){func(p *Pins) { p.Site = "x" }, func(p *Pins) { p.CA = []byte("cb") },
		func(p *Pins) { p.PolicyKey = "x" }, func(p *Pins) { p.HubKey = "x" },
		func(p *Pins) { p.PolicyKey, p.HubKey = p.HubKey, p.PolicyKey }} {
		q := p
		change(&q)
		if seen[q.Hash()] {
			t.Errorf("%+v has the hash of another", q)
		}
		seen[q.Hash()] = true
	}
}

func FuzzParseJoinCode(f *testing.F) {
	f.Add(JoinCode{}.String())
	f.Add(strings.ToLower(someCode(f).String()))
	f.Add("oil-OIL")
	f.Add("000 000 000 000 000 000 000 000 000")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseJoinCode(s)
		if err != nil {
			return
		}
		if again, err := ParseJoinCode(c.String()); err != nil || again != c || c.Secret>>JoinSecretBits != 0 {
			t.Errorf("%q: %+v, then %+v %v", s, c, again, err)
		}
	})
}
