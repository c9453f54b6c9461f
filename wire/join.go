package wire

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// The machines' listener of a hub speaks HTTPS below JoinPath. A machine that joins reads HubIdentity, compares it with
// its code, and only then opens a connection that trusts the hub's authority alone and sends the secret.
//
//	GET  site                → HubIdentity; anybody may read it
//	POST code   CodeAsk      → CodeAnswer; nothing changes
//	POST join   JoinAsk      → JoinAnswer; the code is used up
//	POST renew  signed Renew → Renewed; by proof of the machine's key, also with an expired certificate
//	GET  time?nonce=…        → signed HubTime
//	GET  manifest, chunks/HASH, credentials/HASH; with the machine's certificate, for they hold names
//	GET  card-keys           → CardKeys; with the machine's certificate
//	POST returned/manifest, returned/policy: what the machine works from, where the hub offers something older (it was
//	     restored from a backup); a signed manifest, then a policy file (PolicyFile) with the policy that it names; with
//	     the machine's certificate
const JoinPath = "/machine/v1/"

// ChannelLabel is the label of the keying material (RFC 8446 §7.5) that a JoinAsk and a Renew are bound to: what was
// signed for one connection is worth nothing on another.
const ChannelLabel = "EXPORTER-portillon-machine"

const (
	// MaxJoin bounds any message of the machines' listener but manifest and chunks, in bytes.
	MaxJoin = 64 << 10
	// ChannelSize is the size of the keying material, in bytes.
	ChannelSize = 32
	// MaxReturnedPolicy bounds a policy file that a machine returns, in bytes: a text, the issuers' documents (a chunk of
	// at most 32 MB) and members' bindings.
	MaxReturnedPolicy = 48 << 20
	// MaxNonce bounds the nonce of a HubTime, in bytes.
	MaxNonce = 64
)

// HubIdentity is a hub's description of itself, which the reader must verify.
type HubIdentity struct {
	Pins
	Name   string `json:"name"`             // in the hub's certificate
	Broker string `json:"broker,omitempty"` // ssl://hub.local:8883; a host of its own is dialled at the hub's address
	Format int    `json:"format"`
}

// CodeAsk asks which machine a code is for.
type CodeAsk struct {
	Secret string `json:"secret"` // 50 bits in hexadecimal
}

// CodeAnswer is the machine that a code is for.
type CodeAnswer struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Replace bool             `json:"replace,omitempty"` // the machine was there before, and begins a new journal
}

// JoinAsk brings a machine in: Signed is a Join, signed with the private half of Key.
type JoinAsk struct {
	Secret string `json:"secret"`
	Key    string `json:"key"` // the verifier key of the machine's checkpoints
	Signed []byte `json:"signed"`
}

// Join is the request of a machine that joins, signed with its new key.
type Join struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Channel string           `json:"channel"` // keying material of the connection, in hexadecimal
	TLSKey  []byte           `json:"tls_key"` // the public key for its certificate, PKIX DER
	Program string           `json:"program,omitempty"`
	Replace bool             `json:"replace,omitempty"`
}

// JoinAnswer is what a machine gets once.
type JoinAnswer struct {
	Site        policy.SiteID    `json:"site"`
	Machine     policy.MachineID `json:"machine"`
	Certificate []byte           `json:"certificate"` // DER
	// Authority signed Certificate (DER). It is empty if it is the authority that the machine pins. It differs if the site
	// has a certificate of its own for the hub. It verifies nothing else. Absent: the pinned one signed it.
	Authority []byte `json:"authority,omitempty"`
	Broker    string `json:"broker"`
	Username  string `json:"username"`
	Password  string `json:"password"`
	CardKey   string `json:"card_key"` // hexadecimal
}

// Renew asks for another certificate. It is signed with the machine's key.
type Renew struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Channel string           `json:"channel"`
	TLSKey  []byte           `json:"tls_key"`
}

// RenewAsk carries a Renew: the hub must know the machine before it can check the signature.
type RenewAsk struct {
	Machine policy.MachineID `json:"machine"`
	Signed  []byte           `json:"signed"`
}

// Renewed is another certificate.
type Renewed struct {
	Certificate []byte `json:"certificate"` // DER
}

// HubTime is the time by the hub's clock, signed with the hub's key. Nonce is the asker's.
type HubTime struct {
	Site  policy.SiteID `json:"site"`
	Nonce string        `json:"nonce"`
	Time  time.Time     `json:"time"`
}

const (
	kindJoin  = "portillon join"
	kindRenew = "portillon renew"
	kindTime  = "portillon time"
)

// SecretText is a code's secret as it travels.
func (c JoinCode) SecretText() string { return fmt.Sprintf("%013x", c.Secret) }

// SignJoin signs j with the machine's key.
func SignJoin(j Join, s note.Signer) ([]byte, error) { return sign(kindJoin, j, s) }

// OpenJoin checks the signature, and that the message was made for this connection.
func OpenJoin(data []byte, key note.Verifier, channel []byte) (Join, error) {
	var j Join
	if err := open(kindJoin, data, note.VerifierList(key), &j); err != nil {
		return Join{}, fmt.Errorf("join: %w", err)
	}
	return j, checkChannel("join", j.Channel, channel)
}

// SignRenew signs r with the machine's key.
func SignRenew(r Renew, s note.Signer) ([]byte, error) { return sign(kindRenew, r, s) }

// OpenRenew checks the signature, the address, and that the message was made for this connection.
func OpenRenew(data []byte, key note.Verifier, site policy.SiteID, m policy.MachineID, channel []byte) (Renew, error) {
	var r Renew
	if err := open(kindRenew, data, note.VerifierList(key), &r); err != nil {
		return Renew{}, fmt.Errorf("renew: %w", err)
	}
	if r.Site != site || r.Machine != m {
		return Renew{}, fmt.Errorf("renew: for %.64s/%.64s, not %s/%s", r.Site, r.Machine, site, m)
	}
	return r, checkChannel("renew", r.Channel, channel)
}

func checkChannel(what, got string, channel []byte) error {
	if len(channel) != ChannelSize || got != hex.EncodeToString(channel) {
		return fmt.Errorf("%s: the message was signed for another connection", what)
	}
	return nil
}

// SignTime signs t with the hub's key.
func SignTime(t HubTime, s note.Signer) ([]byte, error) { return sign(kindTime, t, s) }

// OpenTime checks the hub's signature, and that the time is the answer to the nonce.
func OpenTime(data []byte, keys note.Verifiers, site policy.SiteID, nonce string) (time.Time, error) {
	var t HubTime
	if err := open(kindTime, data, keys, &t); err != nil {
		return time.Time{}, fmt.Errorf("hub time: %w", err)
	}
	if t.Site != site || nonce == "" || t.Nonce != nonce || t.Time.IsZero() {
		return time.Time{}, errors.New("hub time: the answer is of another site or to another question")
	}
	return t.Time, nil
}

// VerifyHub checks a hub's certificates against the pinned authority, by name. Where the clock is not trusted, dates do
// not count: the time of the check is then the first one at which all certificates were valid.
func VerifyHub(chain []*x509.Certificate, ca *x509.Certificate, name string, now time.Time, trusted bool) error {
	if len(chain) == 0 || ca == nil || name == "" {
		return errors.New("the hub shows no certificate")
	}
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ca)
	first := ca.NotBefore
	for i, c := range chain {
		if i > 0 {
			others.AddCert(c)
		}
		if c.NotBefore.After(first) {
			first = c.NotBefore
		}
	}
	if !trusted {
		now = first
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: others, DNSName: name, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if err != nil {
		return fmt.Errorf("the hub's certificate: %w", err)
	}
	return nil
}
