package hub

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// settings are the current values of the settings that an administrator can change while the hub runs. No other
// process writes the settings.
type settings struct {
	changing sync.Mutex // locked by a change from the comparison of versions until the change takes effect
	now      atomic.Pointer[api.Settings]
}

// These constants limit the length of settings, in bytes.
const (
	maxSiteName = 100
	maxContact  = 200
)

// readSettings loads the settings from the database. If the database contains no settings, readSettings uses the
// settings of a new site.
func (sv *services) readSettings(ctx context.Context) error {
	s := api.Settings{Site: sv.core.c.Site, Name: string(sv.core.c.Site), Language: "fr", MailLinks: true}
	var links int64
	err := sv.core.db.Site(sv.core.c.Site).
		QueryRow(ctx, `SELECT version, name, language, contact, mail_links FROM hub_settings
		WHERE site = $1`).
		Scan(&s.Version, &s.Name, &s.Language, &s.Contact, &links)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		s.MailLinks = links == 1
	}
	sv.settings.now.Store(&s)
	return nil
}

// siteNow returns the current settings that pages and mails display.
func (sv *services) siteNow() account.Settings {
	s := sv.settings.now.Load()
	return account.Settings{Title: s.Name, Language: s.Language, Contact: s.Contact, Links: s.MailLinks}
}

// siteAdmin implements api.Hub.
type siteAdmin struct{ h *Hub }

var _ api.Hub = siteAdmin{}

// Settings returns the site's settings, together with the values that hub.yaml and the policy determine.
func (o siteAdmin) Settings(ctx context.Context, a actor.Actor) (api.Settings, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return api.Settings{}, err
	}
	return o.settings(ctx)
}

// settings returns the current settings, together with the values that hub.yaml and the policy determine.
func (o siteAdmin) settings(ctx context.Context) (api.Settings, error) {
	s := *o.h.services.settings.now.Load()
	zone, err := o.h.services.zone(ctx)
	if err != nil {
		return api.Settings{}, err
	}
	s.Zone, s.URL, s.Mail = zone.String(), o.h.pagesServer.webURL(), o.h.core.c.Mail != ""
	return s, nil
}

// ChangeSettings changes the site's name, language and contact, and whether members may sign in by e-mail. The change
// takes effect before ChangeSettings returns.
func (o siteAdmin) ChangeSettings(ctx context.Context, a actor.Actor, version int64,
	change func(*api.Settings) error) (api.Settings, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return api.Settings{}, err
	}
	h := o.h
	h.services.settings.changing.Lock()
	defer h.services.settings.changing.Unlock()
	var after api.Settings
	err := h.core.db.Site(h.core.c.Site).Write(ctx, func(tx *store.Tx) error {
		// Refuse a change that was made for an older version of the settings.
		before := *h.services.settings.now.Load()
		if before.Version != version {
			return &fault.Conflict{What: "settings", ID: string(h.core.c.Site), Have: before.Version, Got: version}
		}
		given := before
		if err := change(&given); err != nil {
			return err
		}
		// Copy only the fields that an administrator may change. Keep the other fields, which the policy and hub.yaml
		// determine.
		after = before
		after.Name, after.Language, after.Contact = given.Name, given.Language, given.Contact
		after.MailLinks = given.MailLinks
		if faults := checkSettings(after); faults != nil {
			return &fault.Invalid{Faults: faults}
		}
		after.Version++
		links := int64(0)
		if after.MailLinks {
			links = 1
		}
		_, err := tx.Exec(ctx, `INSERT INTO hub_settings (site, version, name, language, contact, mail_links)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (site) DO UPDATE SET version = excluded.version,
			name = excluded.name, language = excluded.language, contact = excluded.contact,
			mail_links = excluded.mail_links`, after.Version, after.Name, after.Language, after.Contact, links)
		if err != nil {
			return err
		}
		return h.services.audit.Append(ctx, tx, a, actor.WriteSettings, "settings", changedSettings(before, after))
	})
	if err != nil {
		return api.Settings{}, err
	}
	// After the commit the new settings take effect at once.
	h.services.settings.now.Store(&after)
	return o.settings(ctx)
}

// changedSettings returns the names of the changed fields for the audit log. changedSettings leaves out the values,
// because the contact may be a person's address, which the audit log must not contain.
func changedSettings(before, after api.Settings) string {
	var out []string
	for _, f := range []struct {
		name    string
		changed bool
	}{{"name", before.Name != after.Name}, {"language", before.Language != after.Language},
		{"contact", before.Contact != after.Contact}, {"mail_links", before.MailLinks != after.MailLinks}} {
		if f.changed {
			out = append(out, f.name)
		}
	}
	return "changed " + strings.Join(out, ", ")
}

// checkSettings returns all faults of the settings that an administrator may change.
func checkSettings(s api.Settings) (faults []fault.Field) {
	bad := func(field, given, wrong, right string) {
		faults = append(faults, fault.Field{Field: field, Given: given[:min(len(given), 60)], Wrong: wrong, Right: right})
	}
	if strings.TrimSpace(s.Name) == "" || len(s.Name) > maxSiteName || !isPrintableLine(s.Name) {
		bad("name", s.Name, "empty, too long, or with characters that are not printed",
			"the site's name, of at most 100 bytes")
	}
	if s.Language != "fr" && s.Language != "en" {
		bad("language", s.Language, "not a language of the hub", "fr or en")
	}
	if len(s.Contact) > maxContact || !isPrintableLine(s.Contact) {
		bad("contact", s.Contact, "too long, or with characters that are not printed",
			"whom members ask, of at most 200 bytes, in one line")
	}
	return faults
}

// isPrintableLine returns false for a text with characters that must not appear in a line of a page or mail: line
// feeds, and marks that change the direction of writing.
func isPrintableLine(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}
