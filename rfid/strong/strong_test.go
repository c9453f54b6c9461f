package strong

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"portillon/rfid"
	"portillon/rfid/strong/strongtest"
)

var kinds = []strongtest.Kind{strongtest.NTAG424, strongtest.DESFire, strongtest.DESFireEV1}

const secret = "0123456789ABCDEFFEDCBA9876543210"

var number7 = [7]byte{0x04, 0x78, 0x2E, 0x21, 0x80, 0x1D, 0x80}

func theSite(t testing.TB, line string) Site {
	t.Helper()
	k, err := ParseKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return Site{Key: k}
}

func each(t *testing.T, f func(t *testing.T, c *strongtest.Card, s Site)) {
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) { f(t, strongtest.New(k, number7), theSite(t, secret)) })
	}
}

func mustPersonalise(t *testing.T, s Site, c *strongtest.Card) {
	t.Helper()
	c.Enter()
	if err := s.Personalise(t.Context(), c, c.Number(), Key{}); err != nil {
		t.Fatal(err)
	}
	c.Said = nil
	c.Enter()
}

func refused(t *testing.T, s Site, c *strongtest.Card, why error) {
	t.Helper()
	p, err := s.Prove(t.Context(), c, c.Number())
	if p != rfid.NumberOnly || !errors.Is(err, why) {
		t.Fatalf("proof %d, %v; want %v", p, err, why)
	}
}

func accepted(t *testing.T, s Site, c *strongtest.Card) {
	t.Helper()
	if p, err := s.Prove(t.Context(), c, c.Number()); p != rfid.AES || err != nil {
		t.Fatalf("proof %d, %v", p, err)
	}
}

func TestPersonalisedCardIsAccepted(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		for range 3 {
			c.Enter()
			accepted(t, s, c)
			if c.Exchanges() > 5 {
				t.Errorf("%d exchanges", c.Exchanges())
			}
		}
		for no, k := range c.Keys[:] {
			if k == (block{}) && (c.Kind == strongtest.NTAG424 || no == 0) {
				t.Errorf("key %d is still the factory's", no)
			}
		}
		c.Enter()
		if err := s.Personalise(t.Context(), c, c.Number(), Key{}); err != nil {
			t.Errorf("once more: %v", err)
		}
	})
}

func TestFactoryCardsAndCardsOfOtherSitesAreRefused(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		refused(t, s, c, ErrWrongKey)
		mustPersonalise(t, s, c)
		refused(t, theSite(t, strings.Repeat("5A", 16)), c, ErrWrongKey)
		c.Enter()
		if err := theSite(t, strings.Repeat("5A", 16)).Personalise(t.Context(), c, c.Number(), Key{}); !errors.Is(
			err,
			ErrWrongKey,
		) {
			t.Errorf("another site took the card over: %v", err)
		}
	})
}

func TestClonedNumberIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		victim := c.Shown
		c.UID[6]++ // the key matches the number that the card shows, but the card's own number is another number
		refused(t, s, c, ErrCloned)

		thief := strongtest.New(c.Kind, [7]byte{4, 1, 2, 3, 4, 5, 6})
		mustPersonalise(t, s, thief)
		thief.Shown = victim
		refused(t, s, thief, ErrWrongKey)
	})
}

func TestReplayedSessionIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		accepted(t, s, c)
		said := c.Said
		c.Enter()
		c.Fault = strongtest.Replays(said)
		refused(t, s, c, ErrAnswer)
	})
}

// Only the last answer of the session is replayed. All other answers of the session are genuine.
func TestReplayedNumberIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		accepted(t, s, c)
		last := c.Said[len(c.Said)-1]
		n := c.Exchanges()
		c.Enter()
		c.Fault = strongtest.Alters(n, func([]byte) []byte { return last })
		refused(t, s, c, ErrAnswer)
	})
}

func TestEveryAlteredBitIsRefused(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		accepted(t, s, c)
		said, exchanges := c.Said, c.Exchanges()
		for at := 1; at <= exchanges; at++ {
			selects := len(said[at-1]) == 2 // an answer without data only states the kind of card, so a change of it is allowed
			for bit := range 8 * len(said[at-1]) {
				c.Enter()
				c.Fault = strongtest.Flips(at, bit)
				if p, err := s.Prove(t.Context(), c, c.Number()); (p == rfid.AES) != (err == nil) || err == nil && !selects {
					t.Fatalf("answer %d, bit %d: proof %d, %v", at, bit, p, err)
				}
			}
		}
	})
}

func TestAnswersOfOddSizeAreRefused(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		accepted(t, s, c)
		exchanges := c.Exchanges()
		for at := 1; at <= exchanges; at++ {
			for _, by := range []int{-100, -16, -8, -2, -1, 1, 8, 16, 32, 64, 5000} {
				c.Enter()
				c.Fault = strongtest.Sizes(at, by)
				p, err := s.Prove(t.Context(), c, c.Number())
				if p == rfid.AES && by > 0 || p == rfid.AES && len(c.Said[len(c.Said)-c.Exchanges()+at-1]) > 2 ||
					(p == rfid.AES) != (err == nil) {
					t.Errorf("answer %d, %+d bytes: proof %d, %v", at, by, p, err)
				}
			}
		}
	})
}

func TestProofFailsIfTheCardLeaves(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		accepted(t, s, c)
		for at := range c.Exchanges() {
			c.Enter()
			c.Fault = strongtest.Leaves(at+1, true)
			refused(t, s, c, ErrLeft)
		}
	})
}

func TestProofOfASilentCardEndsWithinTheTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := strongtest.New(strongtest.NTAG424, number7), theSite(t, secret)
		c.Fault = strongtest.Silent(2)
		refused(t, s, c, ErrLeft)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		c.Enter()
		c.Fault = nil // without the fault, this card would answer
		if _, err := s.Prove(ctx, c, c.Number()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestAuthenticationDelayGivesErrLocked(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		mustPersonalise(t, s, c)
		c.Delay = 1
		refused(t, s, c, ErrLocked)
		c.Enter()
		accepted(t, s, c)
	})
}

func TestUnsupportedKindsOfCardsAreRefused(t *testing.T) {
	s := theSite(t, secret)
	plain := strongtest.New(strongtest.Plain, number7)
	refused(t, s, plain, ErrNotStrong)
	if plain.Exchanges() != 2 {
		t.Errorf("a card of no known kind was asked on: %d exchanges", plain.Exchanges())
	}
	lrp := strongtest.New(strongtest.NTAG424, number7)
	lrp.Fault = strongtest.Sizes(3, 1)
	refused(t, s, lrp, ErrNotStrong)
	u, _ := rfid.UIDOf([]byte{8, 1, 2, 3})
	if _, err := s.Prove(t.Context(), strongtest.New(strongtest.NTAG424, number7), u); !errors.Is(err, ErrNotStrong) {
		t.Error(err)
	}
	refused(t, Site{}, strongtest.New(strongtest.NTAG424, number7), ErrNoKey)
}

// If a card's answer to AuthenticateEV2First was changed to "unknown command", the card must still prove that it has
// the key.
func TestDowngradeStillNeedsTheKey(t *testing.T) {
	s := theSite(t, secret)
	c := strongtest.New(strongtest.DESFire, number7)
	mustPersonalise(t, s, c)
	downgrade := strongtest.Alters(2, func([]byte) []byte { return []byte{0x91, 0x1C} })
	c.Fault = downgrade
	accepted(t, s, c)
	c.Enter()
	c.Keys[0][0]++
	refused(t, s, c, ErrWrongKey)

	// an NTAG always supports AuthenticateEV2First, so the package must not try the older command
	n := strongtest.New(strongtest.NTAG424, number7)
	mustPersonalise(t, s, n)
	n.Fault = strongtest.Alters(3, func([]byte) []byte { return []byte{0x91, 0x1C} })
	refused(t, s, n, ErrNotStrong)
	if n.Exchanges() != 3 {
		t.Errorf("an NTAG was asked for an older command: %d exchanges", n.Exchanges())
	}
}

func TestStatusWordsAreMappedToErrors(t *testing.T) {
	for s, why := range map[status]error{
		swAuth: ErrWrongKey, swNoSuchKey: ErrWrongKey, swNoApp: ErrWrongKey, swIntegrity: ErrWrongKey, swDelay: ErrLocked,
		swIllegal: ErrNotStrong, swNoINS: ErrNotStrong, swPermission: ErrForbidden, 0x91BE: ErrAnswer, 0x9000: ErrAnswer,
		0: ErrAnswer,
	} {
		if err := s.err("x"); !errors.Is(err, why) {
			t.Errorf("%04X: %v, want %v", uint16(s), err, why)
		}
	}
}

func TestAnswersOfWrongLengthAreRefused(t *testing.T) {
	for n, good := range map[int]bool{0: false, 1: false, 2: true, maxAnswer: true, maxAnswer + 1: false} {
		a := make([]byte, n)
		if n >= 2 {
			a[n-2] = 0x91
		}
		c := card{ch: &scriptedChannel{append([]byte{byte(n)}, a...)}}
		if _, _, err := c.send(t.Context(), nil); (err == nil) != good || err != nil && !errors.Is(err, ErrAnswer) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// The package must refuse an answer that has a valid MAC but data of a wrong form.
func TestSignedAnswerOfWrongFormIsRefused(t *testing.T) {
	n := &ev2{ti: [4]byte{1}, enc: block{2}, mac: block{3}}
	signed := func(data []byte) *card {
		a := append(append(data, n.sign(0, n.ctr+1, data...)...), 0x91, 0)
		return &card{ch: &scriptedChannel{append([]byte{byte(len(a))}, a...)}}
	}
	sealed := func(plain []byte) []byte { return encryptCBC(n.enc, n.iv(0x5A, 0xA5, n.ctr+1), plain) }
	good := pad(number7[:])
	for what, plain := range map[string][]byte{
		"no padding": make([]byte, 16), "a byte after the padding": append(append([]byte{}, good[:15]...), 1),
		"a number of 4": pad(number7[:4]), "a number of 10": pad(make([]byte, 10)),
		"another mark than 80": append(append([]byte{}, number7[:]...), 0x55, 0, 0, 0, 0, 0, 0, 0, 0),
		"two blocks":           append(make([]byte, 16), good...), "nothing": {},
	} {
		n.c = signed(sealed(plain))
		if _, err := n.cardUID(t.Context()); !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	n.c = signed(sealed(good))
	if u, err := n.cardUID(t.Context()); err != nil || !bytes.Equal(u, number7[:]) {
		t.Errorf("%X, %v", u, err)
	}
	n.c = signed(make([]byte, 15)) // 15 bytes are not a whole block
	if _, err := n.cardUID(t.Context()); !errors.Is(err, ErrAnswer) {
		t.Error(err)
	}
	n.c = signed(nil)
	if _, err := n.keyVersion(t.Context(), 1); !errors.Is(err, ErrAnswer) {
		t.Error(err)
	}
	n.c = signed([]byte{1})
	if err := n.changeOther(t.Context(), 1, block{}, block{1}); !errors.Is(err, ErrAnswer) {
		t.Error(err)
	}
}

// In EV1, each message takes over the IV from the message before, through the whole session.
func TestIVOfEV1ContinuesThroughTheSession(t *testing.T) {
	s, m := theSite(t, secret), strongtest.New(strongtest.DESFireEV1, number7)
	mustPersonalise(t, s, m)
	c, _ := s.begin(m, m.Number())
	if err := c.selectApplication(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, err := c.authenticate(t.Context(), 0, c.deriveKey(s.Key, 0))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if u, err := n.cardUID(t.Context()); err != nil || !bytes.Equal(u, number7[:]) {
			t.Fatalf("%X, %v", u, err)
		}
	}
}

// Personalise must not change a card whose keys 1 to 4 belong to another site.
func TestPersonaliseRefusesForeignKeys(t *testing.T) {
	// the version is siteKeyVersion: the card claims that the site has already changed this key
	for _, version := range []byte{0, siteKeyVersion} {
		c := strongtest.New(strongtest.NTAG424, number7)
		c.Keys[2], c.Versions[2] = block{9}, version
		if err := theSite(t, secret).Personalise(t.Context(), c, c.Number(), Key{}); !errors.Is(err, ErrWrongKey) {
			t.Errorf("version %d: %v", version, err)
		}
		c.Enter()
		refused(t, theSite(t, secret), c, ErrWrongKey)
	}
}

func TestCheckReportsKindAndFactoryState(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		want := Report{Card: NTAG424, Factory: true}
		if c.Kind != strongtest.NTAG424 {
			want.Card = DESFire
		}
		if r, err := s.Check(t.Context(), c, c.Number()); r != want || !errors.Is(err, ErrWrongKey) {
			t.Errorf("factory: %+v, %v", r, err)
		}
		mustPersonalise(t, s, c)
		want.Factory, want.Proof, want.Legacy = false, rfid.AES, c.Kind == strongtest.DESFireEV1
		if r, err := s.Check(t.Context(), c, c.Number()); r != want || err != nil {
			t.Errorf("personalised: %+v, %v", r, err)
		}
		c.Enter()
		want.Proof = rfid.NumberOnly
		if r, err := theSite(t, strings.Repeat("5A", 16)).Check(t.Context(), c, c.Number()); r != want ||
			!errors.Is(err, ErrWrongKey) {
			t.Errorf("another site's: %+v, %v", r, err)
		}
	})
}

func TestKeysAreNeverPrinted(t *testing.T) {
	s := theSite(t, secret)
	type holder struct {
		s  Site
		p  *Site
		k  Key
		ks []Key
	}
	h := holder{s, &s, s.Key, []Key{s.Key}}
	var out bytes.Buffer
	for _, v := range []any{s, &s, s.Key, &s.Key, h, &h} {
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %X %d %p\n", v, v, v, v, v, v, v, v, v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	for _, v := range []any{s, &s, s.Key, &s.Key} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); !strings.HasSuffix(got, "hidden)") {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
	if got := s.Key.LogValue().String(); got != s.Key.String() {
		t.Error(got)
	}
	for _, bad := range []string{"0123456789ABCDEF", "0123456789abcdef", "1 35 69 103", "0x1, 0x23", "\\x01#Eg"} {
		if strings.Contains(out.String(), bad) {
			i := strings.Index(out.String(), bad)
			t.Errorf("the key shows: …%s", out.String()[max(0, i-80):i+20])
		}
	}
	for _, line := range []string{"", secret[2:], secret + "00", strings.Repeat("0", 32), "zz" + secret[2:]} {
		if _, err := ParseKey([]byte(line)); err == nil || len(line) > 3 && strings.Contains(err.Error(), line[3:]) {
			t.Errorf("%q: %v", line, err)
		}
	}
	if got := strings.TrimSpace(string(s.Key.Line())); got != secret {
		t.Error("a key's line does not read back")
	}
}
