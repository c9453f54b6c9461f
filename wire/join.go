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

// The hub's listener for machines serves HTTPS below JoinPath. A machine that joins reads the HubIdentity, and compares
// it with the code that a person has typed. Only if they match, the machine opens a connection that trusts only the
// hub's authority, and sends the code's secret.
//
//	GET  site                → HubIdentity; readable without authentication
//	POST code   CodeAsk      → CodeAnswer; changes nothing
//	POST join   JoinAsk      → JoinAnswer; the code is used up
//	POST renew  signed Renew → Renewed; authenticated by the machine's key, also with an expired certificate
//	GET  time?nonce=…        → signed HubTime
//	GET  manifest, chunks/HASH, credentials/HASH; need the machine's certificate, because they contain names
//	GET  card-keys           → CardKeys; needs the machine's certificate
//	POST returned/manifest, returned/policy: the machine's current bundle, sent to a hub that offers an older one
//	     because the hub was restored from a backup: a signed manifest, then a policy file (PolicyFile) with the
//	     policy that the manifest names; needs the machine's certificate
const JoinPath = "/machine/v1/"

// ChannelLabel is the label of the keying material (RFC 8446 §7.5) that binds a JoinAsk or a Renew to one connection.
// Thus a message that was signed for one connection is invalid on another connection.
const ChannelLabel = "EXPORTER-portillon-machine"

const (
	// MaxJoin is the largest size in bytes of a message at the hub's listener for machines. It does not apply to the
	// manifest and to chunks.
	MaxJoin = 64 << 10
	// ChannelSize is the size of the keying material, in bytes.
	ChannelSize = 32
	// MaxReturnedPolicy is the largest size of a policy file that a machine returns, in bytes: the policy's text, the
	// issuers' documents (a chunk of at most 32 MB) and members' bindings.
	MaxReturnedPolicy = 48 << 20
	// MaxNonce is the largest size of the nonce of a HubTime, in bytes.
	MaxNonce = 64
)

// HubIdentity is what the hub says about itself, and what the machine reads before it has authenticated the hub.
type HubIdentity struct {
	Pins
	Name string `json:"name"` // name that the hub's certificate contains
	// Address of the broker, such as ssl://hub.local:8883; if it has another host name, the machine dials the hub's
	// address.
	Broker string `json:"broker,omitempty"`
	Format int    `json:"format"`
}

// CodeAsk asks for which machine a code was created.
type CodeAsk struct {
	Secret string `json:"secret"` // the code's secret: 50 bits in hexadecimal
}

// CodeAnswer names the machine for which a code was created.
type CodeAnswer struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	// True if the machine was enrolled before, and starts a new journal.
	Replace bool `json:"replace,omitempty"`
}

// JoinAsk is a request to enrol a machine at the hub. Signed is a Join, signed with the private half of Key.
type JoinAsk struct {
	Secret string `json:"secret"`
	Key    string `json:"key"` // verifier key that verifies the machine's checkpoints
	Signed []byte `json:"signed"`
}

// Join is what a joining machine says about itself, signed with the machine's new key.
type Join struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Channel string           `json:"channel"` // keying material of this connection, in hexadecimal
	TLSKey  []byte           `json:"tls_key"` // public key of the machine's certificate, as PKIX DER
	Program string           `json:"program,omitempty"`
	Replace bool             `json:"replace,omitempty"`
}

// JoinAnswer is the hub's answer to a JoinAsk. A machine receives it only once.
type JoinAnswer struct {
	Site        policy.SiteID    `json:"site"`
	Machine     policy.MachineID `json:"machine"`
	Certificate []byte           `json:"certificate"` // client certificate of the machine, as DER
	// Authority is the certificate (DER) of the authority that signed Certificate. It is set only if this is not the
	// authority that the machine pins, because the hub then uses a certificate of the site. The machine uses Authority
	// only to verify Certificate. If Authority is absent, the pinned authority signed Certificate.
	Authority []byte `json:"authority,omitempty"`
	Broker    string `json:"broker"`
	Username  string `json:"username"`
	Password  string `json:"password"`
	CardKey   string `json:"card_key"` // the site's card key in hexadecimal
}

// Renew asks for a new certificate, and is signed with the machine's key.
type Renew struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Channel string           `json:"channel"`
	TLSKey  []byte           `json:"tls_key"`
}

// RenewAsk contains a signed Renew. By the field Machine, the hub finds the key that verifies the signature.
type RenewAsk struct {
	Machine policy.MachineID `json:"machine"`
	Signed  []byte           `json:"signed"`
}

// Renewed is the answer to a RenewAsk.
type Renewed struct {
	Certificate []byte `json:"certificate"` // new client certificate of the machine, as DER
}

// HubTime is the hub's time, signed with the hub's key. Nonce is the nonce that the request contained.
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

// SecretText returns the code's secret in hexadecimal, which JoinAsk and CodeAsk contain.
func (c JoinCode) SecretText() string { return fmt.Sprintf("%013x", c.Secret) }

// SignJoin signs j with the machine's key.
func SignJoin(j Join, s note.Signer) ([]byte, error) { return sign(kindJoin, j, s) }

// OpenJoin verifies the signature, and that the machine signed the message for this connection.
func OpenJoin(data []byte, key note.Verifier, channel []byte) (Join, error) {
	var j Join
	if err := open(kindJoin, data, note.VerifierList(key), &j); err != nil {
		return Join{}, fmt.Errorf("join: %w", err)
	}
	return j, checkChannel("join", j.Channel, channel)
}

// SignRenew signs r with the machine's key.
func SignRenew(r Renew, s note.Signer) ([]byte, error) { return sign(kindRenew, r, s) }

// OpenRenew verifies the signature, the site and the machine, and that the machine signed the message for this
// connection.
func OpenRenew(data []byte, key note.Verifier, site policy.SiteID, m policy.MachineID, channel []byte) (Renew, error) {
	var r Renew
	if err := open(kindRenew, data, note.VerifierList(key), &r); err != nil {
		return Renew{}, fmt.Errorf("renew: %w", err)
	}
	if r.Site != site || r.Machine != m {
		return Renew{}, fmt.Errorf("renew: message is for %.64s/%.64s, want %s/%s", r.Site, r.Machine, site, m)
	}
	return r, checkChannel("renew", r.Channel, channel)
}

// checkChannel returns an error unless got is the keying material of this connection, in hexadecimal.
func checkChannel(what, got string, channel []byte) error {
	if len(channel) != ChannelSize || got != hex.EncodeToString(channel) {
		return fmt.Errorf("%s: message was signed for another connection", what)
	}
	return nil
}

// SignTime signs t with the hub's key.
func SignTime(t HubTime, s note.Signer) ([]byte, error) { return sign(kindTime, t, s) }

// OpenTime verifies the hub's signature, and that the answer contains the nonce of the request.
func OpenTime(data []byte, keys note.Verifiers, site policy.SiteID, nonce string) (time.Time, error) {
	var t HubTime
	if err := open(kindTime, data, keys, &t); err != nil {
		return time.Time{}, fmt.Errorf("hub time: %w", err)
	}
	if t.Site != site || nonce == "" || t.Nonce != nonce || t.Time.IsZero() {
		return time.Time{}, errors.New("hub time: answer has another site or another nonce")
	}
	return t.Time, nil
}

// VerifyHub verifies that the pinned authority signed a hub's certificate chain, and that the certificate contains the
// name. If the machine's clock is not trusted, VerifyHub does not check the expiry: it verifies the chain at the first
// time at which all its certificates were valid.
func VerifyHub(chain []*x509.Certificate, ca *x509.Certificate, name string, now time.Time, trusted bool) error {
	if len(chain) == 0 || ca == nil || name == "" {
		return errors.New("hub sent no certificate")
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
		return fmt.Errorf("verify the hub's certificate: %w", err)
	}
	return nil
}
