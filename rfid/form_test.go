package rfid

import (
	"slices"
	"strings"
	"testing"
)

func uid(t *testing.T, hex string) UID {
	t.Helper()
	u, err := ParseUID(hex)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The table holds, for each card, the output of two readers or the printed number, as others published them. The
// field source of a row names where its reading was published.
func TestFormsIncludePublishedReadingsOfTheSameCard(t *testing.T) {
	for _, c := range []struct{ source, card, written string }{
		{"Nitgen eNCard-i user guide, page 56, RF card", "0801161DD6", "dec:0018226646"},
		{"Nitgen eNCard-i user guide, page 56, RF card", "0801161DD6", "wiegand26:022,07638"},
		{"Nitgen eNCard-i user guide, page 56, SC card", "529D06E3", "dec:1386022627"},
		{"Nitgen eNCard-i user guide, page 56, SC card", "529D06E3", "dec:3808861522"},
		{"github.com/paulo-raca/YetAnotherArduinoWiegandLibrary issue 8", "0A004D7603", "wiegand26:077,30211"},
		{"github.com/paulo-raca/YetAnotherArduinoWiegandLibrary issue 8", "0A004D7603", "dec:0042954749443"},
		{"github.com/Next-Flip/Momentum-Firmware issue 224", "01095ABB5E", "dec:0156941150"},
		{"zgznk.com product 49", "01026F6C3A", "dec:004335823930"},
		{"zgznk.com product 49", "01026F6C3A", "dec:0040856634"},
		{"zgznk.com product 49", "01026F6C3A", "wiegand26:111,27706"},
		{"zgznk.com product 49, 4H+4H", "01026F6C3A", "wiegand34:00623,27706"},
		{"forum.hobbycomponents.com viewtopic p=7544", "100086F444", "dec:0008844356"},
		{"github.com/monkeyboard/Wiegand-Protocol-Library-for-Arduino issue 59", "4DE2D147", "hex:D1E24D"},
		{"stackoverflow.com/q/70022011", "1EA68671", "dec:1904649758"},
		{"github.com/OCA/hr issue 619", "51E69621", "dec:0563537489"},
		{"github.com/geeksoflondon/hamster wiki", "1C78F2BF", "dec:3220338716"},
		{"stackoverflow.com/q/35491151: DC0AE4 with both wires exchanged", "1BF52327", "hex:23F51B"},
	} {
		w, err := ParseCard(c.written)
		if err != nil {
			t.Errorf("%s: %s: %v", c.source, c.written, err)
			continue
		}
		if !slices.ContainsFunc(Forms(uid(t, c.card)), func(f Form) bool { return f.Number == w.Number }) {
			t.Errorf("%s: no form of %s is %s", c.source, c.card, c.written)
		}
	}
}

func TestFormsAreSortedExactThenLosslessThenShort(t *testing.T) {
	for in, want := range map[string]string{
		"62E3086CED":           "62E3086CED ED6C08E362 E3086CED 086CED",
		"529D06E3":             "529D06E3 E3069D52 9D06E3 069D52",
		"04A224BA115E80":       "04A224BA115E80 805E11BA24A204",
		"6303E7":               "6303E7",
		"1234":                 "1234",
		"01020201":             "01020201 020201", // a number that reads the same in reverse order is listed once
		"0102030405060708090A": "0102030405060708090A 0A090807060504030201",
	} {
		var got []string
		last := Exact
		for _, f := range Forms(uid(t, in)) {
			if f.Kind < last {
				t.Errorf("%s: %v comes after %v", in, f.Kind, last)
			}
			last = f.Kind
			got = append(got, f.Number.Hex())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if Forms(UID{}) != nil {
		t.Error("no card has forms")
	}
	for k, short := range map[FormKind]bool{Exact: false, Reversed: false, Low32: true, Low24: true, Low24Reversed: true} {
		if k.Short() != short {
			t.Errorf("%v: short is %v", k, !short)
		}
	}
}

func TestCardNumbersAreParsedInEachFormat(t *testing.T) {
	for in, want := range map[string]string{
		"62E3086CED": "62E3086CED", "62:e3:08 6c-ed": "62E3086CED", "hex:62e3086ced": "62E3086CED",
		"hex: 0012345678": "0012345678",
		"00:12:34:56:78":  "0012345678", // a number with separators is read as hexadecimal, never as decimal
		"12345678":        "12345678",   // a number of eight digits is read as four bytes in hexadecimal
		"dec:0012345678":  "00BC614E part", "dec:7616768": "00743900 part", "dec:322126887957": "4B00423C15",
		"wiegand26:188,24910": "BC614E part", "wiegand26:123, 45678": "7BB26E part", "wiegand34:1234,56789": "04D2DDD5 part",
		"wiegand26:0,0": "000000 part", "wiegand26:255,65535": "FFFFFF part",
		"dec:1208925819614629174706175": "FFFFFFFFFFFFFFFFFFFF",

		"0012345678":                    "",
		"":                              "",
		"dec:":                          "",
		"hex:":                          "",
		"dec:-5":                        "",
		"dec:+5":                        "",
		"dec:1_000":                     "",
		"dec:12AB":                      "",
		"dec:1208925819614629174706176": "",
		"188,24910":                     "",
		"wiegand26:256,1":               "",
		"wiegand26:1,65536":             "",
		"wiegand26:12324910":            "",
		"wiegand26:+1,2":                "",
		"wiegand26:1,2,3":               "",
		"wiegand34:65536,1":             "",
		"wiegand37:1,2":                 "",
		"decimal:12":                    "",
		"62E3086CE":                     "",
		"0102030405060708090A0B":        "",
		"card":                          "",
		strings.Repeat("0", 65):         "",
	} {
		c, err := ParseCard(in)
		got := c.Number.Hex()
		if c.Part {
			got += " part"
		}
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
}

func TestErrorForTenDigitsShowsBothMeanings(t *testing.T) {
	_, err := ParseCard("0012345678")
	for _, want := range []string{`"dec:0012345678"`, "00BC614E", `"hex:0012345678"`, "bytes 0012345678"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not show %s", err, want)
		}
	}
}

// Errors do not quote the input, because it may be a card's number with a typing error.
func TestErrorsAboutCardsDoNotQuoteTheNumber(t *testing.T) {
	for in, secret := range map[string]string{"62E3086CEX": "3086", "dec:12345678X": "5678",
		"wiegand26:188,249100": "249100", "77,30211": "30211"} {
		if _, err := ParseCard(in); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestUIDIsWrittenAsReadersTypeIt(t *testing.T) {
	for in, want := range map[string]string{
		"00BC614E": "0012345678 188,24910", "4B00423C15": "322126887957 ", "6303E7": "0006489063 99,00999",
		"04D2DDD5": "0080928213 1234,56789",
	} {
		u := uid(t, in)
		fn, _ := u.FacilityNumber()
		if got := u.Decimal() + " " + fn; got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]bool{"08112233": true, "0811223344": false, "18112233": false, "33221108": false,
		"081122": false} {
		if Random(uid(t, in)) != want {
			t.Errorf("%s: random is %v", in, !want)
		}
	}
}

func FuzzParseCard(f *testing.F) {
	for _, s := range []string{"62E3086CED", "dec:0012345678", "wiegand26:188,24910", "wiegand34:1234,56789", "hex:00",
		"0012345678", "1,2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCard(s)
		if (err == nil) != (c.Number != UID{}) {
			t.Fatalf("%q: %v %v", s, c.Number.Hex(), err)
		}
		if err != nil {
			return
		}
		if again, err := ParseCard("hex:" + c.Number.Hex()); err != nil || again.Number != c.Number {
			t.Errorf("%q: its hexadecimal is %s: %v", s, again.Number.Hex(), err)
		}
		forms := Forms(c.Number)
		if forms[0].Number != c.Number || forms[0].Kind != Exact {
			t.Errorf("%q: the first form is no exact one", s)
		}
		if len(forms) > 1 && forms[1].Kind == Reversed {
			if back := Forms(forms[1].Number); len(back) < 2 || back[1].Number != c.Number {
				t.Errorf("%q: reversed twice it is another number", s)
			}
		}
	})
}
