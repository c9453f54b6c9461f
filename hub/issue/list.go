package issue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
)

// list is a status list while it changes. The caller holds Service.changing.
type list struct {
	number  int
	version int64 // version in the database; 0: the list is new
	data    []byte
	draft   openbadge.StatusListDraft
	taken   map[int]string // ids of the badges, by entry
	changed bool           // true: data is newer than the database
}

// statusLists reads and signs the status lists.
type statusLists struct{ o Options }

// open returns the newest status list if it has room for more badges, and a new list otherwise.
func (s statusLists) open(ctx context.Context, issuer string, more int) (*list, error) {
	var number int
	if err := s.o.Site.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM issue_list WHERE site = $1`).
		Scan(&number); err != nil {
		return nil, err
	}
	if number > 0 {
		l, err := s.read(ctx, number)
		if err != nil {
			return nil, err
		}
		// Leave half of the list empty, so that a random choice quickly finds a free entry. If the issuer has another id now,
		// begin a new list, because verifiers expect one issuer of badge and list.
		if len(l.taken)+more < maxListSize && l.draft.IssuerID == issuer {
			return l, nil
		}
	}
	l := &list{number: number + 1, taken: map[int]string{}}
	l.draft = s.draft(l.number, issuer)
	return l, s.sign(l)
}

// draft returns an empty list.
func (s statusLists) draft(number int, issuer string) openbadge.StatusListDraft {
	return openbadge.StatusListDraft{ID: s.o.addresses().list(number), IssuerID: issuer, TTL: listTTL}
}

// read reads a list with its entries from the database.
func (s statusLists) read(ctx context.Context, number int) (*list, error) {
	l := &list{number: number, taken: map[int]string{}}
	var issuer string
	err := s.o.Site.QueryRow(ctx, `SELECT version, issuer, data FROM issue_list WHERE site = $1 AND number = $2`,
		int64(number)).Scan(&l.version, &issuer, &l.data)
	if err != nil {
		return nil, err
	}
	l.draft = s.draft(number, issuer)
	rows, err := s.o.Site.Query(ctx, `SELECT entry, id, revoked FROM issue_badge WHERE site = $1 AND list = $2`,
		int64(number))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var entry int
		var id string
		var revoked int64
		if err := rows.Scan(&entry, &id, &revoked); err != nil {
			return nil, err
		}
		if l.taken[entry] = id; revoked != 0 {
			l.draft.Set = append(l.draft.Set, entry)
		}
	}
	return l, rows.Err()
}

// reserve returns a free entry of the list.
func (l *list) reserve(id string) (int, error) {
	n, err := l.draft.RandomIndex(l.taken)
	if err == nil {
		l.taken[n] = id
	}
	return n, err
}

// sign signs the list with the current time. The error is *fault.Invalid if the issuer of the list's badges is
// another key, because verifiers would not accept the list.
func (s statusLists) sign(l *list) (err error) {
	if id := l.draft.IssuerID; strings.HasPrefix(id, "did:key:") && id != s.o.Key.DID() {
		return invalid("badge", id, "the badge was signed with another key than that of this hub",
			"the key of the badge's issuer, under issuer: in hub.yaml")
	}
	l.data, err = openbadge.IssueStatusList(l.draft, s.o.Key, s.o.now())
	l.changed = true
	if err != nil {
		return fmt.Errorf("status list %s cannot be signed: %w", l.draft.ID, err)
	}
	return nil
}

// save writes a list that has changed. save returns an error if another process has changed the list since it was read,
// because the list of this process lacks that change.
func (l *list) save(ctx context.Context, tx *store.Tx, at time.Time) error {
	var have int64
	err := tx.QueryRow(ctx, `SELECT version FROM issue_list WHERE site = $1 AND number = $2`, int64(l.number)).Scan(&have)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if have != l.version {
		return &fault.Conflict{What: "status-list", ID: l.draft.ID, Have: have, Got: l.version}
	}
	if !l.changed {
		return nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO issue_list (site, number, version, issuer, data, signed)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (site, number) DO UPDATE SET version = excluded.version, data = excluded.data, signed = excluded.signed
		WHERE issue_list.site = $1`, int64(l.number), l.version+1, l.draft.IssuerID, l.data, millis(at))
	return err
}

// Run signs each status list again when it is older than a day, until ctx ends: a machine that pins a separate policy
// key measures the age of a list from the date of its signature, and refuses badges of an old list.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(renewCheck)
	defer t.Stop()
	for {
		if err := s.Renew(ctx); err != nil && ctx.Err() == nil {
			s.o.Log.Warn("status lists not signed again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Renew signs the status lists that are older than a day.
func (s *Service) Renew(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	now := s.o.now()
	numbers, err := s.lists.before(ctx, now.Add(-renewEvery))
	if err != nil || len(numbers) == 0 {
		return err
	}
	ch := Change{Lists: map[string][]byte{}}
	var all []*list
	for _, n := range numbers {
		l, err := s.lists.read(ctx, n)
		if err != nil {
			return err
		}
		if err := s.lists.sign(l); err != nil {
			s.o.Log.Warn("status list not signed again", "list", l.draft.ID, "err", err)
			continue
		}
		ch.Lists[l.draft.ID], all = l.data, append(all, l)
	}
	if len(all) == 0 {
		return nil
	}
	return s.o.Apply(ctx, actor.System("renew status lists"), ch, func(tx *store.Tx) (string, error) {
		for _, l := range all {
			if err := l.save(ctx, tx, now); err != nil {
				return "", err
			}
		}
		return "status lists signed again", nil
	})
}

// before returns the numbers of the lists that were signed before a time.
func (s statusLists) before(ctx context.Context, at time.Time) (out []int, err error) {
	rows, err := s.o.Site.Query(ctx, `SELECT number FROM issue_list WHERE site = $1 AND signed < $2 ORDER BY number`,
		millis(at))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}
