package strong

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"portillon/rfid"
)

func x(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func is(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if !bytes.Equal(got, x(t, want)) {
		t.Errorf("%s\n got %X\nwant %s", what, got, want)
	}
}

// The test vectors are from RFC 4493 §4.
func TestCMACOfRFC4493(t *testing.T) {
	key := block(x(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	m := x(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"+
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		got := cmac(key, m[:n])
		is(t, "CMAC", got[:], want)
	}
}

// The test vector is from AN10922 §2.2.1.
func TestDiversifiedKeyMatchesAN10922(t *testing.T) {
	got := diversify(block(x(t, "00112233445566778899AABBCCDDEEFF")), x(t, "04782E21801D803042F54E585020416275"))
	is(t, "key", got[:], "A8DD63A3B89D54B37CA802473FDA9175")
}

// The derivation of a card's keys must never change, because the keys on personalised cards depend on the derivation.
func TestDiversificationInputMatchesTheDocumentation(t *testing.T) {
	site, err := ParseKey([]byte("00112233445566778899AABBCCDDEEFF\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind Kind
		m    string
	}{
		{NTAG424, "04782E21801D80 D2760000850101 03 706F7274696C6C6F6E"},
		{DESFire, "04782E21801D80 504F52 03 706F7274696C6C6F6E"},
	} {
		card := card{uid: x(t, "04782E21801D80"), kind: c.kind}
		got := card.deriveKey(site, 3)
		want := diversify(site.block(), x(t, c.m))
		is(t, c.kind.String(), got[:], hex.EncodeToString(want[:]))
	}
}

// scriptedCard is a channel that accepts exactly the commands of a list, in order.
type scriptedCard struct {
	t    *testing.T
	said []string // the list alternates: command, answer, command, answer …
}

func (s *scriptedCard) Exchange(_ context.Context, command []byte) ([]byte, error) {
	if len(s.said) < 2 {
		s.t.Fatalf("told %X after the end", command)
	}
	is(s.t, "command", command, s.said[0])
	a := x(s.t, s.said[1])
	s.said = s.said[2:]
	return a, nil
}

// published holds three authentications that NXP has published; all use a key of sixteen zero bytes.
var published = []struct {
	name         string
	no           byte
	rndA         string
	said         []string
	ti, enc, mac string
}{
	{"AN12196 table 14", 0, "13C5DB8A5930439FC3DEF9A4C675360F", []string{
		"9071000002000000", "A04C124213C186F22399D33AC2A3021591AF",
		"90AF00002035C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D00",
		"3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F081206639100"},
		"9D00C4DF", "1309C877509E5A215007FF0ED19CA564", "4C6626F5E72EA694202139295C7A7FC7"},
	{"AN12196 table 20", 3, "B98F4C50CF1C2E084FD150E33992B048", []string{
		"9071000002030000", "B875CEB0E66A6C5CD00898DC371F92D191AF",
		"90AF000020FF0306E47DFBC50087C4D8A78E88E62DE1E8BE457AA477C707E2F0874916A8B100",
		"0CC9A8094A8EEA683ECAAC5C7BF20584206D0608D477110FC6B3D5D3F65C3A6A9100"},
		"7614281A", "7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC"},
	{"AN12343 table 16", 0, "B04D0787C93EE0CC8CACC8E86F16C6FE", []string{
		"9071000002000000", "24677DDBD46349E623798FD729006E7991AF",
		"90AF0000203B50445F21D21D77D500794DEB245E5A754F5F901844259F4C9B31A5C7335ACD00",
		"04C6DBD67417ED0D31DDDE4D2E3FFAC2B4B074F638EEF7FFF9254963B65C77599100"},
		"8CF141F3", "63DC07286289A7A6C0334CA31C314A04", "774F26743ECE6AF5033B6AE8522946F6"},
}

func TestAuthenticateEV2FirstMatchesPublishedExamples(t *testing.T) {
	for _, p := range published {
		t.Run(p.name, func(t *testing.T) {
			s := &scriptedCard{t, p.said}
			c := &card{ch: s, rand: bytes.NewReader(x(t, p.rndA))}
			n, err := c.ev2First(t.Context(), p.no, block{})
			if err != nil {
				t.Fatal(err)
			}
			is(t, "TI", n.ti[:], p.ti)
			is(t, "SesAuthENCKey", n.enc[:], p.enc)
			is(t, "SesAuthMACKey", n.mac[:], p.mac)
		})
	}
}

// If any bit of a published answer is flipped, the package must detect it, because RndA' authenticates the card.
func TestAuthenticateRefusesAnAlteredRndA(t *testing.T) {
	for bit := range 128 {
		p := published[0]
		said := append([]string{}, p.said...)
		a := x(t, said[3])
		// The first block of the plain text contains TI and 12 bytes of RndA'; the plain text of the second block depends
		// on the first block.
		a[bit/8] ^= 1 << (bit % 8)
		said[3] = hex.EncodeToString(a)
		c := &card{ch: &scriptedCard{t, said}, rand: bytes.NewReader(x(t, p.rndA))}
		if _, err := c.ev2First(t.Context(), 0, block{}); err == nil {
			t.Fatalf("bit %d: accepted", bit)
		}
	}
}

func sessionOf(t *testing.T, ti, enc, mac string, ctr uint16, said ...string) *ev2 {
	return &ev2{
		c:   &card{ch: &scriptedCard{t, said}},
		ti:  [4]byte(x(t, ti)),
		enc: block(x(t, enc)),
		mac: block(x(t, mac)),
		ctr: ctr,
	}
}

// AN12196 tables 26 and 27 (rev. 2.0: 25 and 26) contain two ChangeKeys in one session.
func TestChangeKeyMatchesPublishedExamples(t *testing.T) {
	s := sessionOf(t, "7614281A", "4CF3CB41A22583A61E89B158D252FC53", "5529860B2FC5FB6154B7F28361D30BF9", 2,
		"90C4000029022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E600",
		"203BB55D1089D5879100",
		"90C400002900C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FDA6610234BDED643200", "9100")
	if err := s.changeOther(t.Context(), 2, block{}, block(x(t, "F3847D627727ED3BC9C4CC050489B966"))); err != nil {
		t.Fatal(err)
	}
	if err := s.changeOwn(t.Context(), block(x(t, "5004BF991F408672B1EF00F08F9E8647"))); err != nil {
		t.Fatal(err)
	}
	is(t, "CRC32", crc(x(t, "F3847D627727ED3BC9C4CC050489B966")), "789DFADC")
}

// AN12196 §5.12 table 21 contains a WriteData in CommMode.Full; the package uses the same functions for it as for
// GetCardUID.
func TestSecureMessagingMatchesThePublishedExample(t *testing.T) {
	s := sessionOf(t, "7614281A", "7A93D6571E4B180FCA6AC90C9A7488D4", "FC4AF159B62E549B5812394CAB1918CC", 0,
		"908D00001F030000000A00006B5E6804909962FC4E3FF5522CF0F8436C0C53315B9C73AA00", "C26D236E4A7C046D9100")
	iv := s.iv(0xA5, 0x5A, 0)
	is(t, "IV", iv[:], "4C651A64261A90307B6C293F611C7F7B")
	data := append(x(t, "030000000A0000"), s.encryptData(x(t, "0102030405060708090A"))...)
	if _, err := s.sendAuthenticated(t.Context(), 0x8D, "write", data...); err != nil {
		t.Fatal(err)
	}
}

// AN12196 §4.4.3 contains the MAC of a SUN message (Secure Unique NFC). This MAC is NXP's shortened CMAC of an empty
// message; its key is a CMAC too.
func TestSUNMessageMatchesThePublishedExample(t *testing.T) {
	p := decryptCBC(block{}, block{}, x(t, "EF963FF7828658A599F3041510671E88"))
	is(t, "PICC data", p[:11], "C704DE5F1EACC0403D0000")
	key := cmac(block{}, append(x(t, "3CC300010080"), p[1:11]...))
	is(t, "MAC", odd(cmac(key, nil)), "94EED9EE65337086")
}

// The answers are those that a real DESFire EV1 gave to Elmü's DesfireEV1 library (codeproject.com 1096861);
// pydesfire's tests contain them.
func TestAuthenticateAESMatchesARealCard(t *testing.T) {
	s := &scriptedCard{t, []string{
		"90AA0000010000", "B969FDFE56FD91FC9DE6F6F213B8FD1E91AF",
		"90AF00002036AAD7DF6E436BA08D18613830A70D5AD43E3D3F4A8D47541EEE623A934E477400",
		"800DB680BC146BD121D6578F2D2E20599100"}}
	c := &card{ch: s, rand: bytes.NewReader(x(t, "F44B26F5686F3A391CD38EBD10772281"))}
	n, err := c.authenticateAES(t.Context(), 0, block{})
	if err != nil {
		t.Fatal(err)
	}
	is(t, "session key", n.key[:], "F44B26F5C05DDD7110772281C4D066E8")
	is(t, "ChangeKey", n.encryptedChange(block(x(t, "00102030405060708090A0B0B0A09080")), 0x10),
		"E9F85E219496C2B58C1090DC3935FAE9E840CF61B383D9531946256B1F110C10")
}

// The session comes from the same source (Elmü's DesfireEV1 library) and uses a key that is not zero.
func TestChangeKeyOfEV1MatchesARealCard(t *testing.T) {
	n := &ev1{key: block(x(t, "C2A1E47B27104712FE6D00A71177A19B"))}
	is(t, "ChangeKey", n.encryptedChange(block(x(t, "10182028303840485058606870788088")), 0x10),
		"2945E3760E60F4A4046BB8A505B31CF559A3A2E05213BC82942CA6AB5DBCECF5")
}

var _ rfid.Channel = (*scriptedCard)(nil)
