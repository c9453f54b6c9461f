package api

import (
	"net/http"

	"portillon/hub/actor"
	"portillon/hub/directory"
)

// sourceRoutes returns the routes of the lists that the hub fetches from other programs. The preview of a fetched list
// is confirmed and applied as the preview of a file.
func (s *importAPI) sourceRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/sources", Act: actor.WriteMembers, Answer: list[directory.SourceState]{},
			handle: s.listSources},
		{Method: "POST", Path: "/sources/{source}/preview", Act: actor.WriteMembers, Answer: directory.Preview{},
			handle: s.previewSource},
	}
}

// listSources returns the lists with the outcome of their last run.
func (s *importAPI) listSources(c *call) (answer, error) {
	found, err := s.directory.Sources.FetchedLists(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	for i := range found {
		found[i].Why = s.texts.words.In(langOf(c.lang), found[i].Why)
	}
	return listAnswer(found), nil
}

// previewSource fetches a list now and returns the changes that the list would cause.
func (s *importAPI) previewSource(c *call) (answer, error) {
	p, err := s.directory.Sources.FetchList(c.ctx(), c.actor, c.id("source"))
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: s.texts.translatePreview(c.lang, p)}, nil
}
