package display

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Values are the settings of the public status. With the zero Values, the site shows nothing.
type Values struct {
	Version  int64  // 1 for settings that nobody has changed
	Public   bool   // the site has a public status
	Website  string // address of the site's website
	Logo     string // address of the site's logo
	Email    string // public address for questions
	Address  string // postal address
	Position string // latitude and longitude in degrees, such as "48.1173, -1.6778"
}

// complete reports whether the settings contain all values that a SpaceAPI document requires.
func (v Values) complete() bool { return v.Website != "" && v.Logo != "" }

// Maximum lengths of the settings, in bytes.
const (
	maxURL     = 300
	maxEmail   = 254 // RFC 5321, section 4.5.3.1.3, without the angle brackets
	maxAddress = 200
)

// Settings stores the settings of the public status. No other process writes the settings, so the current values are in
// memory.
type Settings struct {
	site  *store.Site
	audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error

	changing sync.Mutex // locked by a change from the comparison of versions until the change takes effect
	now      atomic.Pointer[Values]
}

// read reads the settings from the database.
func (s *Settings) read(ctx context.Context) error {
	v := Values{Version: 1}
	var public int64
	err := s.site.QueryRow(ctx, `SELECT version, public, website, logo, email, address, coordinates FROM display_settings
		WHERE site = $1`).Scan(&v.Version, &public, &v.Website, &v.Logo, &v.Email, &v.Address, &v.Position)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	v.Public = public == 1
	s.now.Store(&v)
	return nil
}

// Current returns the current settings, for this package.
func (s *Settings) Current() Values { return *s.now.Load() }

// Get returns the current settings. The actor needs actor.WriteSettings.
func (s *Settings) Get(_ context.Context, a actor.Actor) (Values, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return Values{}, err
	}
	return s.Current(), nil
}

// Change calls the function change with a copy of the settings, and stores the result. The change takes effect before
// Change returns. The actor needs actor.WriteSettings. The error is *fault.Conflict if the settings have another
// version, and *fault.Invalid for invalid values.
func (s *Settings) Change(ctx context.Context, a actor.Actor, version int64,
	change func(*Values) error) (Values, error) {
	if err := a.May(actor.WriteSettings, actor.Target{}); err != nil {
		return Values{}, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	before := s.Current()
	if before.Version != version {
		return Values{}, &fault.Conflict{What: "settings", ID: "display", Have: before.Version, Got: version}
	}
	after := before
	if err := change(&after); err != nil {
		return Values{}, err
	}
	after.Version = before.Version + 1
	if faults := check(after); faults != nil {
		return Values{}, &fault.Invalid{Faults: faults}
	}
	if err := s.site.Write(ctx, func(tx *store.Tx) error { return s.write(ctx, tx, a, before, after) }); err != nil {
		return Values{}, err
	}
	s.now.Store(&after)
	return after, nil
}

// write stores the settings with their entries of the audit log.
func (s *Settings) write(ctx context.Context, tx *store.Tx, a actor.Actor, before, after Values) error {
	public := int64(0)
	if after.Public {
		public = 1
	}
	_, err := tx.Exec(ctx, `INSERT INTO display_settings (site, version, public, website, logo, email, address,
		coordinates)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (site) DO UPDATE SET version = excluded.version,
		public = excluded.public, website = excluded.website, logo = excluded.logo, email = excluded.email,
		address = excluded.address, coordinates = excluded.coordinates`,
		after.Version, public, after.Website, after.Logo, after.Email, after.Address, after.Position)
	if err != nil {
		return err
	}
	for _, detail := range changes(before, after) {
		if err := s.audit(ctx, tx, a, actor.WriteSettings, "settings", detail); err != nil {
			return err
		}
	}
	return nil
}

// changes returns the details of a change for the audit log. changes leaves out the values, because the e-mail address
// may be a person's, which the audit log must not contain.
func changes(before, after Values) (out []string) {
	if before.Public != after.Public {
		out = append(out, map[bool]string{true: "public status on", false: "public status off"}[after.Public])
	}
	var names []string
	for _, f := range []struct{ name, before, after string }{{"website", before.Website, after.Website},
		{"logo", before.Logo, after.Logo}, {"email", before.Email, after.Email},
		{"address", before.Address, after.Address}, {"position", before.Position, after.Position}} {
		if f.before != f.after {
			names = append(names, f.name)
		}
	}
	if names != nil {
		out = append(out, "changed "+strings.Join(names, ", "))
	}
	return out
}

// check returns all faults of the settings.
func check(v Values) (faults []fault.Field) {
	bad := func(field, given, wrong, right string) {
		faults = append(faults, fault.Field{Field: field, Given: clip(given), Wrong: wrong, Right: right})
	}
	for _, f := range []struct{ name, given string }{{"website", v.Website}, {"logo", v.Logo}} {
		if f.given != "" && !isWebAddress(f.given) {
			bad(f.name, f.given, "not an address of the web of at most 300 bytes", "https://lab.example/")
		}
	}
	if v.Email != "" && !isEmail(v.Email) {
		bad("email", v.Email, "not an e-mail address", "hello@lab.example")
	}
	if len(v.Address) > maxAddress || !isPrintable(v.Address) {
		bad("address", v.Address, "too long, or with characters that are not printed",
			"a postal address of at most 200 bytes, in one line")
	}
	if _, _, err := ParsePosition(v.Position); v.Position != "" && err != nil {
		bad("position", v.Position, "not a latitude and a longitude in degrees", "48.1173, -1.6778")
	}
	return faults
}

// clip shortens the value that an error quotes.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// isPrintable returns false for a text with line feeds, control characters, or marks that change the writing direction.
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// isWebAddress reports whether a text is an http or https URL without a user name.
func isWebAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxURL && isPrintable(s) && !strings.Contains(s, " ") &&
		(u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}

// isEmail reports whether a text is an e-mail address without a name.
func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= maxEmail && isPrintable(s)
}

var errPosition = errors.New("position is not of the form LATITUDE, LONGITUDE in degrees")

// ParsePosition parses a position, such as "48.1173, -1.6778": the latitude and the longitude in degrees (WGS 84),
// positive for the north and the east.
func ParsePosition(s string) (latitude, longitude float64, err error) {
	north, east, ok := strings.Cut(s, ",")
	latitude, err = degrees(north, 90)
	if err != nil || !ok {
		return 0, 0, errPosition
	}
	if longitude, err = degrees(east, 180); err != nil {
		return 0, 0, errPosition
	}
	return latitude, longitude, nil
}

// degrees parses a decimal number between -most and most.
func degrees(s string, most float64) (float64, error) {
	s = strings.TrimSpace(s)
	if len(s) > 20 || s == "" || strings.Trim(s, "0123456789.-") != "" { // refuse 1e3, 0x1p3, NaN and Inf
		return 0, errPosition
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(v) > most {
		return 0, errPosition
	}
	return v, nil
}
