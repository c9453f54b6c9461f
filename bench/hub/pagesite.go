package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/hub"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

const (
	pagesMachines = 20 // number of machines of the site
	pagesBadges   = 5  // number of badges that each member has
	pagesYears    = 3  // number of years over which the records are spread
	// pagesMade is the name of the folder that contains the site. If the hub's tables change, the number in the name
	// must be raised, so that a new folder is created.
	pagesMade     = "portillon-bench-pages-1"
	pagesAccount  = "ada@bench.example"
	pagesPassword = "a-long-and-odd-password"
	// If the folder is older than pagesOld, it is created again, because reports need recent records.
	pagesOld = 5 * 24 * time.Hour
)

// pagesSite is the folder of a hub with many members and records.
type pagesSite struct {
	dir      string
	config   hub.Config
	members  int
	records  int
	issuer   *openbadge.Key
	existing bool // true: the folder comes from an earlier run
}

// openPagesSite opens the folder of an earlier run, or creates the folder.
func openPagesSite(o options, members, records int) (*pagesSite, error) {
	s := &pagesSite{dir: filepath.Join(o.dir, fmt.Sprintf("%s-%d-%d", pagesMade, members, records)), members: members,
		records: records}
	if o.dir == "" {
		s.dir = filepath.Join(os.TempDir(), s.dir)
	}
	config := filepath.Join(s.dir, "hub.yaml")
	if i, err := os.Stat(filepath.Join(s.dir, "made")); err == nil && time.Since(i.ModTime()) < pagesOld {
		s.existing = true
		s.config, err = hub.ReadConfig(config)
		return s, err
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return nil, err
	}
	if _, err := hub.Create(s.dir, hub.NewHub{Site: site, Host: "localhost", Web: "127.0.0.1:0"}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	// Listen only on the loopback interface, on free ports.
	for _, everywhere := range []string{"0.0.0.0:8443", "0.0.0.0:8883"} {
		text = bytes.ReplaceAll(text, []byte(everywhere), []byte("127.0.0.1:0"))
	}
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	if s.config, err = hub.ReadConfig(config); err != nil {
		return nil, err
	}
	s.issuer, err = openbadge.GenerateKey("bench")
	return s, err
}

// pagesBadge returns the name of the badge with index k in the policy.
func pagesBadge(k int) string { return fmt.Sprintf("badge-%d", k) }

// pagesAchievement returns the achievement of the badge with index k.
func pagesAchievement(k int) string { return "https://bench.example/achievements/" + pagesBadge(k) }

// pagesMachine returns the id of the machine with index i.
func pagesMachine(i int) policy.MachineID { return policy.MachineID(fmt.Sprintf("machine-%02d", i)) }

// policyText returns a policy with pagesMachines machines; each machine requires one badge for its use and one for
// its maintenance.
func (s *pagesSite) policyText() string {
	var w strings.Builder
	fmt.Fprintf(&w, "portillon: 1\nsite: %s\nlanguage: fr\ntimezone: Europe/Paris\nissuers:\n", site)
	fmt.Fprintf(&w, "  bench: { name: Bench, id: %q, keys: [%q] }\nbadges:\n", s.issuer.DID(), s.issuer.DID())
	for k := range pagesBadges {
		fmt.Fprintf(&w, "  %s: { name: { fr: Badge numéro %d, en: Badge number %d }, issuer: bench, achievement: %q }\n",
			pagesBadge(k), k, k, pagesAchievement(k))
	}
	w.WriteString("roles: [learner, user, host, mentor, maintainer]\nmachines:\n")
	for i := range pagesMachines {
		fmt.Fprintf(&w, "  %s:\n    name: { fr: Machine %d, en: Machine %d }\n    grants:\n", pagesMachine(i), i, i)
		fmt.Fprintf(&w, "      - { role: user, needs: %s }\n      - { role: maintainer, needs: %s }\n",
			pagesBadge(i%pagesBadges), pagesBadge((i+1)%pagesBadges))
	}
	return w.String()
}

// fill writes members, cards, badges and records directly into the tables while the hub is stopped, because the hub's
// services would need an hour.
func (s *pagesSite) fill(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", "file:"+s.config.Database()+"?_pragma=synchronous(0)&_pragma=busy_timeout(5000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, part := range []func(*bulk) error{s.fillMembers, s.fillMachines} {
		if err := inBulk(ctx, db, part); err != nil {
			return err
		}
	}
	for i := range pagesMachines {
		if err := inBulk(ctx, db, func(b *bulk) error { return s.fillJournal(b, i) }); err != nil {
			return err
		}
	}
	return nil
}

// bulk writes many rows in one transaction, and prepares each SQL statement only once. The field err holds the first
// error; after an error, nothing more is written.
type bulk struct {
	ctx      context.Context
	tx       *sql.Tx
	prepared map[string]*sql.Stmt
	err      error
}

// inBulk runs the function fill in one transaction.
func inBulk(ctx context.Context, db *sql.DB, fill func(*bulk) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // no effect after Commit
	b := &bulk{ctx: ctx, tx: tx, prepared: map[string]*sql.Stmt{}}
	if err := errors.Join(fill(b), b.err); err != nil {
		return err
	}
	return tx.Commit()
}

// row writes one row of a table. The argument columns contains the names of the columns, separated by spaces.
func (b *bulk) row(table, columns string, values ...any) {
	if b.err != nil {
		return
	}
	key := table + " " + columns
	if b.prepared[key] == nil {
		names := strings.Fields(columns)
		q := fmt.Sprintf("INSERT OR REPLACE INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "),
			strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", "))
		if b.prepared[key], b.err = b.tx.PrepareContext(b.ctx, q); b.err != nil {
			return
		}
	}
	_, b.err = b.prepared[key].ExecContext(b.ctx, values...)
}

// pagesMember returns the id of the member with index i.
func pagesMember(i int) string { return fmt.Sprintf("m-%06d", i) }

// fillMembers writes the members; each member has an address, a card and pagesBadges badges.
func (s *pagesSite) fillMembers(b *bulk) error {
	now := time.Now()
	checks, err := json.Marshal([]map[string]any{{"code": "form", "ok": true, "outcome": "ok"},
		{"code": "proof", "ok": true, "outcome": "ok"}, {"code": "dates", "ok": true, "outcome": "ok"},
		{"code": "status", "ok": true, "outcome": "none"}, {"code": "recipient", "ok": true, "outcome": "ok"}})
	if err != nil {
		return err
	}
	for i := range s.members {
		id, mail := pagesMember(i), fmt.Sprintf("member%d@bench.example", i)
		until := now.AddDate(0, 0, i*7919%800-60).Format(time.DateOnly)
		b.row(
			"member",
			"site id version place name language until_day blocked gone note external source changed",
			string(site),
			id,
			1,
			i+1,
			fmt.Sprintf("Prénom%d Nom-Composé%d", i*7919%s.members, i),
			"fr",
			until,
			0,
			0,
			"",
			"",
			"list",
			now.UnixMilli(),
		)
		// Each member has one e-mail address and one card. Every 97th card is marked as lost.
		b.row("member_value", "site member kind place value", string(site), id, "email", 1, mail)
		state := "active"
		if i%97 == 0 {
			state = "lost"
		}
		b.row("card", "site id member place number part state since note", string(site), fmt.Sprintf("c-%06d", i), id, 1,
			fmt.Sprintf("04%012X", i), 0, state, now.UnixMilli(), "")
		for k := range pagesBadges {
			if err := s.fillBadge(b, i, k, mail, checks, now); err != nil {
				return err
			}
		}
	}
	b.row("directory_state", "site generation", string(site), 1000)
	return nil
}

// fillBadge issues the badge with index k to the member with index i, and stores the badge as verified.
func (s *pagesSite) fillBadge(b *bulk, i, k int, mail string, checks []byte, now time.Time) error {
	data, err := openbadge.IssueJWT(openbadge.Draft{Achievement: openbadge.Achievement{ID: pagesAchievement(k),
		Name: "Badge numéro " + fmt.Sprint(k), Description: "May use the machine alone", Criteria: "Has passed"}, Email: mail,
		ValidFrom: now.AddDate(-1, 0, 0), ValidUntil: now.AddDate(0, 0, 10+i*31%900)}, s.issuer)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	id := hex.EncodeToString(sum[:])
	b.row(
		"badge",
		`site id member place file name issuer achievement verdict proved hosted_at standing checked recipient checks
		issued expires origin verified`,
		string(site),
		id,
		pagesMember(i),
		k+1,
		fmt.Sprintf("badges/%d-%d.jwt", i, k),
		fmt.Sprintf("Badge numéro %d", k),
		s.issuer.DID(),
		pagesAchievement(k),
		"valid",
		1,
		"",
		"verified",
		0,
		fmt.Sprintf(`{"Subject":"mailto:%s"}`, mail),
		string(checks),
		now.AddDate(-1, 0, 0).UnixMilli(),
		now.AddDate(0, 0, 10+i*31%900).UnixMilli(),
		"badges.zip",
		now.UnixMilli(),
	)
	b.row("badge_data", "site id data", string(site), id, data)
	return nil
}

// fillMachines writes the machines as if they were enrolled.
func (s *pagesSite) fillMachines(b *bulk) error {
	for i := range pagesMachines {
		m, err := newMachine(pagesMachine(i))
		if err != nil {
			return err
		}
		password := sha256.Sum256([]byte(rand.Text()))
		b.row("machine", "site machine version added enrolled public password", string(site), string(m.id), 1,
			time.Now().UnixMilli(), time.Now().UnixMilli(), m.vkey, password[:])
	}
	return nil
}

// fillJournal writes the records of one machine: sessions, and one refusal after every second session.
func (s *pagesSite) fillJournal(b *bulk, machine int) error {
	n := s.records / pagesMachines
	id := pagesMachine(machine)
	step := pagesYears * 365 * 24 * time.Hour / time.Duration(n)
	from := time.Now().AddDate(-pagesYears, 0, 0)
	for i := range n {
		r := wire.Record{Site: site, Machine: id, Seq: uint64(i + 1), Boot: "5f0c9a52-6c1e-4f0e-9a53-3d1f6a1f2b7d",
			Mono: int64(i) * 1000, Wall: from.Add(time.Duration(i) * step).UTC().Truncate(time.Millisecond),
			Clock: wire.ClockTrusted}
		r.Member = policy.MemberID(pagesMember((i/5*7919 + machine) % s.members))
		// Of every five records, four are the starts and ends of two sessions, and one is a refusal.
		switch i % 5 {
		case 0, 2:
			r.Kind, r.Body = wire.SessionStart, json.RawMessage(`{"badges":["badge-1"],"grant":0,"role":"user"}`)
		case 1, 3:
			r.Kind, r.Body = wire.SessionEnd, json.RawMessage(`{"cause":"card-removed","seconds":600}`)
		default:
			reasons := policy.Codes()
			r.Kind, r.Body = wire.Refused, json.RawMessage(fmt.Sprintf(`{"reasons":[%q]}`, reasons[i/5%len(reasons)]))
		}
		if r.Kind != wire.Refused {
			r.Session = fmt.Sprintf("%016x", i/5*2+i%5/2)
		}
		text, err := r.Canonical()
		if err != nil {
			return err
		}
		l := wire.Leafed{Record: text}
		rand.Read(l.Salt[:]) // never fails (crypto/rand)
		leaf := wire.Leaf(l.Salt, text)
		b.row("ledger_records", "site journal seq kind member session wall salt leaf record", string(site), machine+1, i+1,
			string(r.Kind), string(r.Member), r.Session, r.Wall.UnixMilli(), l.Salt[:], leaf[:], []byte(text))
	}
	// The head of the journal has no valid tree root, because the pages do not verify it.
	root := make([]byte, 32)
	b.row(
		"ledger_journals",
		"site journal machine epoch generation who why at size root edge note",
		string(site),
		machine+1,
		string(id),
		1,
		"",
		"",
		"",
		0,
		n,
		root,
		[]byte{},
		[]byte("-"),
	)
	return nil
}
