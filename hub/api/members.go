package api

import (
	"io"
	"net/http"
	"slices"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/httpd"
	"portillon/policy"
)

// member is a directory.Member in the form of the API, with a date such as 2026-09-30.
type member struct {
	directory.Member
	Until string `json:"until,omitempty"`
}

// memberOf converts a member to the form of the API.
func memberOf(m directory.Member) member {
	out := member{Member: m}
	if m.Until != (policy.Date{}) {
		out.Until = m.Until.String()
	}
	return out
}

// oneMember returns the answer with a member. The ETag is the member's version.
func oneMember(m directory.Member) answer {
	return answer{body: memberOf(m), version: m.Version}
}

// memberEdit holds the fields of a member that a client may change.
type memberEdit struct {
	Name      string   `json:"name"`
	Language  string   `json:"language,omitempty"`
	Emails    []string `json:"emails,omitempty"`
	Subjects  []string `json:"subjects,omitempty"`
	Guardians []string `json:"guardians,omitempty"`
	Until     string   `json:"until,omitempty"`
	Blocked   bool     `json:"blocked,omitempty"`
	External  string   `json:"external_id,omitempty"`
}

// newMember is the body of a request to add a member. If the id is empty, the hub chooses one.
type newMember struct {
	ID policy.MemberID `json:"id,omitempty"`
	memberEdit
}

// mergeInput is the body of a request that merges two members.
type mergeInput struct {
	// Drop is the member whose cards, badges and records move to the kept member. Drop is then deleted.
	Drop policy.MemberID `json:"drop"`
}

// note is a note about a member, which only some roles may read.
type note struct {
	Note string `json:"note"`
}

// memberAPI serves the routes of members and of the own record.
type memberAPI struct {
	directory Directory
}

// routes returns the routes of members.
func (s *memberAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/members", Act: actor.ReadMembers, Query: []string{"text", "machine", "badge", "state",
			"cursor", "limit"},
			Answer: list[member]{}, handle: s.listMembers},
		{Method: "POST", Path: "/members", Act: actor.WriteMembers, Body: newMember{}, Answer: member{}, handle: s.addMember},
		{Method: "GET", Path: "/members/{member}", Act: actor.ReadMembers, Answer: member{}, handle: s.getMember},
		{Method: "PATCH", Path: "/members/{member}", Act: actor.WriteMembers, Body: memberEdit{},
			Types:   []string{mergePatchType},
			IfMatch: true, Answer: member{}, handle: s.patchMember},
		{Method: "DELETE", Path: "/members/{member}", Act: actor.EraseMembers, IfMatch: true, handle: s.eraseMember},
		{Method: "POST", Path: "/members/{member}/merge", Act: actor.WriteMembers, Body: mergeInput{}, Answer: member{},
			handle: s.mergeMember},
		{Method: "GET", Path: "/members/{member}/note", Act: actor.ReadNotes, Answer: note{}, handle: s.getNote},
		{Method: "PUT", Path: "/members/{member}/note", Act: actor.ReadNotes, Body: note{}, IfMatch: true, Answer: note{},
			handle: s.putNote},
		{Method: "GET", Path: "/me/record", Act: actor.ReadOwn, Answer: member{}, handle: s.ownRecord},
		{Method: "GET", Path: "/endings", Act: actor.ReadMembers, Answer: list[directory.Ending]{}, handle: s.endings},
	}
}

const mergePatchType = "application/merge-patch+json" // RFC 7396 §4

// listMembers answers with one page of the members that match the filters, sorted by name.
func (s *memberAPI) listMembers(c *call) (answer, error) {
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	filter := directory.Filter{Text: c.query.Get("text"), Machine: policy.MachineID(c.query.Get("machine")),
		Badge: policy.BadgeID(c.query.Get("badge")), State: c.query.Get("state")}
	found, next, err := s.directory.Members.List(c.ctx(), c.actor, filter, directory.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	items := make([]member, len(found))
	for i, m := range found {
		items[i] = memberOf(m)
	}
	return paged(c, items, next), nil
}

// addMember adds a member. The answer is 201 with the member's address.
func (s *memberAPI) addMember(c *call) (answer, error) {
	var in newMember
	if err := c.body(&in); err != nil {
		return answer{}, err
	}
	m := directory.Member{ID: in.ID}
	if err := in.apply(c, &m); err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Add(c.ctx(), c.actor, m)
	if err != nil {
		return answer{}, err
	}
	out := oneMember(m)
	out.status, out.location = http.StatusCreated, pathFor("members", string(m.ID))
	return out, nil
}

// getMember answers with one member.
func (s *memberAPI) getMember(c *call) (answer, error) {
	m, err := s.directory.Members.Get(c.ctx(), c.actor, c.member())
	if err != nil {
		return answer{}, err
	}
	return oneMember(m), nil
}

// patchMember changes a member by a JSON merge patch (RFC 7396). If-Match must name the member's version.
func (s *memberAPI) patchMember(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	patch, err := io.ReadAll(c.r.Body)
	if err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Change(c.ctx(), c.actor, c.member(), version, func(m *directory.Member) error {
		edit, err := patched(editOf(*m), patch, c.lang)
		if err != nil {
			return err
		}
		return edit.apply(c, m)
	})
	if err != nil {
		return answer{}, err
	}
	return oneMember(m), nil
}

// editOf returns the current values of the fields that a patch may change. The lists are copies, because a patch must
// not change those of m.
func editOf(m directory.Member) memberEdit {
	return memberEdit{Name: m.Name, Language: m.Language, Emails: slices.Clone(m.Emails),
		Subjects:  slices.Clone(m.Subjects),
		Guardians: slices.Clone(m.Guardians), Until: memberOf(m).Until, Blocked: m.Blocked, External: m.External}
}

// apply copies the edited fields into a member. The service checks their values.
func (e memberEdit) apply(c *call, m *directory.Member) error {
	var until policy.Date
	if e.Until != "" {
		d, err := policy.ParseDate(e.Until)
		if err != nil || d.Year == 0 {
			return c.invalid("until", e.Until, notADay(), "2026-09-30")
		}
		until = d
	}
	m.Name, m.Language, m.Emails, m.Subjects, m.Guardians = e.Name, e.Language, e.Emails, e.Subjects, e.Guardians
	m.Until, m.Blocked, m.External = until, e.Blocked, e.External
	return nil
}

// notADay returns the text of the fault for a text that is not a date.
func notADay() httpd.Text {
	return httpd.Text{FR: "ce n’est pas une date", EN: "not a date"}
}

// eraseMember erases a member's personal data permanently. The pseudonym stays in the ledger. If-Match must name the
// member's version.
func (s *memberAPI) eraseMember(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.directory.Erasures.Erase(c.ctx(), c.actor, c.member(), version)
}

// mergeMember moves all data of one member to another, and answers with the member who is kept.
func (s *memberAPI) mergeMember(c *call) (answer, error) {
	var in mergeInput
	if err := c.body(&in); err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Merge(c.ctx(), c.actor, c.member(), in.Drop)
	if err != nil {
		return answer{}, err
	}
	return oneMember(m), nil
}

// getNote answers GET /members/{member}/note. It checks the permission itself, because the service would leave the note
// out, which would look like an empty note.
func (s *memberAPI) getNote(c *call) (answer, error) {
	if err := c.actor.May(actor.ReadNotes, c.ofMember()); err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Get(c.ctx(), c.actor, c.member())
	if err != nil {
		return answer{}, err
	}
	return answer{body: note{m.Note}, version: m.Version}, nil
}

// putNote replaces the note about a member. The actor must also have the right to read the note, because the whole note
// is replaced.
func (s *memberAPI) putNote(c *call) (answer, error) {
	if err := c.actor.May(actor.ReadNotes, c.ofMember()); err != nil {
		return answer{}, err
	}
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in note
	if err := c.body(&in); err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Change(c.ctx(), c.actor, c.member(), version, func(m *directory.Member) error {
		m.Note = in.Note
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{body: note{m.Note}, version: m.Version}, nil
}

// ownRecord answers with the data that the hub stores about the actor (GDPR, article 15).
func (s *memberAPI) ownRecord(c *call) (answer, error) {
	m, err := s.directory.Members.Own(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return oneMember(m), nil
}

// endings lists the memberships and badges that end within 30 days or ended within the last year.
func (s *memberAPI) endings(c *call) (answer, error) {
	ends, err := s.directory.Members.Endings(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return listOf(ends), nil
}
