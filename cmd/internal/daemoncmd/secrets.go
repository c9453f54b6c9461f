package daemoncmd

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/rfid"
	"portillon/rfid/strong"
)

// credential begins the name of a secret that systemd hands over (systemd.exec(5), LoadCredential=), in place of a
// file's.
const credential = "credential:"

// credstore is where the unit has systemd look for what it hands over: root's alone.
const credstore = "/etc/credstore"

// errUnseen is a secret that cannot be seen from here, and may be well.
var errUnseen = errors.New("it is root's alone: it is looked at when the unit starts, or now with sudo")

// secrets is where the secrets that a file names are looked for.
type secrets struct {
	unit     string // what systemd handed over ($CREDENTIALS_DIRECTORY); empty outside of a unit
	store    string // by hand: where systemd would take them from; empty: not looked at
	instance string // the %i of the unit
}

func (c Config) secrets() secrets {
	return secrets{unit: os.Getenv("CREDENTIALS_DIRECTORY"), instance: c.instance}
}

// file is the name in the store of what the unit hands over as this credential (systemd/portillond@.service:
// LoadCredential=).
func (s secrets) file(name string) string {
	if name == "card-key" || name == "aes-key" { // the site's, the same for every machine on this computer
		return "portillon." + name
	}
	return "portillon." + s.instance + "." + name
}

// path is the file that a field of machine.yaml names.
func (s secrets) path(field, named string) (string, error) {
	name, ok := strings.CutPrefix(named, credential)
	switch {
	case !ok:
		return named, nil
	case name == "" || name == "." || name == ".." || name != filepath.Base(name):
		return "", fmt.Errorf("%s: %q names no credential: the units know credential:card-key, machine-key, mqtt-password and aes-key", field, named)
	case s.unit != "":
		return filepath.Join(s.unit, name), nil
	case s.store != "":
		return filepath.Join(s.store, s.file(name)), nil
	}
	return "", fmt.Errorf("%s: %s is for a daemon that systemd starts (LoadCredential= in its unit): systemctl start portillond@%s", field, named, s.instance)
}

// read reads a secret. What systemd would have handed over, were it there, is named as the file to put.
func (s secrets) read(field, named string) (string, error) {
	path, err := s.path(field, named)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	name, handed := strings.CutPrefix(named, credential)
	switch {
	case err == nil:
		return strings.TrimSpace(string(b)), nil
	case !handed:
		return "", fmt.Errorf("%s: %w", field, err)
	case s.unit == "" && (errors.Is(err, fs.ErrPermission) || !there(s.store)):
		return "", fmt.Errorf("%s: %s: %w", field, filepath.Join(credstore, s.file(name)), errUnseen)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s: %s is not there: put it into %s, owner root, mode 0600", field, named, filepath.Join(credstore, s.file(name)))
	}
	return "", fmt.Errorf("%s: %s: %w", field, named, err)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keys are what the files of keys hold.
type keys struct {
	card   []byte
	given  [][]byte // the card keys that the hub gave; none: card counts
	signer note.Signer
	bundle note.Verifiers
	hub    note.Verifiers
	policy note.Verifiers // nil: the policy has no key apart
	strong rfid.Prove     // nil: no AES cards here
}

// keys reads them all, and says of each what is wrong.
func (c Config) keys(s secrets) (k keys, errs []error) {
	fail := func(err error) { errs = append(errs, err) }
	card, err := s.read("card-key", c.CardKey)
	if err != nil {
		fail(err)
	} else if err := c.fits("card-key", c.CardKey, card); err != nil {
		fail(err)
	} else if k.card, err = hex.DecodeString(card); err != nil || len(k.card) < 16 {
		fail(fmt.Errorf("card-key: %s is no card key: at least 32 hexadecimal digits on one line", c.CardKey))
	}
	if k.given, err = c.givenCardKeys(); err != nil {
		k.given = nil // the hub gives them again
	}
	machine, err := s.read("machine-key", c.MachineKey)
	if err != nil {
		fail(err)
	} else if err := c.fits("machine-key", c.MachineKey, machine); err != nil {
		fail(err)
	} else if k.signer, err = note.NewSigner(machine); err != nil {
		fail(fmt.Errorf("machine-key: %s is no signing key: one line that begins with PRIVATE+KEY+", c.MachineKey))
	}
	if k.bundle, err = verifier("bundle: key", c.Bundle.Key); err != nil {
		fail(err)
	}
	if c.PolicyApart() {
		if k.policy, err = verifier("policy-key", c.PolicyKey); err != nil {
			fail(err)
		}
	}
	aes := ""
	if c.Reader.AESKey() != "" {
		if k.strong, err = c.strong(s); err != nil {
			fail(err)
		}
		aes, _ = s.read("reader: aes-key", c.Reader.AESKey())
	}
	if c.MQTT.Broker != "" {
		if k.hub, err = verifier("mqtt: hub-key", c.MQTT.HubKey); err != nil {
			fail(err)
		}
	}
	return k, append(errs, c.differ(machine, card, aes)...)
}

func verifier(field, key string) (note.Verifiers, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("%s: this is no verifier key: the line that bundle keygen printed goes here", field)
	}
	return note.VerifierList(v), nil
}

// strong is how a card proves the site's AES key.
func (c Config) strong(s secrets) (rfid.Prove, error) {
	text, err := s.read("reader: aes-key", c.Reader.AESKey())
	if err != nil {
		return nil, err
	}
	if err := c.fits("reader: aes-key", c.Reader.AESKey(), text); err != nil {
		return nil, err
	}
	key, err := strong.ParseKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reader: aes-key: %s: %w", c.Reader.AESKey(), err)
	}
	return strong.Site{Key: key}.Prove, nil
}
