package daemon

import (
	"context"
	"strings"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/wire"
)

// recordForm records a form in the name of its members, who are at the machine.
func (p *PanelActions) recordForm(ctx context.Context, f form, e panel.Entry) error {
	if f.Do == panel.OpenReport && !p.model.forms.mayReport(reportKey{id: f.by}) {
		return panel.TooMany
	}
	if err := p.engine.keepPhoto(e); err != nil {
		return err
	}
	n := p.cfg.Journal.Len()
	switch f.Do {
	case panel.OpenLog:
		id := p.model.attestID(e.Item)
		p.engine.apply(
			ctx,
			session.Log{
				What:     e.Item,
				Minutes:  e.Minutes,
				Note:     e.Note,
				Parts:    e.Parts,
				Photo:    e.Photo.Name,
				Session:  f.session,
				By:       f.by,
				Endorser: f.endorser,
				ID:       id,
				Attested: id != "" && f.opener == f.endorser,
			},
		) // true if the member who opened the form is at the machine
	case panel.OpenReport:
		r := session.Report{
			By:   f.by,
			Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name},
			Now:  e.Now,
		}
		if r.Body.What == wire.Dangerous {
			r.Tag = p.tagFor(f, e)
		}
		p.engine.apply(ctx, r)
	case panel.OpenTag:
		p.engine.apply(ctx, session.AddTag{Tag: p.tagFor(f, e), Now: e.Now})
	}
	if err := p.engine.requireWrittenSince(n); err != nil {
		return err
	}
	if f.Do == panel.OpenLog {
		p.periodic.upkeep(ctx)
	}
	return nil
}

// tagFor returns the tag that a form adds. The reason of the tag is the problem's name, followed by the text of the
// form. All dangers that one member reports share one tag id. For any other form, the tag id is computed from the
// form's token. Therefore a repeated report, or a form that is sent twice, adds no second tag.
func (p *PanelActions) tagFor(f form, e panel.Entry) session.Tag {
	reason := p.model.rules.inSiteLanguage(panel.ProblemName(e.Item))
	if line, _, _ := strings.Cut(e.Note, "\n"); line != "" {
		if e.Item == string(wire.Dangerous) {
			line = reason + ", " + line
		}
		reason = line
	}
	id := "form-" + f.Token[:8]
	if f.Do == panel.OpenReport {
		id = "danger-" + string(f.by)
	}
	return session.Tag{ID: id, By: f.by, Role: f.role, Reason: truncate(reason, 120), Since: p.cfg.Now()}
}

// truncate returns at most the given number of bytes of a text, ending at a whole character.
func truncate(s string, most int) string {
	for len(s) > most {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}
