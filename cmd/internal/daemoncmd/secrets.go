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

// credential is the prefix of a secret that systemd provides (systemd.exec(5), LoadCredential=). In machine.yaml,
// credential:NAME replaces a file name.
const credential = "credential:"

// credstore is the folder from which systemd loads the unit's credentials. Only root can read this folder.
const credstore = "/etc/credstore"

// errUnseen is the error for a secret that this user has no permission to read. Another user, such as root or the
// daemon's user, may be able to read the secret.
var errUnseen = errors.New("only root can read the file, run the check with sudo")

// secrets finds the secrets that a machine.yaml names.
type secrets struct {
	unit     string // folder named by $CREDENTIALS_DIRECTORY; empty outside of a unit
	store    string // outside of a unit, the folder from which systemd loads credentials; empty: not examined
	instance string // name of the unit's instance (%i)
}

func (c Config) secrets() secrets {
	return secrets{unit: os.Getenv("CREDENTIALS_DIRECTORY"), instance: c.instance}
}

// file returns the name of a credential in the store (systemd/portillond@.service: LoadCredential=).
func (s secrets) file(name string) string {
	if name == "card-key" || name == "aes-key" { // keys of the site, shared by all machines on this computer
		return "portillon." + name
	}
	return "portillon." + s.instance + "." + name
}

// path returns the path of the file that a field of machine.yaml names.
func (s secrets) path(field, named string) (string, error) {
	name, ok := strings.CutPrefix(named, credential)
	switch {
	case !ok:
		return named, nil
	case name == "" || name == "." || name == ".." || name != filepath.Base(name):
		return "", fmt.Errorf("%s: %q is not a credential of the units, which have credential:card-key, "+
			"machine-key, mqtt-password and aes-key", field, named)
	case s.unit != "":
		return filepath.Join(s.unit, name), nil
	case s.store != "":
		return filepath.Join(s.store, s.file(name)), nil
	}
	return "", fmt.Errorf("%s: %s is for a daemon that systemd starts (LoadCredential= in its unit): systemctl start "+
		"portillond@%s", field, named, s.instance)
}

// read reads a secret. If a credential is missing, the error names the file to install.
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
		return "", fmt.Errorf("%s: %s is missing, put the file into %s with owner root and mode 0600", field, named,
			filepath.Join(credstore, s.file(name)))
	}
	return "", fmt.Errorf("%s: %s: %w", field, named, err)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// keys contains the keys that the daemon has read from the key files.
type keys struct {
	card   []byte
	given  [][]byte // card keys that the hub has sent; empty: the machine uses the key in the field card
	signer note.Signer
	bundle note.Verifiers
	hub    note.Verifiers
	policy note.Verifiers // verifies the policy; nil: no separate policy key
	strong rfid.Prove     // checks the proof that a card has the AES key; nil: this machine uses no AES cards
}

// readKeys reads all keys, and returns an error for each key that cannot be used.
func (c Config) readKeys(s secrets) (k keys, errs []error) {
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var card, machine, aes string
	var err error
	k.card, card, err = c.readCardKey(s)
	fail(err)
	if k.given, err = c.givenCardKeys(); err != nil {
		k.given = nil // ignore the error: the daemon also starts without the stored keys, and the hub sends the keys again
	}
	k.signer, machine, err = c.readMachineKey(s)
	fail(err)
	k.bundle, err = verifier("bundle: key", c.Bundle.Key)
	fail(err)
	if c.PolicyApart() {
		k.policy, err = verifier("policy-key", c.PolicyKey)
		fail(err)
	}
	if c.Reader.AESKey() != "" {
		k.strong, err = c.proofVerifier(s)
		fail(err)
		aes, _ = s.read("reader: aes-key", c.Reader.AESKey())
	}
	if c.MQTT.Broker != "" {
		k.hub, err = verifier("mqtt: hub-key", c.MQTT.HubKey)
		fail(err)
	}
	return k, append(errs, c.requireDifferent(machine, card, aes)...)
}

// readCardKey reads the site's card key. If the file cannot be read, the result text is empty.
func (c Config) readCardKey(s secrets) (key []byte, text string, err error) {
	if text, err = s.read("card-key", c.CardKey); err != nil {
		return nil, text, err
	}
	if err = c.requireKind("card-key", c.CardKey, text); err != nil {
		return nil, text, err
	}
	if key, err = hex.DecodeString(text); err != nil || len(key) < 16 {
		return key, text, fmt.Errorf("card-key: %s is not a card key, want at least 32 hexadecimal digits on one line",
			c.CardKey)
	}
	return key, text, nil
}

// readMachineKey reads the machine's own key. The result text is empty if the file cannot be read.
func (c Config) readMachineKey(s secrets) (signer note.Signer, text string, err error) {
	if text, err = s.read("machine-key", c.MachineKey); err != nil {
		return nil, text, err
	}
	if err = c.requireKind("machine-key", c.MachineKey, text); err != nil {
		return nil, text, err
	}
	if signer, err = note.NewSigner(text); err != nil {
		return nil, text, fmt.Errorf("machine-key: %s is not a signing key, want one line that begins with PRIVATE+KEY+",
			c.MachineKey)
	}
	return signer, text, nil
}

// verifier parses a public key from machine.yaml.
func verifier(field, key string) (note.Verifiers, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("%s: value is not a public key, want the line that bundle keygen printed", field)
	}
	return note.VerifierList(v), nil
}

// proofVerifier returns the function that checks a card's proof that the card has the site's AES key.
func (c Config) proofVerifier(s secrets) (rfid.Prove, error) {
	text, err := s.read("reader: aes-key", c.Reader.AESKey())
	if err != nil {
		return nil, err
	}
	if err := c.requireKind("reader: aes-key", c.Reader.AESKey(), text); err != nil {
		return nil, err
	}
	key, err := strong.ParseKey([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reader: aes-key: file %s is not a valid AES key: %w", c.Reader.AESKey(), err)
	}
	return strong.Site{Key: key}.Prove, nil
}
