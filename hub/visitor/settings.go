package visitor

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Values are the settings of visits.
type Values struct {
	Version int64 // 1 for settings that nobody has changed
	Self    bool  // visitors may bring their badge on their own phone
	Days    int   // longest visit in days, with the first day
	Keep    int   // days from the end of a visit until the visitor's data are erased
}

// Limits of the settings.
const (
	maxDays = 31
	maxKeep = 365
)

// defaults returns the settings that nobody has changed: a visit lasts one day.
func defaults() Values { return Values{Version: 1, Days: 1, Keep: 30} }

// Settings stores the settings of visits. No other process writes the settings, so the current values are in memory.
type Settings struct {
	site  *store.Site
	audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error

	changing sync.Mutex // locked by a change from the comparison of versions until the change takes effect
	now      atomic.Pointer[Values]
}

// read reads the settings from the database.
func (s *Settings) read(ctx context.Context) error {
	v := defaults()
	var self int64
	err := s.site.QueryRow(ctx, `SELECT version, self, days, keep FROM visitor_settings WHERE site = $1`).
		Scan(&v.Version, &self, &v.Days, &v.Keep)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	v.Self = self == 1
	s.now.Store(&v)
	return nil
}

// current returns the current settings.
func (s *Settings) current() Values { return *s.now.Load() }

// Get returns the current settings. The actor needs actor.WriteSettings.
func (s *Settings) Get(_ context.Context, a actor.Actor) (Values, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return Values{}, err
	}
	return s.current(), nil
}

// Change calls the function change with a copy of the settings, and stores the result. The actor needs
// actor.WriteSettings. The error is *fault.Conflict if the settings have another version, and *fault.Invalid for
// invalid values.
func (s *Settings) Change(ctx context.Context, a actor.Actor, version int64,
	change func(*Values) error) (Values, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return Values{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	before := s.current()
	if before.Version != version {
		return Values{}, &fault.Conflict{What: "settings", ID: "visitors", Have: before.Version, Got: version}
	}
	v := before
	if err := change(&v); err != nil {
		return Values{}, err
	}
	v.Version = before.Version + 1
	if faults := checkValues(v); faults != nil {
		return Values{}, &fault.Invalid{Faults: faults}
	}
	err := s.site.Write(ctx, func(tx *store.Tx) error {
		self := int64(0)
		if v.Self {
			self = 1
		}
		_, err := tx.Exec(ctx, `INSERT INTO visitor_settings (site, version, self, days, keep) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (site) DO UPDATE SET version = excluded.version, self = excluded.self, days = excluded.days,
			keep = excluded.keep`, v.Version, self, int64(v.Days), int64(v.Keep))
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, a, actor.WriteSettings, "settings",
			fmt.Sprintf("visitors: own phone %t, at most %d days, erased after %d days", v.Self, v.Days, v.Keep))
	})
	if err != nil {
		return Values{}, err
	}
	s.now.Store(&v)
	return v, nil
}

// checkValues returns all faults of the settings.
func checkValues(v Values) (faults []fault.Field) {
	if v.Days < 1 || v.Days > maxDays {
		faults = append(faults, fault.Field{Field: "days", Given: fmt.Sprint(v.Days), Wrong: "not a length of a visit",
			Right: "1 to 31 days"})
	}
	if v.Keep < 1 || v.Keep > maxKeep {
		faults = append(faults, fault.Field{Field: "keep", Given: fmt.Sprint(v.Keep), Wrong: "not a time to keep data",
			Right: "1 to 365 days"})
	}
	return faults
}
