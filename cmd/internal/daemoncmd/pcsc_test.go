package daemoncmd

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portillon/rfid"
	"portillon/rfid/pcsc"
)

func TestEachPCSCFaultIsReportedWithItsRepair(t *testing.T) {
	for name, x := range map[string]struct {
		look       pcscLook
		fact, cure string // expected fault; empty: no fault
		unseen     bool
	}{
		"reader there": {
			look: pcscLook{prefix: "ACS", readers: []string{"Other 00 00", "ACS ACR122U 01 00"}, installed: true},
		},
		"any reader":             {look: pcscLook{readers: []string{"Other 00 00"}, installed: true}},
		"reader beside a module": {look: pcscLook{readers: []string{"Other 00 00"}, kernel: true}},
		"not installed": {
			look: pcscLook{err: fmt.Errorf("dial: %w", pcsc.ErrNoService)},
			fact: "not installed",
			cure: "apt install pcscd libccid",
		},
		"not running": {
			look: pcscLook{err: pcsc.ErrNoService, installed: true},
			fact: "/run/pcscd/pcscd.comm",
			cure: "systemctl enable --now pcscd.socket",
		},
		"refused in the unit": {
			look: pcscLook{err: pcsc.ErrRefused, installed: true, inUnit: true},
			fact: "polkit",
			cure: "60-portillon.rules",
		},
		"refused by hand": {
			look:   pcscLook{err: pcsc.ErrRefused, installed: true},
			fact:   "polkit",
			cure:   "sudo",
			unseen: true,
		},
		"version": {
			look: pcscLook{err: fmt.Errorf("%w: 4.9", pcsc.ErrVersion), installed: true},
			fact: "4.9",
			cure: "Debian 12 or 13",
		},
		"silent": {
			look: pcscLook{err: pcsc.ErrSilent, installed: true},
			fact: "does not answer",
			cure: "restart pcscd",
		},
		"no reader": {
			look: pcscLook{prefix: "ACS", installed: true},
			fact: "no reader",
			cure: "libccid",
		},
		"another reader": {
			look: pcscLook{prefix: "ACS", readers: []string{"Other 00 00"}},
			fact: "it has: Other 00 00",
			cure: "reader: port:",
		},
		"kernel's module": {
			look: pcscLook{prefix: "ACS", readers: []string{"Other 00 00"}, kernel: true},
			fact: "pn533_usb",
			cure: "modprobe -r pn533_usb",
		},
	} {
		f := x.look.fault()
		switch {
		case f == nil && x.fact == "":
		case f == nil || x.fact == "":
			t.Errorf("%s: %+v", name, f)
		case !strings.Contains(f.Fact.EN, x.fact) || !strings.Contains(f.Cure.EN, x.cure) ||
			f.Fact.FR == "" || f.Cure.FR == "" || f.Unseen != x.unseen:
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// A reader may be plugged in later, so a machine without its reader starts and reports the missing reader.
func TestMissingPCSCReaderCausesAWarningOnly(t *testing.T) {
	b := newBench(t)
	root := t.TempDir()
	b.on.Root = os.DirFS(root)
	b.on.PCSC = func() ([]string, error) { return nil, pcsc.ErrNoService }
	if found := b.c.Check(b.on); found.PCSC != nil {
		t.Errorf("a machine without a PC/SC reader: %+v", found.PCSC)
	}
	b.c.Reader = ReaderConfig{Kind: "pcsc"}
	notes := func() string { // compare only the notes about the reader, because this root has no files of a Pi
		return strings.Join(slices.DeleteFunc(b.c.Check(b.on).Notes(),
			func(n string) bool { return !strings.HasPrefix(n, "reader:") }), "\n")
	}
	want := "reader: pcscd is not installed: no PC/SC reader can work: sudo apt install pcscd libccid"
	if found := b.c.Check(b.on); found.Err() != nil || notes() != want {
		t.Errorf("%v, %q", found.Err(), notes())
	}
	for _, file := range []string{"usr/sbin/pcscd", "sys/module/pn533_usb/refcnt"} {
		os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755)
		os.WriteFile(filepath.Join(root, file), nil, 0o755)
	}
	if !strings.Contains(notes(), "pcscd.socket") {
		t.Error(notes())
	}
	b.on.PCSC = func() ([]string, error) { return nil, nil }
	if !strings.Contains(notes(), "pn533_usb") {
		t.Error(notes())
	}
	b.on.PCSC = func() ([]string, error) { return []string{"ACS ACR122U 00 00"}, nil }
	if notes() != "" {
		t.Error(notes())
	}
}

func TestPCSCReaderIsValidWithoutAPort(t *testing.T) {
	for reader, want := range map[string]rfid.Values{
		`{ kind: pcsc }`: {},
		`{ kind: pcsc, port: "ACS ACR122U", mode: slot }`: {"port": "ACS ACR122U", "mode": "slot"},
	} {
		c, err := readerOf(t, reader)
		if err != nil || c.Reader.Kind != "pcsc" || !maps.Equal(c.Reader.Values, want) {
			t.Errorf("%s: %+v, %v", reader, c.Reader, err)
		}
	}
	_, err := readerOf(t, `{ kind: pcsc, irq: "gpio:pinctrl-/25" }`)
	if err == nil || !strings.Contains(err.Error(), "irq") {
		t.Error(err)
	}
}

// readerOf parses a machine.yaml with this reader section.
func readerOf(t *testing.T, reader string) (Config, error) {
	t.Helper()
	b, err := os.ReadFile("../../../firmware-config/usb-reader-relay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "reader:") {
			lines[i] = "reader: " + reader
		}
	}
	path := filepath.Join(t.TempDir(), "machine.yaml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadConfig(path)
}

// The driver reports an unplugged PC/SC reader as an error of Poll (ErrNoReader). The acceptance test therefore
// includes unplugging a PC/SC reader.
func TestReaderTellsIsTrueForKindsWhoseUnpluggingIsDetected(t *testing.T) {
	for kind, want := range map[string]bool{"keyboard": true, "pn532": true, "mfrc522": true, "pcsc": true,
		"wiegand": false, "rdm6300": false, "none": false} {
		if got := (ReaderConfig{Kind: kind}).ReaderTells(); got != want {
			t.Errorf("%s: %t, want %t", kind, got, want)
		}
	}
}
