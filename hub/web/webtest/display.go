package webtest

import (
	"context"
	"time"

	"portillon/hub/actor"
	"portillon/hub/display"
	"portillon/hub/fault"
	"portillon/policy"
)

// WallKey is the key of the wall screen of a new site.
const WallKey = "WALLKEYWALLKEYWALLKEYWALLK"

// shown is what the site shows without a sign-in.
type shown struct {
	values  display.Values
	screens []display.Screen
	keys    map[string]string // ids of screens, by key
}

// newShown returns a site with one wall screen and without a public status.
func newShown() shown {
	return shown{values: display.Values{Version: 1}, keys: map[string]string{WallKey: "w-wood"},
		screens: []display.Screen{{ID: "w-wood", Name: "atelier bois", Made: Now().AddDate(0, -2, 0), Used: Now()}}}
}

// DisplaySettings implements web.DisplaySettings.
type DisplaySettings struct{ Site *Site }

// Screens implements web.Screens.
type Screens struct{ Site *Site }

// Board implements web.Board.
type Board struct{ Site *Site }

// Get returns the settings of the public status.
func (d DisplaySettings) Get(_ context.Context, a actor.Actor) (display.Values, error) {
	leave, err := d.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return display.Values{}, err
	}
	defer leave()
	return d.Site.shown.values, nil
}

// Change changes the settings if the version is current, and refuses only an e-mail address without "@".
func (d DisplaySettings) Change(_ context.Context, a actor.Actor, version int64,
	change func(*display.Values) error) (display.Values, error) {
	leave, err := d.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return display.Values{}, err
	}
	defer leave()
	v := d.Site.shown.values
	if v.Version != version {
		return v, &fault.Conflict{What: "settings", ID: "display", Have: v.Version, Got: version}
	}
	if err := change(&v); err != nil {
		return v, err
	}
	if v.Email == "nobody" {
		return v, bad("email", v.Email, "not an e-mail address", "hello@lab.example")
	}
	v.Version++
	d.Site.shown.values = v
	return v, nil
}

// List lists the wall screens.
func (s Screens) List(_ context.Context, a actor.Actor) ([]display.Screen, error) {
	leave, err := s.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	return append([]display.Screen(nil), s.Site.shown.screens...), nil
}

// Add adds a wall screen. The key of the second screen is "2", and so on.
func (s Screens) Add(_ context.Context, a actor.Actor, name string) (display.Screen, error) {
	leave, err := s.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return display.Screen{}, err
	}
	defer leave()
	if name == "" {
		return display.Screen{}, bad("name", "", "empty, too long, or with characters that are not printed",
			"the place of the screen, of at most 60 bytes")
	}
	x := display.Screen{ID: s.Site.next("w-new"), Name: name, Made: s.Site.now}
	s.Site.shown.screens = append([]display.Screen{x}, s.Site.shown.screens...)
	key := s.Site.next("KEY")
	s.Site.shown.keys[key] = x.ID
	x.Link = "https://hub.lab.example/wall?key=" + key
	return x, nil
}

// Revoke removes a wall screen.
func (s Screens) Revoke(_ context.Context, a actor.Actor, id string) error {
	leave, err := s.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	for i, x := range s.Site.shown.screens {
		if x.ID == id {
			s.Site.shown.screens = append(s.Site.shown.screens[:i:i], s.Site.shown.screens[i+1:]...)
			for key, of := range s.Site.shown.keys {
				if of == id {
					delete(s.Site.shown.keys, key)
				}
			}
			return nil
		}
	}
	return missing("wall screen", id)
}

// states returns the machines as a wall screen shows them.
func (s *Site) states() (out []display.WallMachine) {
	for _, m := range s.machines {
		if !m.Revoked.IsZero() || m.Standing.Seen.IsZero() {
			continue
		}
		w := display.WallMachine{ID: m.ID, Name: MachineName(m.ID), State: display.Free}
		switch st := m.Standing; {
		case len(st.Tags) > 0:
			w.State, w.Since = display.OutOfService, st.Tags[0].At
			for _, x := range st.Tags {
				w.Reasons = append(w.Reasons, x.Reason)
			}
		case !st.Online:
			w.State, w.Since = display.Offline, st.Seen
		case st.Session != nil:
			w.State, w.Since = display.InUse, st.Session.Since
		}
		if x := m.Standing.Session; x != nil {
			w.Used, w.Role, w.Until = true, x.Role, x.Until
			for _, p := range s.directory.members {
				if p.ID == x.Member {
					w.Who = policy.FirstName.Of(p.Name)
				}
			}
		}
		out = append(out, w)
	}
	return out
}

// Public returns the public status, if it is switched on.
func (b Board) Public(context.Context) (display.Public, error) {
	b.Site.mu.Lock()
	defer b.Site.mu.Unlock()
	if !b.Site.shown.values.Public {
		return display.Public{}, missing("page", "")
	}
	p := display.Public{At: b.Site.now, SpaceAPI: b.Site.shown.values.Logo != ""}
	for _, m := range b.Site.states() {
		p.Machines = append(p.Machines, display.Shown{ID: m.ID, Name: m.Name, State: m.State,
			Since: m.Since.Truncate(15 * time.Minute)})
	}
	return p, b.Site.broken
}

// SpaceAPI returns a document, if the public status is switched on and the site has a logo.
func (b Board) SpaceAPI(context.Context) ([]byte, error) {
	b.Site.mu.Lock()
	defer b.Site.mu.Unlock()
	if !b.Site.shown.values.Public || b.Site.shown.values.Logo == "" {
		return nil, missing("page", "")
	}
	return []byte(`{"api_compatibility":["15"]}`), b.Site.broken
}

// Wall returns the content of a wall screen, for a valid key.
func (b Board) Wall(_ context.Context, key, _ string) (display.Wall, error) {
	b.Site.mu.Lock()
	defer b.Site.mu.Unlock()
	if b.Site.shown.keys[key] == "" {
		return display.Wall{}, missing("page", "")
	}
	return display.Wall{At: b.Site.now, Machines: b.Site.states()}, b.Site.broken
}

// ShowPublic switches the public status on.
func (s *Site) ShowPublic() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown.values.Public, s.shown.values.Website, s.shown.values.Logo = true, "https://lab.example/",
		"https://lab.example/logo.svg"
}
