package display

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Screen is a wall screen. Link, the secret address, is set only in the result of Screens.Add.
type Screen struct {
	ID   string
	Name string // place of the screen, or another name
	Made time.Time
	Used time.Time // the last time that a browser showed the screen, within usedEach; zero: never
	Link string
}

const (
	maxScreens    = 20 // per site
	maxScreenName = 60 // in bytes
	usedEach      = 5 * time.Minute
	keyLength     = 26 // characters of crypto/rand.Text, which has at least 128 bits
)

// Screens creates, lists and revokes the keys of wall screens. A key gives its holder the content of a wall screen, and
// nothing else.
type Screens struct {
	site  *store.Site
	now   func() time.Time
	audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	wrong func(ctx context.Context, address string) error
	url   func() string
}

// hashOf returns the hash by which the database finds a key.
func hashOf(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return h[:]
}

// List lists the screens, the newest first, without their keys. The actor needs actor.WriteSettings.
func (s *Screens) List(ctx context.Context, a actor.Actor) (out []Screen, err error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return nil, err
	}
	rows, err := s.site.Query(ctx, `SELECT id, name, made, used FROM display_screen WHERE site = $1
		ORDER BY made DESC, id LIMIT 100`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var x Screen
		var made, used int64
		if err := rows.Scan(&x.ID, &x.Name, &made, &used); err != nil {
			return nil, err
		}
		x.Made = time.UnixMilli(made).UTC()
		if used > 0 {
			x.Used = time.UnixMilli(used).UTC()
		}
		out = append(out, x)
	}
	return out, rows.Err()
}

// Add creates a screen with a new key. The actor needs actor.WriteSettings. The error is *fault.Invalid for an invalid
// name, or if the site has maxScreens screens.
func (s *Screens) Add(ctx context.Context, a actor.Actor, name string) (Screen, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return Screen{}, err
	}
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxScreenName || !isPrintable(name) {
		return Screen{}, &fault.Invalid{Faults: []fault.Field{{Field: "name", Given: clip(name),
			Wrong: "empty, too long, or with characters that are not printed",
			Right: "the place of the screen, of at most 60 bytes"}}}
	}
	key := rand.Text()
	x := Screen{ID: "w-" + strings.ToLower(rand.Text()[:10]), Name: name, Made: s.now().UTC().Truncate(time.Millisecond),
		Link: s.url() + "/wall?" + url.Values{"key": {key}}.Encode()}
	err := s.site.Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM display_screen WHERE site = $1`).Scan(&n); err != nil {
			return err
		}
		if n >= maxScreens {
			return &fault.Invalid{Faults: []fault.Field{{Field: "name", Wrong: "the site has 20 wall screens",
				Right: "revoke one first"}}}
		}
		_, err := tx.Exec(ctx, `INSERT INTO display_screen (site, id, name, hash, made, used)
			VALUES ($1, $2, $3, $4, $5, 0)`, x.ID, x.Name, hashOf(key), x.Made.UnixMilli())
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a, actor.WriteSettings, "wall screen "+x.ID, "added")
	})
	if err != nil {
		return Screen{}, err
	}
	return x, nil
}

// Revoke invalidates a screen's key at once. The actor needs actor.WriteSettings. The error is *fault.NotFound if there
// is no such screen.
func (s *Screens) Revoke(ctx context.Context, a actor.Actor, id string) error {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return err
	}
	return s.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM display_screen WHERE site = $1 AND id = $2`, id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(&fault.NotFound{What: "wall screen", ID: clip(id)}, err)
		}
		return s.audit(ctx, tx, a, actor.WriteSettings, "wall screen "+id, "revoked")
	})
}

// check returns nil for a valid key. check counts a wrong key, but not a text that cannot be a key.
func (s *Screens) check(ctx context.Context, key, address string) error {
	if len(key) != keyLength {
		return errOff()
	}
	var id string
	var used int64
	err := s.site.QueryRow(ctx, `SELECT id, used FROM display_screen WHERE site = $1 AND hash = $2`,
		hashOf(key)).Scan(&id, &used)
	if errors.Is(err, sql.ErrNoRows) {
		if s.wrong != nil {
			if err := s.wrong(ctx, address); err != nil {
				return err
			}
		}
		return errOff()
	}
	now := s.now().UnixMilli()
	if err != nil || now-used < usedEach.Milliseconds() {
		return err
	}
	// The screen stays valid if the use cannot be recorded, for example because the disk is full.
	_ = s.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE display_screen SET used = $3 WHERE site = $1 AND id = $2`, id, now)
		return err
	})
	return nil
}
