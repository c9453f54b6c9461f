//go:build linux

package daemoncmd

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/rfid"
	"portillon/rfid/rfidtest"
	"portillon/yamlfile"
)

// parsedReader parses a reader section as part of a machine.yaml.
func parsedReader(text string) (ReaderConfig, error) {
	d := yamlfile.Parse("machine.yaml", []byte(text))
	c := parseReader(d.Root(), func(n yamlfile.Node) string {
		if s := n.Str(); s == "" || filepath.IsAbs(s) {
			return s
		}
		return filepath.Join("/nowhere", n.Str())
	})
	return c, d.Err()
}

// isAbsent reports whether an error means that a device does not exist.
func isAbsent(err error) bool {
	for _, s := range []string{"no such file", "no GPIO chip", "not found", "pcscd", "there is no chip", "no chip"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// readerSections returns reader sections of a machine.yaml; the value is true if the check must accept the section.
func readerSections() map[string]bool {
	return map[string]bool{
		"{kind: none}": true,
		"{kind: keyboard, port: /dev/input/by-id/none-event-kbd}":                true,
		"{kind: keyboard, port: serial:/dev/ttyAMA0}":                            false,
		"{kind: rdm6300, port: /dev/nothing}":                                    true,
		"{kind: rdm6300, port: none/ttyAMA0}":                                    true,
		"{kind: rdm6300, port: serial:/dev/ttyAMA0}":                             false,
		"{kind: rdm6300, port: /dev/serial/by-path/platform-1:1.0-port0}":        true,
		"{kind: mfrc522, port: /dev/spidev99.0}":                                 true,
		"{kind: mfrc522, port: spi:/dev/spidev0.0}":                              false,
		"{kind: mfrc522, port: /dev/spidev00.0}":                                 false,
		"{kind: mfrc522, port: /dev/ttyAMA0}":                                    false,
		"{kind: pn532, port: spi:/dev/spidev99.0}":                               true,
		"{kind: pn532, port: spi:/dev/ttyAMA0}":                                  false,
		"{kind: pn532, port: i2c:/dev/i2c-99}":                                   true,
		"{kind: pn532, port: i2c:/dev/i2c-01}":                                   false,
		"{kind: pn532, port: i2c:1}":                                             false,
		"{kind: pn532, port: serial:/dev/nothing}":                               true,
		"{kind: pn532, port: 'serial:'}":                                         false,
		"{kind: wiegand, d0: gpio:none-/23, d1: gpio:other-/24}":                 false,
		"{kind: wiegand, d0: gpio:none-/23, d1: gpio:none-/24}":                  true,
		"{kind: mfrc522, port: /dev/spidev99.0, irq: gpio:none-/25}":             true,
		"{kind: wiegand, d0: gpio:none-/23, d1: gpio:none-/24, format: hex}":     false,
		"{kind: keyboard, port: /dev/input/none, format: decimal, bits: 26}":     false,
		"{kind: keyboard, port: /dev/input/none, format: hex}":                   true,
		"{kind: keyboard, port: /dev/input/none, format: facility}":              false,
		"{kind: pcsc, port: 'Some reader: that is not there'}":                   true,
		"{kind: pn532, port: 'serial:/dev/nothing', mode: slot}":                 true,
		"{kind: rdm6300, port: /dev/nothing, mode: slot}":                        false,
		"{kind: pn532, port: 'usb:/dev/nothing'}":                                false,
		"{kind: pn532, port: /dev/nothing}":                                      false,
		"{kind: mfrc522, port: /dev/spidev99.0, reset: gpio:none-/17, gain: 33}": true,
	}
}

// If the check accepts a section, opening the reader can fail only because a device does not exist.
func TestCheckRejectsEachSectionWithWhichTheReaderCannotBeOpened(t *testing.T) {
	try := func(text string, want bool) {
		t.Helper()
		c, refused := parsedReader(text)
		if (refused == nil) != want {
			t.Errorf("%s: %v, want it taken: %v", text, refused, want)
		}
		open := c.readerOpener()
		if refused != nil || open == nil {
			return
		}
		r, err := open()
		if err == nil {
			r.Close()
		} else if !isAbsent(err) {
			t.Errorf("%s passes the check, and opening refuses it: %v", text, err)
		}
	}
	for bits := 1; bits <= 64; bits++ {
		try(fmt.Sprintf("{kind: wiegand, d0: gpio:none-/23, d1: gpio:none-/24, bits: %d}", bits), bits == 26 ||
			bits == 34 || bits == 37)
	}
	for gain := 1; gain <= 48; gain++ {
		good := gain == 18 || gain == 23 || gain == 33 || gain == 38 || gain == 43 || gain == 48
		try(fmt.Sprintf("{kind: mfrc522, port: /dev/spidev99.0, gain: %d}", gain), good)
	}
	for text, want := range readerSections() {
		try(text, want)
	}
}

// If a module sends bytes that are not a card number over the serial line, the reader passes these bytes to the
// daemon's callback.
func TestInputThatIsNotACardNumberIsPassedToTheCallback(t *testing.T) {
	line, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	c, err := parsedReader("{kind: rdm6300, port: " + path + "}")
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 8)
	c.host.Unread = func(u rfid.Unread) { said <- u.Raw }
	r, err := c.readerOpener()()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	io.WriteString(line, "\x0262E3086CED09\x03\x0262E3086CED08\x03")
	if tap, err := r.Read(t.Context()); err != nil || tap.UID.Hex() != "62E3086CED" || tap.At.After(time.Now()) {
		t.Fatal(tap.UID.Hex(), err)
	}
	if raw := <-said; raw != `"62E3086CED09"` {
		t.Errorf("said %s", raw)
	}
}

func TestShortNumbersMatchOnlyAtReadersThatMaySendShortNumbers(t *testing.T) {
	for _, s := range readerSpecs() {
		want := s.Kind == "wiegand" || s.Kind == "keyboard"
		if got := (ReaderConfig{Kind: s.Kind}).GivesShortNumbers(); got != want {
			t.Errorf("%s: short numbers: %v, want %v", s.Kind, got, want)
		}
	}
}

// For each kind, if a machine.yaml contains the line that "portillon reader test" prints, parsing the file gives the
// same reader.
func TestPrintedReaderLineParsesToTheReaderOfTheCommandLine(t *testing.T) {
	for _, s := range readerSpecs() {
		c, err := ReaderArgument(s.Example, nil)
		if err != nil || c.Kind != s.Kind {
			t.Errorf("%s: kind %q, %v", s.Example, c.Kind, err)
			continue
		}
		section, _ := strings.CutPrefix(c.Line(), "reader: ")
		if again, err := parsedReader(section); err != nil || !maps.Equal(again.Values, c.Values) {
			t.Errorf("%s: %s is read as %v, %v", s.Example, section, again.Values, err)
		}
		for _, o := range s.Offers {
			if c, err := parsedReader(ReaderOffer{o,
				s}.Section(rfid.Values{rfid.KeyPort: o.Values[rfid.KeyPort]})); err != nil &&
				o.Values != nil || o.FR == "" ||
				o.EN == "" {
				t.Errorf("setup offers %s of kind %s: %v, %q, %q", o.Name, c.Kind, err, o.FR, o.EN)
			}
		}
	}
}

// No reader section of a machine.yaml makes the check panic. The check rejects every value that the spec of the reader
// rejects.
func FuzzReaderSection(f *testing.F) {
	for _, s := range readerSpecs() {
		if c, err := ReaderArgument(s.Example, nil); err == nil {
			f.Add(strings.TrimPrefix(c.Line(), "reader: "))
		}
	}
	f.Add("{kind: wiegand, d0: gpio:a/1, d1: gpio:b/2, bits: 32}")
	f.Add("{kind: pn532, port: 'i2c:/dev/i2c-01', mode: slot, aes-key: k}")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parsedReader(text)
		if err != nil || c.spec().Parse == nil {
			return
		}
		if _, faults := c.spec().Parse(c.Values); len(faults) > 0 {
			t.Errorf("%s: %v", text, faults)
		}
		section, _ := strings.CutPrefix(c.Line(), "reader: ")
		if again, err := parsedReader(section); err != nil || again.Kind != c.Kind {
			t.Errorf("%q is written as %q: %v", text, section, err)
		}
	})
}
