package web

import (
	"encoding/json"
	"time"

	"portillon/hub/account"
	"portillon/hub/directory"
	"portillon/hub/issue"
	"portillon/hub/report"
	"portillon/hub/training"
	"portillon/policy"
)

// ownData is the data of the page of the user's own data, and of the page on which the user requests the erasure.
type ownData struct {
	directory.Member
	Asked time.Time // time at which the user requested the erasure; zero: the user did not
}

// read returns the user's own data.
func (p *ownPages) read(q *request) (d ownData, err error) {
	if d.Member, err = p.directory.Members.Own(ctxOf(q), q.actor); err != nil {
		return d, err
	}
	d.Asked, err = p.directory.Erasures.Requested(ctxOf(q), q.actor)
	return d, err
}

// data answers GET /me/data.
func (p *ownPages) data(q *request) error {
	d, err := p.read(q)
	if err != nil {
		return err
	}
	return q.render(200, "medata", "me", "me.data", d)
}

// ownRecord is the file that contains everything that the hub stores about the user. The first fields are those of
// GET /api/v1/me/record.
type ownRecord struct {
	directory.Member
	Until    string                `json:"until,omitempty"` // write the date in the form 2027-09-30
	Sessions []report.Use          `json:"sessions,omitempty"`
	Records  []directory.OwnRecord `json:"records,omitempty"`
	Audit    []account.OwnEntry    `json:"audit,omitempty"`
	Erasure  time.Time             `json:"erasure_requested,omitzero"`
	// Issued are the badges that the hub has issued, with their public pages.
	Issued    []issue.Own         `json:"issued,omitempty"`
	Trainings []training.Attended `json:"trainings,omitempty"`
	Waits     []training.Wish     `json:"waits,omitempty"` // trainings for which the member waits
}

// record answers GET /me/record.json.
func (p *ownPages) record(q *request) error {
	d, err := p.read(q)
	if err != nil {
		return err
	}
	out := ownRecord{Member: d.Member, Erasure: d.Asked}
	if d.Until != (policy.Date{}) {
		out.Until = d.Until.String()
	}
	if out.Records, err = p.directory.Own.Records(ctxOf(q), q.actor); err != nil {
		return err
	}
	if p.reports != nil {
		if out.Sessions, err = p.reports.OwnUses(ctxOf(q), q.actor); err != nil {
			return err
		}
	}
	if p.audit != nil {
		if out.Audit, err = p.audit.OwnEntries(ctxOf(q), q.actor); err != nil {
			return err
		}
	}
	if err := p.addTrainings(q, &out); err != nil {
		return err
	}
	data, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return q.download("portillon-"+string(d.ID)+".json", "application/json", append(data, '\n'))
}

// addTrainings adds the issued badges, and the trainings that the user attended or waits for.
func (p *ownPages) addTrainings(q *request, out *ownRecord) (err error) {
	if p.badges != nil {
		if out.Issued, err = p.badges.Own(ctxOf(q), q.actor); err != nil {
			return err
		}
	}
	if p.waiting == nil {
		return nil
	}
	if out.Trainings, err = p.waiting.Attended(ctxOf(q), q.actor); err != nil {
		return err
	}
	wishes, err := p.waiting.Own(ctxOf(q), q.actor)
	for _, x := range wishes {
		if !x.Since.IsZero() {
			out.Waits = append(out.Waits, x)
		}
	}
	return err
}

// askErasure answers GET /me/erasure with the page on which the user confirms the request.
func (p *ownPages) askErasure(q *request) error {
	d, err := p.read(q)
	if err != nil {
		return err
	}
	if !d.Asked.IsZero() {
		return q.redirect("/me/data", "")
	}
	return q.render(200, "meerasure", "me", "me.erasure", d)
}

// requestErasure answers POST /me/erasure.
func (p *ownPages) requestErasure(q *request) error {
	if err := p.directory.Erasures.Request(ctxOf(q), q.actor); err != nil {
		return err
	}
	return q.redirect("/me/data", "erasure-asked")
}

// withdrawErasure answers POST /me/erasure/withdraw.
func (p *ownPages) withdrawErasure(q *request) error {
	if err := p.directory.Erasures.Withdraw(ctxOf(q), q.actor); err != nil {
		return err
	}
	return q.redirect("/me/data", "erasure-withdrawn")
}
