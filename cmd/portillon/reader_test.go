//go:build linux

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
	"portillon/rfid"
	"portillon/rfid/rfidtest"
)

// trial runs «reader test» with an RDM6300 that sends the text says on its serial line. In the output that trial
// returns, the word PORT replaces the path of the serial line.
func trial(t *testing.T, says string, args ...string) (out string, code int) {
	t.Helper()
	line, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	var stdout, stderr bytes.Buffer
	started := &starter{Writer: &stderr, then: func() { io.WriteString(line, says) }}
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "PORT", path)
	}
	code = run(append([]string{"reader", "test", "--lang", "en"}, args...), stdio{nil, &stdout, started, nil})
	return strings.ReplaceAll(stdout.String()+stderr.String(), path, "PORT"), code
}

// starter calls the function then as soon as the tool asks for a card, because the reader is open from that moment on.
// The test must not send data earlier, because the tool discards data that the serial line has sent before the reader
// was open.
type starter struct {
	io.Writer
	then func()
}

func (s *starter) Write(b []byte) (int, error) {
	if s.then != nil {
		s.then()
		s.then = nil
	}
	return s.Writer.Write(b)
}

// The captured data and the number printed on the fob are published at forum.hobbycomponents.com, viewtopic p=7544.
func TestReaderTestPrintsTheRawInputAndTheLinesForMachineYaml(t *testing.T) {
	got, code := trial(t, "\x02100086F44427\x03\x02100086F44426\x03", "rdm6300:PORT")
	want := `received      "100086F44427"
refused       checksum does not match the number: check the module's antenna, wires and supply
received      "100086F44426"
number        hex:100086F444        dec:68728321092
              hex:44F4860010        dec:296160198672   bytes reversed
              hex:0086F444          dec:0008844356   wiegand34:134,62532   last 32 bits
              hex:86F444            dec:0008844356   wiegand26:134,62532   last 24 bits
machine.yaml  reader: { kind: rdm6300, port: 'PORT' }
members.yaml  cards: ["100086F444"]

tap a card; its number will be shown here, show it to nobody
`
	if got != want || code != 0 {
		t.Errorf("code %d:\n%s\nwant\n%s", code, got, want)
	}
}

func TestReaderTestUsesTheReaderOfAMachineYaml(t *testing.T) {
	text := `portillon: 1
site: biklab
machine: laser
data: data
card-key: card.key
machine-key: laser.key
bundle: { key: k, file: site.bundle }
reader: { kind: rdm6300, port: PORT }
relay: { pin: "sim:pin" }
`
	line, path, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	file := filepath.Join(t.TempDir(), "machine.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "PORT", path)), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run([]string{"reader", "test", "--lang", "fr", file}, stdio{nil, &stdout,
		&starter{Writer: &stderr, then: func() { io.WriteString(line, "\x0201000734E0D2\x03") }}, nil})
	if code != 0 || !strings.Contains(stdout.String(), "numéro        hex:01000734E0") ||
		!strings.Contains(stdout.String(), "octets inversés") {
		t.Errorf("code %d: %s%s", code, stdout.String(), stderr.String())
	}
}

func TestReaderTestEndsWithoutACardAndRejectsInvalidReaders(t *testing.T) {
	if got, code := trial(t, "noise", "--wait", "10ms", "rdm6300:PORT"); code != 3 ||
		!strings.Contains(got, "reader read no card within") {
		t.Errorf("code %d: %s", code, got)
	}
	for spec, want := range map[string]string{
		"rdm6300":                  "does not name a reader",
		"none:x":                   "does not name a reader",
		"nfc:/dev/x":               "does not name a reader",
		"wiegand:gpio:pinctrl-/23": "two lines",
		"rdm6300:serial:PORT":      "begins with a bus",
		"pn532:usb:/dev/x":         "names no bus",
		"mfrc522:/dev/ttyAMA0":     "SPI",
		"none.yaml":                "no such file",
	} {
		if got, code := trial(t, "", spec); code != 2 || !strings.Contains(got, want) {
			t.Errorf("%s: code %d: %s", spec, code, got)
		}
	}
	if got, code := trial(t, "", "--bits", "32", "wiegand:gpio:pinctrl-/23,gpio:pinctrl-/24"); code != 2 ||
		!strings.Contains(got, "no parity") {
		t.Errorf("32 bits: code %d: %s", code, got)
	}
}

// A reader that types hexadecimal in place of decimal numbers is recognised by the letters, and the line for
// machine.yaml contains the right format.
func TestReaderTestRecognisesHexadecimalByLetters(t *testing.T) {
	c, err := daemoncmd.ReaderArgument("keyboard:/dev/input/by-id/reader-event-kbd", nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ended := false
	x := &readerTrial{w: stdio{out: &out}, lang: policy.English, config: c, left: 1, stop: func() { ended = true }}
	x.printRaw("62E3086CED")
	x.printUnread(rfid.Unread{Raw: "62E3086CED", Why: "letters"})
	for _, want := range []string{"received      62E3086CED", "format: hex", `cards: ["62E3086CED"]`, "dec:3808980205"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
	if !ended || strings.Contains(out.String(), "refused") {
		t.Errorf("ended: %v\n%s", ended, out.String())
	}
}

func TestReaderTestWarnsOfNumbersThatAreNotUnique(t *testing.T) {
	for spec, cases := range map[string]map[string]string{
		"keyboard:/dev/input/x": {
			"3BC40488": "7 bytes",
			"8804C43B": "7 bytes",
			"08112233": "phone",
			"33221108": "phone",
			"6303E7":   "24 bits",
			"62E308":   "24 bits",
			"62E3086C": "",
		},
		"pn532:/dev/ttyAMA0": {"62E3086C": "", "04A224BA115E80": ""},
	} {
		c, err := daemoncmd.ReaderArgument(spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		for number, want := range cases {
			u, _ := rfid.ParseUID(number)
			got := strings.Join((&readerTrial{lang: policy.English, config: c}).warnings(u), "\n")
			if !strings.Contains(got, want) || (got == "") != (want == "") {
				t.Errorf("%s %s: %q, want %q", spec, number, got, want)
			}
		}
	}
	c, _ := daemoncmd.ReaderArgument("keyboard:/dev/input/x", rfid.Values{"format": "hex"})
	u, _ := rfid.ParseUID("0012345678")
	if got := (&readerTrial{lang: policy.English, config: c}).warnings(u); len(got) != 1 ||
		!strings.Contains(got[0], "decimal") {
		t.Errorf("%q", got)
	}
	if got := memberCard(u); got != "hex:0012345678" {
		t.Errorf("members.yaml: %s", got)
	}
}
