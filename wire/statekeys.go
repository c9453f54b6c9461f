package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// StateKeys says which keys a machine works with, as short values that people compare, and how much room its disk has.
// An older machine reports none of them.
type StateKeys struct {
	MachineKey string `json:"machine_key,omitempty"`  // Fingerprint of the key that signs its records
	HubKey     string `json:"hub_key,omitempty"`      // of the key that it believes acknowledgements and commands by
	BundleKey  string `json:"bundle_key,omitempty"`   // of the key that it believes bundles by
	PolicyKey  string `json:"policy_key,omitempty"`   // of the policy key that it pins apart; absent: none
	CardKey    string `json:"card_key,omitempty"`     // check value of the card key that its bundle was built with
	OldCardKey string `json:"old_card_key,omitempty"` // of the card key that it holds beside; absent: none
	// DiskFree is how much of its data folder's disk is free, in MB (10^6 bytes); absent: not known. It is rounded, so
	// that a state does not change all the time.
	DiskFree int64 `json:"disk_free_mb,omitempty"`
}

var shortHex = regexp.MustCompile(`^[0-9a-f]{8,16}$`)

// bounded leaves out what is no short value.
func (k StateKeys) bounded() StateKeys {
	for _, s := range []*string{&k.MachineKey, &k.HubKey, &k.BundleKey, &k.PolicyKey, &k.CardKey, &k.OldCardKey} {
		if !shortHex.MatchString(*s) {
			*s = ""
		}
	}
	k.DiskFree = max(0, k.DiskFree)
	return k
}

// Fingerprint is how people compare a key: the first 16 hexadecimal digits of its SHA-256. vkey is a verifier key,
// name+hash+key; empty for none.
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
