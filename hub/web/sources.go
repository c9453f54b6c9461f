package web

import (
	"portillon/hub/directory"
	"portillon/hub/fault"
)

// importStart is the page on which an import begins: with a file, or with a list that the hub fetches.
type importStart struct {
	Form   form
	Lists  []directory.SourceState
	Faults []fault.Field // why a list could not be fetched or read now
}

// SomeFaults returns the faults that the page lists.
func (p importStart) SomeFaults() []fault.Field { return p.Faults[:min(len(p.Faults), maxChanges)] }

// showImport renders the page on which an import begins.
func (p *importPages) showImport(q *request, status int, f form, faults []fault.Field) error {
	lists, err := p.directory.Sources.FetchedLists(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	return q.render(status, "import", "members", "import.title", importStart{f, lists, faults})
}

// fetchList answers POST /members/import/sources/{name} with the changes that the list would make now.
func (p *importPages) fetchList(q *request) error {
	if _, err := q.values(); err != nil {
		return err
	}
	pre, err := p.directory.Sources.FetchList(ctxOf(q), q.actor, q.r.PathValue("name"))
	if faults := invalid(err); faults != nil {
		return p.showImport(q, 422, importForm(), faults)
	}
	if err != nil {
		return err
	}
	return q.render(200, "preview", "members", "import.title", previewPage{Preview: pre, Fetched: true})
}

// listsForPerson returns the lists that wait for an administrator or fail.
func (p *todayPages) listsForPerson(q *request) (out []directory.SourceState, err error) {
	lists, err := p.directory.Sources.FetchedLists(ctxOf(q), q.actor)
	for _, l := range lists {
		if l.Outcome.NeedsPerson() {
			out = append(out, l)
		}
	}
	return out, ignoreDenied(err)
}
