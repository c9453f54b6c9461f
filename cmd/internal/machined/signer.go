package machined

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// KeyFile is the file of a key that machine.yaml names, where store is the folder that systemd takes credentials from.
func (c Config) KeyFile(store, named string) (string, error) {
	return secrets{store: store, instance: c.instance}.path("key", named)
}

// Signer is the machine's own key and its public half, read from its file by hand: outside of the unit.
func (c Config) Signer(store string) (note.Signer, string, error) {
	path, err := c.KeyFile(store, c.MachineKey)
	if err != nil {
		return nil, "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, "", fmt.Errorf("machine-key: %s is no signing key, want one line that begins with PRIVATE+KEY+",
			path)
	}
	public, err := publicHalf(strings.TrimSpace(string(b)))
	return s, public, err
}

// publicHalf is the verifier key of a signing key (golang.org/x/mod/sumdb/note: PRIVATE+KEY+name+hash+base64 of the
// algorithm, 1 for
// Ed25519, and the seed).
func publicHalf(private string) (string, error) {
	f := strings.SplitN(private, "+", 5)
	if len(f) != 5 {
		return "", fmt.Errorf("machine-key: %d fields, want 5", len(f))
	}
	b, err := base64.StdEncoding.DecodeString(f[4])
	if err != nil || len(b) != 1+ed25519.SeedSize || b[0] != 1 {
		return "", fmt.Errorf("machine-key: no Ed25519 key")
	}
	return note.NewEd25519VerifierKey(f[2], ed25519.NewKeyFromSeed(b[1:]).Public().(ed25519.PublicKey))
}

// ReaderTells reports whether the daemon notices that this kind of reader is unplugged: it asks the chip, or the
// kernel takes the device
// away. A Wiegand reader or an RDM6300 that is unplugged only stays silent.
func (c ReaderConfig) ReaderTells() bool {
	return c.Kind == "keyboard" || c.Kind == "pn532" || c.Kind == "mfrc522" || c.Kind == "pcsc"
}
