package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// StateKeys contains short values by which people compare the keys of machines, and the free space of the machine's
// disk. Older machines do not send these values.
type StateKeys struct {
	MachineKey string `json:"machine_key,omitempty"` // the Fingerprint of the key that signs the machine's records
	// The Fingerprint of the key that verifies acknowledgements and commands.
	HubKey    string `json:"hub_key,omitempty"`
	BundleKey string `json:"bundle_key,omitempty"` // the Fingerprint of the key that verifies bundles
	// The Fingerprint of the separate policy key; absent: the machine pins none.
	PolicyKey  string `json:"policy_key,omitempty"`
	CardKey    string `json:"card_key,omitempty"`     // check value of the card key of the bundle in use
	OldCardKey string `json:"old_card_key,omitempty"` // check value of the previous card key; absent: the machine has none
	// DiskFree is the free space in MB (10^6 bytes) on the disk that contains the data folder; absent: unknown. DiskFree
	// is rounded, so that the state does not change often.
	DiskFree int64 `json:"disk_free_mb,omitempty"`
}

var shortHex = regexp.MustCompile(`^[0-9a-f]{8,16}$`)

// bounded returns k without the values that are malformed.
func (k StateKeys) bounded() StateKeys {
	for _, s := range []*string{&k.MachineKey, &k.HubKey, &k.BundleKey, &k.PolicyKey, &k.CardKey, &k.OldCardKey} {
		if !shortHex.MatchString(*s) {
			*s = ""
		}
	}
	k.DiskFree = max(0, k.DiskFree)
	return k
}

// Fingerprint returns the value by which people compare a key: the first 16 hexadecimal digits of the key's SHA-256.
// vkey is a verifier key in the form name+hash+key. If vkey is empty, the fingerprint is empty too.
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
