package openbadge

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
)

// Key is an issuer's signing key. Printed or logged it is its DID: only MarshalText gives its secret away.
type Key struct {
	private ed25519.PrivateKey
	note    string
}

// GenerateKey makes a key. note stands in its file for people: what the key is for.
func GenerateKey(note string) (*Key, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Key{priv, note}, nil
}

// DID is the key as a did:key, which is also the issuer's id where it has no other.
func (k *Key) DID() string { return "did:key:" + k.Multikey() }

// String is the DID.
func (k *Key) String() string { return k.DID() }

// Format prints the DID, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.DID()) }

// LogValue logs the DID.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.DID()) }

// Multikey is the public key as z6Mk….
func (k *Key) Multikey() string { return multikey(k.private.Public().(ed25519.PublicKey)) }

// method names the key in a proof of the issuer's.
func (k *Key) method(issuer string) string { return issuer + "#" + k.Multikey() }

// keyFile is a key as a file: JSON, so that a person sees what it is.
type keyFile struct {
	Note   string `json:"note,omitempty"`
	Type   string `json:"type"`
	Public string `json:"publicKeyMultibase"`
	Secret string `json:"secretKeyMultibase"`
}

// MarshalText writes the key with its secret: for a file that only its owner can read.
func (k *Key) MarshalText() ([]byte, error) {
	b, err := json.MarshalIndent(keyFile{k.note, "Multikey", k.Multikey(), "z" + encode58(append(secretPrefix[:], k.private.Seed()...))}, "", "  ")
	return append(b, '\n'), err
}

// ParseKey reads what MarshalText wrote. Its errors do not quote it.
func ParseKey(b []byte) (*Key, error) {
	var f keyFile
	if len(b) > 4096 || json.Unmarshal(b, &f) != nil || f.Type != "Multikey" {
		return nil, errors.New("this is no issuer's key: portillon badge keygen makes one")
	}
	seed, ok := decodeMultibase(f.Secret, secretPrefix, ed25519.SeedSize)
	if !ok {
		return nil, errors.New("its secretKeyMultibase is no Ed25519 key")
	}
	k := &Key{ed25519.NewKeyFromSeed(seed), f.Note}
	if k.Multikey() != f.Public {
		return nil, errors.New("its public and its secret key do not belong together")
	}
	return k, nil
}

// ReadKey reads a key file. One that others may read or change is refused, as ssh does: who has the key can make any badge.
func ReadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s: others may read this key (mode %04o): chmod 600 it", path, mode.Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k, err := ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}
