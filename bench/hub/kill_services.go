package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/publish"
	"portillon/hub/store"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
)

// clerk simulates an administrator who changes the data of the hub's services while batches are stored.
type clerk struct {
	site      *store.Site
	audit     *audit.Log
	directory *directory.Services
	accounts  *account.Services
	enrol     *enrol.Services
	publish   *publish.Services
	last      policy.MemberID // id of the member that the clerk has added last
	number    int64           // number of the last policy that the clerk has published
}

// hubKey generates a hub's key pair.
func hubKey() (private, public string, err error) {
	name, err := keykind.Name(keykind.Site, string(site))
	if err != nil {
		return "", "", err
	}
	return note.GenerateKey(rand.Reader, name)
}

// newClerk opens the hub's services on the database of the store s.
func newClerk(ctx context.Context, dir string, s *store.Site, private, public string) (*clerk, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	c := &clerk{site: s}
	if c.audit, err = newAudit(s, private, public); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	c.directory, err = directory.New(directory.Options{Site: s, Log: log, Audit: c.audit.Append,
		Policy: func(context.Context) (*policy.Policy, error) { return nil, nil }})
	if err != nil {
		return nil, err
	}
	c.accounts, err = account.New(account.Options{Site: s, Folder: dir, Log: log, Audit: c.audit})
	if err != nil {
		return nil, err
	}
	authority, err := enrol.OpenAuthority(filepath.Join(dir, "authority"), site, time.Now)
	if err != nil {
		return nil, err
	}
	c.enrol, err = enrol.New(ctx, enrol.Options{Site: s, Log: log, Authority: authority, Signer: signer, Name: "hub.test",
		Address: "https://hub.test:8443", Broker: "ssl://hub.test:8883", Audit: c.audit.Append,
		Pins: wire.Pins{Site: site, CA: authority.Certificate(), PolicyKey: public, HubKey: public}})
	if err != nil {
		return nil, err
	}
	c.publish, err = publish.New(publish.Options{Site: s, Log: log, Audit: c.audit.Append, Signer: plainSigner{signer},
		SignedBy: signer.Name()})
	if err != nil {
		return nil, err
	}
	return c, s.QueryRow(ctx, "SELECT coalesce(max(number), 0) FROM policies WHERE site = $1").Scan(&c.number)
}

// keyPair parses a signing key and the verifier that belongs to it.
func keyPair(private, public string) (note.Signer, note.Verifiers, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, nil, err
	}
	key, err := note.NewVerifier(public)
	return signer, note.VerifierList(key), err
}

// newAudit opens the audit log of a site.
func newAudit(s *store.Site, private, public string) (*audit.Log, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	return audit.New(audit.Options{Site: s, Signer: signer, Key: key})
}

// plainSigner signs policies with the hub's key.
type plainSigner struct{ note.Signer }

// SignPolicy implements publish.Signer.
func (k plainSigner) SignPolicy(number int64, text, _ []byte) ([]byte, error) {
	return note.Sign(&note.Note{Text: fmt.Sprintf("policy %d of %d bytes\n", number, len(text))}, k.Signer)
}

// work makes changes until ctx ends or a change fails. It writes a line to out for each completed change.
func (c *clerk) work(ctx context.Context, out io.Writer) error {
	for ctx.Err() == nil {
		kind, id, err := c.one(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		if _, err := fmt.Fprintf(out, "did %s %s\n", kind, id); err != nil {
			return err
		}
	}
	return nil
}

// one makes one change of a random kind. It returns the kind and the id of the object that was created.
func (c *clerk) one(ctx context.Context) (kind, id string, err error) {
	by := actor.System("bench")
	switch mrand.IntN(5) {
	case 0:
		id = "m-" + someHex(4)
		m := directory.Member{
			ID:     policy.MemberID(id),
			Name:   "Member " + id,
			Emails: []string{id + "@one.example", id + "@two.example"},
		}
		if _, err = c.directory.Members.Add(ctx, by, m); err == nil {
			c.last = m.ID
		}
		return "member", id, err
	case 1:
		if c.last == "" {
			return c.one(ctx)
		}
		card, err := c.directory.Cards.AddCard(
			ctx,
			by,
			c.last,
			directory.Card{Number: "04" + someHex(6), State: directory.Active},
		)
		return "card", card.ID, err
	case 2:
		id = "mill-" + someHex(4)
		if _, err = c.enrol.Machines.Add(ctx, by, policy.MachineID(id)); err == nil {
			_, err = c.enrol.Codes.New(ctx, by, policy.MachineID(id), false)
		}
		return "machine_code", id, err
	case 3:
		x, err := c.accounts.Registry.Add(
			ctx,
			by,
			account.Account{Name: "a" + someHex(4) + "@example.org", Site: actor.Administrator},
			"",
		)
		return "account", x.ID, err
	}
	text := fmt.Sprintf("# %s\nportillon: 1\nsite: %s\nlanguage: en\ntimezone: Europe/Paris\nissuers: {}\nbadges: {}\n"+
		"roles: [user]\nmachines: {}\n", someHex(4), site)
	p, err := c.publish.Policies.Publish(ctx, by, text, "bench", c.number, nil)
	if err == nil {
		c.number = p.Number
	}
	return "policy", fmt.Sprint(p.Number), err
}

// someHex returns n random bytes in hexadecimal.
func someHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// made describes what one kind of change stores: rows of tables, and entries in the audit log.
type made struct {
	kind, ids string    // SQL query for the ids of all objects that this kind of change has created
	rows      string    // SQL query for the number of rows in all tables to which this kind of change writes
	each      int       // rows per change
	act       actor.Act // name of the act in the audit log's entries
}

// allMade returns a description of each kind of change.
func allMade() []made {
	return []made{
		{"member", "SELECT id FROM member WHERE site = $1",
			"SELECT (SELECT count(*) FROM member WHERE site = $1) + (SELECT count(*) FROM member_value WHERE site = $1)", 3,
			actor.WriteMembers},
		{"card", "SELECT id FROM card WHERE site = $1", "SELECT count(*) FROM card WHERE site = $1", 1, actor.WriteCards},
		// two changes, one after the other, store a machine and its enrolment code
		{"machine_code", "SELECT machine FROM machine_code WHERE site = $1",
			"SELECT (SELECT count(*) FROM machine WHERE site = $1) + (SELECT count(*) FROM machine_code WHERE site = $1)", 1,
			actor.EnrolMachines},
		{"account", "SELECT id FROM account WHERE site = $1", "SELECT count(*) FROM account WHERE site = $1", 1,
			actor.WriteAccounts},
		{"policy", "SELECT number FROM policies WHERE site = $1", "SELECT count(*) FROM policies WHERE site = $1", 1,
			actor.PublishPolicy},
	}
}

// checkServices verifies that every reported change is stored with all its rows and exactly one entry in the audit
// log, and that the audit log is valid.
func (k *killFolder) checkServices(ctx context.Context, s *store.Site) error {
	log, err := newAudit(s, k.Private, k.Public)
	if err != nil {
		return err
	}
	acts, err := k.checkAudit(ctx, s, log)
	if err != nil {
		return fmt.Errorf("verification of the audit log failed: %w", err)
	}
	for _, m := range allMade() {
		there, err := idsOf(ctx, s, m.ids)
		if err != nil {
			return err
		}
		for id := range k.did[m.kind] {
			if !there[id] {
				return fmt.Errorf("database lacks the %s %s, whose creation was reported", m.kind, id)
			}
		}
		var rows int
		if err := s.QueryRow(ctx, m.rows).Scan(&rows); err != nil {
			return err
		}
		if rows != acts[m.act]*m.each {
			return fmt.Errorf("database has %d rows of the kind %s and %d audit entries %s, want %d rows per entry",
				rows, m.kind, acts[m.act], m.act, m.each)
		}
	}
	return nil
}

// idsOf returns the ids that an SQL query selects.
func idsOf(ctx context.Context, s *store.Site, query string) (map[string]bool, error) {
	rows, err := s.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, rows.Err()
}

// checkAudit verifies the exported audit log, and counts its entries for each act.
func (k *killFolder) checkAudit(ctx context.Context, s *store.Site, log *audit.Log) (map[actor.Act]int, error) {
	by := actor.System("bench")
	var text bytes.Buffer
	if err := log.Export(ctx, by, &text); err != nil {
		return nil, err
	}
	key, err := note.NewVerifier(k.Public)
	if err != nil {
		return nil, err
	}
	v, err := audit.Verify(&text, key)
	if err != nil {
		return nil, err
	}
	out, entries := map[actor.Act]int{}, uint64(0)
	for p := (audit.Page{Limit: 500}); ; {
		some, next, err := log.Entries(ctx, by, p)
		if err != nil {
			return nil, err
		}
		for _, e := range some {
			out[e.Act]++
			entries++
		}
		if p.After = next; next == "" {
			break
		}
	}
	if entries != v.Entries {
		return nil, fmt.Errorf("audit log has %d entries, but its signed tree covers %d", entries, v.Entries)
	}
	return out, nil
}
