package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/enrol"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// bigSite is the folder of a hub with many members and machines, and the settings of that hub.
type bigSite struct {
	dir, config string
	c           hub.Config
	web         string // address of the hub's web pages
	issuer      *openbadge.Key
	members     int // number of members
	machines    int // number of machines
}

// newBigSite creates a hub in an empty folder; the hub listens on free ports of the loopback interface.
func newBigSite(dir string, members, machines int) (*bigSite, error) {
	made, err := hub.Create(dir, hub.NewHub{Site: site, Host: "localhost", Web: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(made.Config)
	if err != nil {
		return nil, err
	}
	b := &bigSite{dir: dir, config: made.Config, members: members, machines: machines}
	// Replace each address in the configuration by a free address.
	for _, was := range []string{"127.0.0.1:0", "0.0.0.0:8443", "0.0.0.0:8883"} {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		if text = bytes.Replace(text, []byte(was), []byte(address), 1); was == "127.0.0.1:0" {
			b.web = "http://" + address
		}
	}
	if err := os.WriteFile(made.Config, text, 0o600); err != nil {
		return nil, err
	}
	if b.c, err = hub.ReadConfig(made.Config); err != nil {
		return nil, err
	}
	b.issuer, err = openbadge.GenerateKey("bench")
	return b, err
}

// freeAddress returns a free address of the loopback interface. The address has a fixed port, because the hub must
// listen on the same port after a restart.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// benchAchievement is the achievement that a badge must have for any machine of the site.
const benchAchievement = "https://bench.example/achievements/user"

// policyText returns a policy that contains every machine. Policies with different notes have different texts, so the
// hub treats each publication as a change.
func (b *bigSite) policyText(note string) string {
	var w strings.Builder
	fmt.Fprintf(&w, "# %s\nportillon: 1\nsite: %s\nlanguage: en\ntimezone: Europe/Paris\n", note, site)
	fmt.Fprintf(&w, "issuers:\n  bench: { name: Bench, keys: [%q] }\n", b.issuer.DID())
	fmt.Fprintf(&w, "badges:\n  user: { name: User, issuer: bench, achievement: %q }\n", benchAchievement)
	fmt.Fprintf(&w, "roles: [learner, user, host, mentor, maintainer]\nmachines:\n")
	for i := range b.machines {
		fmt.Fprintf(&w, "  %s: { name: Machine %d, grants: [{ role: user, needs: user }] }\n", machineName(i), i)
	}
	return w.String()
}

// machineName returns the id of the machine with index i.
func machineName(i int) policy.MachineID { return policy.MachineID(fmt.Sprintf("mill-%04d", i)) }

// memberName returns the id of the member with index i.
func memberName(i int) policy.MemberID { return policy.MemberID(fmt.Sprintf("m-%06d", i)) }

// memberMail returns the e-mail address of the member with index i.
func memberMail(i int) string { return fmt.Sprintf("member%d@example.org", i) }

// memberSubject returns the DID of the member with index i; badges name their recipient by this DID.
func memberSubject(i int) string { return fmt.Sprintf("did:example:member-%d", i) }

// membersYAML returns a file of all members; each member has a card.
func (b *bigSite) membersYAML() []byte {
	var w bytes.Buffer
	w.WriteString("portillon: 1\nmembers:\n")
	for i := range b.members {
		fmt.Fprintf(&w, "  - { id: %s, name: \"Member Number %d\", email: %s, subject: %q, cards: [\"04%012X\"] }\n",
			memberName(i), i, memberMail(i), memberSubject(i), i)
	}
	return w.Bytes()
}

// hashedInterval is the interval between two members whose badges name the recipient by a hashed address. All other
// badges name the recipient by the subject's id. The hub must compare a hashed address with every member. If all
// badges had a hashed address, this would take minutes.
const hashedInterval = 10

// badge issues one badge to a member and returns the signed badge.
func (b *bigSite) badge(member int) ([]byte, error) {
	d := openbadge.Draft{Achievement: openbadge.Achievement{ID: benchAchievement, Name: "User",
		Description: "May use the machine alone", Criteria: "Has passed"}, ValidFrom: time.Now().Add(-time.Hour)}
	if member%hashedInterval == 0 {
		d.Email = memberMail(member)
	} else {
		d.Subject = memberSubject(member)
	}
	return openbadge.IssueJWT(d, b.issuer)
}

// zipFiles is the largest number of badges in a ZIP file; the hub accepts 1,000.
const zipFiles = 1000

// badgesZIP returns a ZIP file with the badges of at most zipFiles members, beginning with the member with index
// from.
func (b *bigSite) badgesZIP(from int) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := from; i < min(from+zipFiles, b.members); i++ {
		data, err := b.badge(i)
		if err != nil {
			return nil, err
		}
		w, err := z.Create(fmt.Sprintf("badge-%d.jwt", i))
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return out.Bytes(), err
}

// enrol writes the machines directly into the database while the hub is stopped, because a running hub enrols at most
// two machines per second.
func (b *bigSite) enrol(ctx context.Context, f *fleet) (err error) {
	db, err := store.Open(ctx, b.c.Database())
	if err != nil {
		return err
	}
	defer db.Close()
	authority, err := enrol.OpenAuthority(filepath.Join(b.c.Data, "authority"), site, time.Now)
	if err != nil {
		return err
	}
	if f.hub.ca, err = x509.ParseCertificate(authority.Certificate()); err != nil {
		return err
	}
	// Write all machines in one transaction.
	return db.Site(site).Write(ctx, func(tx *store.Tx) error {
		for i := range b.machines {
			m, err := enrolOne(ctx, tx, authority, machineName(i))
			if err != nil {
				return err
			}
			f.add(m)
		}
		return nil
	})
}

// enrolOne creates a machine with its keys and its certificate, and writes the rows of this machine into the
// database.
func enrolOne(ctx context.Context, tx *store.Tx, authority *enrol.Authority, id policy.MachineID) (*simulated, error) {
	journal, err := newMachine(id)
	if err != nil {
		return nil, err
	}
	m := &simulated{machine: journal, password: rand.Text()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	cert, err := authority.Machine(id, public, now)
	if err != nil {
		return nil, err
	}
	// The hub stores only the hash of the machine's password.
	m.cert = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	hash := sha256.Sum256([]byte(m.password))
	_, err = tx.Exec(ctx, `INSERT INTO machine (site, machine, version, added, enrolled, public, password)
		VALUES ($1, $2, 1, $3, $3, $4, $5)`, string(id), now.UnixMilli(), journal.vkey, hash[:])
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO machine_certificate (site, serial, machine, issued, expires)
		VALUES ($1, $2, $3, $4, $5)`, hex.EncodeToString(cert.SerialNumber.Bytes()), string(id), now.UnixMilli(),
		cert.NotAfter.UnixMilli())
	return m, err
}

// simHub returns the addresses and the keys with which simulated machines connect to this site's hub.
func (b *bigSite) simHub() (*simHub, error) {
	key, err := b.c.Verifier()
	if err != nil {
		return nil, err
	}
	return &simHub{site: site, name: "localhost", machines: b.c.Join.Listen, broker: b.c.MQTT.Listen,
		keys: note.VerifierList(key)}, nil
}
