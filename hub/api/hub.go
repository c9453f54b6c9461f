package api

import (
	"io"
	"mime"
	"net/http"

	"portillon/hub/actor"
)

// settingsEdit is what a change of the settings may name.
type settingsEdit struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Contact  string `json:"contact,omitempty"`

	MailLinks bool `json:"mail_links"`
}

func (s *API) hubRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/hub", Act: actor.WriteSettings, Answer: State{}, handle: s.state},
		{Method: "GET", Path: "/settings", Act: actor.WriteSettings, Answer: Settings{}, handle: s.settings},
		{Method: "PATCH", Path: "/settings", Act: actor.WriteSettings, Body: settingsEdit{}, Types: []string{mergePatchType},
			IfMatch: true,
			Answer:  Settings{}, handle: s.patchSettings},
	}
}

func (s *API) state(c *call) (answer, error) {
	st, err := s.o.Hub.State(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: st}, nil
}

func (s *API) settings(c *call) (answer, error) {
	v, err := s.o.Hub.Settings(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: v, version: v.Version}, nil
}

func (s *API) patchSettings(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	patch, err := io.ReadAll(c.r.Body)
	if err != nil {
		return answer{}, err
	}
	v, err := s.o.Hub.ChangeSettings(c.ctx(), c.actor, version, func(v *Settings) error {
		edit, err := patched(settingsEdit{v.Name, v.Language, v.Contact, v.MailLinks}, patch, c.lang)
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

func isJSON(r *http.Request) bool {
	got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && got == jsonType
}
