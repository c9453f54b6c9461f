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

// member is the JSON form of a directory.Member, in which dates have the format 2026-09-30.
type member struct {
	directory.Member
	Until string `json:"until,omitempty"`
}

// memberOf converts a directory.Member to the JSON form.
func memberOf(m directory.Member) member {
	out := member{Member: m}
	if m.Until != (policy.Date{}) {
		out.Until = m.Until.String()
	}
	return out
}

// memberAnswer returns the response that contains a member. The response's ETag is the member's version.
func memberAnswer(m directory.Member) answer {
	return answer{body: memberOf(m), version: m.Version}
}

// memberEdit contains the fields of a member that a client may change.
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

// newMember is the body of a request to add a member. If the id is empty, the hub chooses an id.
type newMember struct {
	ID policy.MemberID `json:"id,omitempty"`
	memberEdit
}

// mergeInput is the body of a request that merges two members.
type mergeInput struct {
	// Drop is the member whose cards, badges and records move to the other member. After the merge, Drop is deleted.
	Drop policy.MemberID `json:"drop"`
}

// note is a note about a member. Only some roles may read notes.
type note struct {
	Note string `json:"note"`
}

// memberAPI serves the routes of members, and the route of the user's own data.
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
		{Method: "GET", Path: "/me/record", Act: actor.ReadOwn, Answer: member{}, handle: s.getOwnRecord},
		{Method: "GET", Path: "/endings", Act: actor.ReadMembers, Answer: list[directory.Ending]{}, handle: s.listEndings},
	}
}

const mergePatchType = "application/merge-patch+json" // RFC 7396 §4

// listMembers returns one page of the members that match the filters, sorted by name.
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
	return pageAnswer(c, items, next), nil
}

// addMember adds a member. The response is 201 with the member's URL.
func (s *memberAPI) addMember(c *call) (answer, error) {
	var in newMember
	if err := c.decodeBody(&in); err != nil {
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
	out := memberAnswer(m)
	out.status, out.location = http.StatusCreated, pathFor("members", string(m.ID))
	return out, nil
}

// getMember returns the member in the path.
func (s *memberAPI) getMember(c *call) (answer, error) {
	m, err := s.directory.Members.Get(c.ctx(), c.actor, c.member())
	if err != nil {
		return answer{}, err
	}
	return memberAnswer(m), nil
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
		edit, err := applyPatch(editOf(*m), patch, c.lang)
		if err != nil {
			return err
		}
		return edit.apply(c, m)
	})
	if err != nil {
		return answer{}, err
	}
	return memberAnswer(m), nil
}

// editOf returns the current values of the fields that a patch may change. The lists are copies, because a patch must
// not change the lists of m.
func editOf(m directory.Member) memberEdit {
	return memberEdit{Name: m.Name, Language: m.Language, Emails: slices.Clone(m.Emails),
		Subjects:  slices.Clone(m.Subjects),
		Guardians: slices.Clone(m.Guardians), Until: memberOf(m).Until, Blocked: m.Blocked, External: m.External}
}

// apply copies the edited fields into a member. The service checks the values.
func (e memberEdit) apply(c *call, m *directory.Member) error {
	var until policy.Date
	if e.Until != "" {
		d, err := policy.ParseDate(e.Until)
		if err != nil || d.Year == 0 {
			return c.invalid("until", e.Until, invalidDate(), "2026-09-30")
		}
		until = d
	}
	m.Name, m.Language, m.Emails, m.Subjects, m.Guardians = e.Name, e.Language, e.Emails, e.Subjects, e.Guardians
	m.Until, m.Blocked, m.External = until, e.Blocked, e.External
	return nil
}

// invalidDate returns the text of the fault for a value that is not a date.
func invalidDate() httpd.Text {
	return httpd.Text{FR: "ce n’est pas une date", EN: "not a date"}
}

// eraseMember erases a member's personal data permanently. After the erasure, the ledger contains only the member's
// pseudonym. If-Match must name the member's version.
func (s *memberAPI) eraseMember(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.directory.Erasures.Erase(c.ctx(), c.actor, c.member(), version)
}

// mergeMember moves all data of one member to another member, and returns the other member.
func (s *memberAPI) mergeMember(c *call) (answer, error) {
	var in mergeInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Merge(c.ctx(), c.actor, c.member(), in.Drop)
	if err != nil {
		return answer{}, err
	}
	return memberAnswer(m), nil
}

// getNote returns the note about a member. getNote checks the permission itself: for an actor without the permission
// the service omits the note, so that the client would see an empty note.
func (s *memberAPI) getNote(c *call) (answer, error) {
	if err := c.actor.May(actor.ReadNotes, c.memberTarget()); err != nil {
		return answer{}, err
	}
	m, err := s.directory.Members.Get(c.ctx(), c.actor, c.member())
	if err != nil {
		return answer{}, err
	}
	return answer{body: note{m.Note}, version: m.Version}, nil
}

// putNote replaces the note about a member. The actor must also have the permission to read the note, because the new
// note replaces the whole text.
func (s *memberAPI) putNote(c *call) (answer, error) {
	if err := c.actor.May(actor.ReadNotes, c.memberTarget()); err != nil {
		return answer{}, err
	}
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in note
	if err := c.decodeBody(&in); err != nil {
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

// getOwnRecord returns the data that the hub stores about the actor (GDPR, article 15).
func (s *memberAPI) getOwnRecord(c *call) (answer, error) {
	m, err := s.directory.Members.Own(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return memberAnswer(m), nil
}

// listEndings lists the memberships and badges that end within 30 days or ended within the last year.
func (s *memberAPI) listEndings(c *call) (answer, error) {
	ends, err := s.directory.Members.Endings(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return listAnswer(ends), nil
}
