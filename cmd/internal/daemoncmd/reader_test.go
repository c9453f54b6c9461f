//go:build linux

package daemoncmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/rfid"
	"portillon/rfid/pn532/pn532test"
	"portillon/rfid/rfidtest"
	"portillon/rfid/strong"
	"portillon/rfid/strong/strongtest"
)

// startPN532 connects a simulated PN532 with one card in its field to a pseudo-terminal, and returns the path of the
// terminal.
func startPN532(t *testing.T, card *pn532test.Card) string {
	t.Helper()
	line, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	s := &pn532test.Serial{Chip: &pn532test.Chip{Cards: []*pn532test.Card{card}}}
	go func() {
		b := make([]byte, 300)
		for {
			n, err := line.Read(b)
			if err != nil {
				return
			}
			s.Write(b[:n])
			for n, _ := s.Read(b); n > 0; n, _ = s.Read(b) {
				line.Write(b[:n])
			}
		}
	}()
	return path
}

func keyFile(t *testing.T) (string, strong.Site) {
	t.Helper()
	k, err := strong.GenerateKey(strings.NewReader("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "strong.key")
	if err := os.WriteFile(path, k.Line(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, strong.Site{Key: k}
}

// ats is the answer to select of an NTAG 424 DNA (NT4H2421Gx, table 8).
var ats = []byte{6, 0x77, 0x77, 0x71, 2, 0x80}

// tapOf opens the reader that a machine.yaml names, and reads one tap.
func tapOf(t *testing.T, card *strongtest.Card, key string) rfid.Tap {
	t.Helper()
	path := startPN532(t, &pn532test.Card{UID: card.UID[:], SAK: 0x20, ATS: ats, Say: card.Exchange})
	c := Config{Reader: ReaderConfig{Kind: "pn532", Values: rfid.Values{"port": "serial:" + path, "aes-key": key}}}
	prove, err := c.proofVerifier(secrets{})
	if err != nil {
		t.Fatal(err)
	}
	c.Reader.host.Prove = prove
	r, err := c.Reader.readerOpener()()
	// On a busy computer the fake chip may answer after the reader's timeout. The daemon then opens the reader again.
	for i := 0; err != nil && i < 20; i++ {
		r, err = c.Reader.readerOpener()()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tap, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tap
}

// The test includes the bytes on the serial line. The test uses three cards: a card of the site, a card with the keys
// of another site, and a card with a copied number.
func TestPN532AcceptsOnlyCardsThatProveTheSitesKey(t *testing.T) {
	key, s := keyFile(t)
	uid := [7]byte{4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66}
	u, _ := rfid.UIDOf(uid[:])
	for _, kind := range []strongtest.Kind{strongtest.NTAG424, strongtest.DESFire, strongtest.DESFireEV1} {
		ours := strongtest.New(kind, uid)
		if err := s.Personalise(t.Context(), ours, u, strong.Key{}); err != nil {
			t.Fatal(kind, err)
		}
		if tap := tapOf(t, ours, key); tap.UID != u || tap.Proof != rfid.AES || tap.Unproven != nil {
			t.Errorf("%v: %+v", kind, tap)
		}
		blank := strongtest.New(kind, uid)
		if tap := tapOf(t, blank, key); tap.UID != u || tap.Proof != rfid.NumberOnly || tap.Unproven == nil {
			t.Errorf("%v, a blank one that copied the number: %+v", kind, tap)
		}
	}
	other, err := strong.GenerateKey(strings.NewReader("fedcba9876543210"))
	if err != nil {
		t.Fatal(err)
	}
	stranger := strongtest.New(strongtest.NTAG424, uid)
	if err := (strong.Site{Key: other}).Personalise(t.Context(), stranger, u, strong.Key{}); err != nil {
		t.Fatal(err)
	}
	if tap := tapOf(t, stranger, key); tap.Proof != rfid.NumberOnly || !errors.Is(tap.Unproven, strong.ErrWrongKey) {
		t.Errorf("another site's: %+v, %v", tap, tap.Unproven)
	}
}

func TestPN532SectionWithoutABusIsRejected(t *testing.T) {
	for port, ok := range map[string]bool{"serial:/dev/ttyAMA0": true, "i2c:/dev/i2c-1": true,
		"spi:/dev/spidev0.0": true, "/dev/ttyAMA0": false, "usb:x": false} {
		_, err := config(t, "reader: { kind: pn532, port: \""+port+"\", aes-key: credential:aes-key }\nrelay: { pin: "+
			"\"gpio:pinctrl-/17\" }\n")
		if (err == nil) != ok {
			t.Errorf("%s: %v", port, err)
		}
	}
}
