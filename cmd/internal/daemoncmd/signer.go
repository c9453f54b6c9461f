package daemoncmd

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
)

// KeyFile returns the path of a key that machine.yaml names. The argument store is the folder from which systemd loads
// credentials.
func (c Config) KeyFile(store, named string) (string, error) {
	return secrets{store: store, instance: c.instance}.path("key", named)
}

// Signer returns the machine's signing key and its public half, for a command outside the systemd unit.
func (c Config) Signer(store string) (note.Signer, string, error) {
	path, err := c.KeyFile(store, c.MachineKey)
	if err != nil {
		return nil, "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	if err := c.requireKind("machine-key", path, string(b)); err != nil {
		return nil, "", err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, "", fmt.Errorf("machine-key: %s is not a signing key, want one line that begins with PRIVATE+KEY+",
			path)
	}
	public, err := keykind.PublicHalf(string(b))
	return s, public, err
}
