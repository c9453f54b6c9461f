package hublink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// Identity asks a hub for its identity over an unverified connection, so the caller must confirm the answer by a code
// or by pinned files. The request contains nothing secret.
func Identity(ctx context.Context, d Dial, address string) (wire.HubIdentity, error) {
	var id wire.HubIdentity
	c, err := connect(ctx, dialer(d), address, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true})
	if err != nil {
		return id, fmt.Errorf("hub %s: %w", address, err)
	}
	defer c.close()
	b, err := c.get(ctx, "site", wire.MaxJoin)
	if err != nil {
		return id, fmt.Errorf("hub %s: %w", address, err)
	}
	if err := wire.Decode(b, &id); err != nil {
		return id, fmt.Errorf("hub %s: %w", address, err)
	}
	return id, nil
}

// Begin returns ErrOtherHub if the hub at this address did not create the code.
var ErrOtherHub = errors.New(
	"this is not the hub that made the code: its certificate authority, policy key or hub key is another one. Nothing " +
		"was sent to it",
)

// Joining is a machine that is joining a site, with its connection to the hub.
type Joining struct {
	Identity wire.HubIdentity
	Code     wire.CodeAnswer
	CA       *x509.Certificate

	conn   *conn
	secret string
}

// Begin connects to the hub that created a code, and asks the hub for which machine the code is. Before Begin sends the
// code's secret, it compares the hub's keys with the code and verifies the hub's certificate.
func Begin(ctx context.Context, d Dial, address string, code wire.JoinCode) (_ *Joining, err error) {
	id, err := Identity(ctx, d, address)
	if err != nil {
		return nil, err
	}
	if id.Pins.Hash() != code.Pins {
		return nil, ErrOtherHub
	}
	ca, err := x509.ParseCertificate(id.CA)
	if err != nil {
		return nil, fmt.Errorf("hub %s: certificate of the hub's authority is invalid: %w", address, err)
	}
	// Verify the certificate without its dates, because the clock of a new computer may be wrong.
	p := Peer{Address: address, Name: id.Name, CA: ca, Now: time.Now, Trusted: func() bool { return false }, Dial: d}
	j := &Joining{Identity: id, CA: ca, secret: code.SecretText()}
	if j.conn, err = p.connect(ctx); err != nil {
		return nil, fmt.Errorf("hub %s: %w", address, err)
	}
	if err := j.conn.post(ctx, "code", wire.CodeAsk{Secret: j.secret}, &j.Code); err != nil {
		j.conn.close()
		return nil, err
	}
	if j.Code.Site != id.Site {
		j.conn.close()
		return nil, fmt.Errorf("hub belongs to site %.64q, want %.64q", j.Code.Site, id.Site)
	}
	return j, nil
}

// Close ends the connection.
func (j *Joining) Close() { j.conn.close() }

// Join sends the machine's public keys with the code to the hub, which enrols the machine. The argument signer is the
// machine's new private key, public is the public half, and tlsKey is the public key for the machine's certificate
// (PKIX DER).
func (j *Joining) Join(
	ctx context.Context,
	signer note.Signer,
	public string,
	tlsKey []byte,
	program string,
) (wire.JoinAnswer, error) {
	var out wire.JoinAnswer
	channel, err := j.conn.channel()
	if err != nil {
		return out, err
	}
	signed, err := wire.SignJoin(
		wire.Join{Site: j.Code.Site, Machine: j.Code.Machine, Channel: hex.EncodeToString(channel),
			TLSKey: tlsKey, Program: program, Replace: j.Code.Replace},
		signer,
	)
	if err != nil {
		return out, err
	}
	if err := j.conn.post(ctx, "join", wire.JoinAsk{Secret: j.secret, Key: public, Signed: signed}, &out); err != nil {
		return out, err
	}
	if out.Site != j.Code.Site || out.Machine != j.Code.Machine {
		return out, fmt.Errorf(
			"hub's answer is for machine %.64s/%.64s, want %s/%s",
			out.Site,
			out.Machine,
			j.Code.Site,
			j.Code.Machine,
		)
	}
	return out, nil
}
