package api

import (
	"io"
	"mime"
	"net/http"

	"portillon/hub/actor"
)

// settingsEdit contains the settings that a client may change.
type settingsEdit struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Contact  string `json:"contact,omitempty"`

	MailLinks bool `json:"mail_links"`
}

// hubAPI serves the routes of the hub's settings and state.
type hubAPI struct {
	hub Hub
}

// routes returns the routes of the hub's state and settings.
func (s *hubAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/hub", Act: actor.WriteSettings, Answer: State{}, handle: s.getState},
		{Method: "GET", Path: "/settings", Act: actor.WriteSettings, Answer: Settings{}, handle: s.getSettings},
		{Method: "PATCH", Path: "/settings", Act: actor.WriteSettings, Body: settingsEdit{}, Types: []string{mergePatchType},
			IfMatch: true,
			Answer:  Settings{}, handle: s.patchSettings},
	}
}

// getState returns the state of the hub.
func (s *hubAPI) getState(c *call) (answer, error) {
	st, err := s.hub.State(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: st}, nil
}

// getSettings returns the site's settings. The ETag is the version of the settings.
func (s *hubAPI) getSettings(c *call) (answer, error) {
	v, err := s.hub.Settings(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: v, version: v.Version}, nil
}

// patchSettings changes the settings by a JSON merge patch (RFC 7396). If-Match must name the version of the settings.
func (s *hubAPI) patchSettings(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	patch, err := io.ReadAll(c.r.Body)
	if err != nil {
		return answer{}, err
	}
	v, err := s.hub.ChangeSettings(c.ctx(), c.actor, version, func(v *Settings) error {
		edit, err := applyPatch(settingsEdit{v.Name, v.Language, v.Contact, v.MailLinks}, patch, c.lang)
		if err != nil {
			return err
		}
		v.Name, v.Language, v.Contact, v.MailLinks = edit.Name, edit.Language, edit.Contact, edit.MailLinks
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{body: v, version: v.Version}, nil
}

// isJSON reports whether the body of a request is JSON.
func isJSON(r *http.Request) bool {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && got == jsonType
}
