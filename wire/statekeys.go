package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// StateKeys contains short values by which people compare the keys of a machine, and the free space of the machine's
// disk. Older machines do not send StateKeys.
type StateKeys struct {
	MachineKey string `json:"machine_key,omitempty"`  // Fingerprint of the key that signs the machine's records
	HubKey     string `json:"hub_key,omitempty"`      // Fingerprint of the key that verifies acknowledgements and commands
	BundleKey  string `json:"bundle_key,omitempty"`   // Fingerprint of the key that verifies bundles
	PolicyKey  string `json:"policy_key,omitempty"`   // Fingerprint of the separate policy key; absent: none
	CardKey    string `json:"card_key,omitempty"`     // check value of the bundle's card key
	OldCardKey string `json:"old_card_key,omitempty"` // check value of the previous card key; absent: none
	// DiskFree is the free space on the disk of the data folder, in MB (10^6 bytes); absent: unknown. The value is
	// rounded, so that the state changes rarely.
	DiskFree int64 `json:"disk_free_mb,omitempty"`
}

var shortHex = regexp.MustCompile(`^[0-9a-f]{8,16}$`)

// bounded returns k without malformed values.
func (k StateKeys) bounded() StateKeys {
	for _, s := range []*string{&k.MachineKey, &k.HubKey, &k.BundleKey, &k.PolicyKey, &k.CardKey, &k.OldCardKey} {
		if !shortHex.MatchString(*s) {
			*s = ""
		}
	}
	k.DiskFree = max(0, k.DiskFree)
	return k
}

// Fingerprint returns the value by which people compare a key: the first 16 hexadecimal digits of its SHA-256. vkey is
// a verifier key, name+hash+key. The fingerprint of an empty vkey is empty.
func Fingerprint(vkey string) string {
	if vkey == "" {
		return ""
	}
	key := vkey
	if parts := strings.SplitN(vkey, "+", 3); len(parts) == 3 {
		if b, err := base64.StdEncoding.DecodeString(parts[2]); err == nil {
			key = string(b)
		}
	}
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:8])
}
