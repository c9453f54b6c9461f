package api

import (
	"net/http"
	"time"

	"portillon/hub/actor"
	"portillon/hub/visitor"
	"portillon/policy"
)

// visitInput is the body of a request that brings a visitor's badge.
type visitInput struct {
	Badge    string `json:"badge"` // https address of the badge, or the badge as JSON or JWT
	Name     string `json:"name"`
	Language string `json:"language"`
	Address  string `json:"address"`
}

// admissionInput is the body of a request that lets a visitor in.
type admissionInput struct {
	Name     string `json:"name"`
	Code     string `json:"code"`
	Identity bool   `json:"identity"`
	Consent  bool   `json:"consent"`
	Tap      string `json:"tap"`
	Number   string `json:"number"`
	Until    string `json:"until"`
}

// visitMachine is what a visitor's badge permits at a machine, with sentences in the language of the response.
type visitMachine struct {
	Machine policy.MachineID `json:"machine"`
	Verdict string           `json:"verdict"`
	Role    string           `json:"role,omitempty"`
	Why     string           `json:"why,omitempty"`
	Next    string           `json:"next,omitempty"`
}

// visit is the JSON form of a visitor.Visit. A visit of a person who was let in contains nothing that names the person.
type visit struct {
	ID       string          `json:"id"`
	Version  int64           `json:"version"`
	Made     time.Time       `json:"made"`
	Name     string          `json:"name,omitempty"`
	Address  string          `json:"address,omitempty"`
	Badge    *visitBadge     `json:"badge,omitempty"`
	Mailed   time.Time       `json:"mailed,omitzero"`
	Proof    visitProof      `json:"proof"`
	Consent  visitConsent    `json:"consent"`
	Member   policy.MemberID `json:"member,omitempty"`
	Until    string          `json:"until,omitempty"`
	Finished visitEnd        `json:"end"`
}

// visitBadge is the badge of a person who waits.
type visitBadge struct {
	Name     string         `json:"name"`
	Issuer   string         `json:"issuer"`
	CountsAs policy.BadgeID `json:"counts_as"`
	Machines []visitMachine `json:"machines"`
}

// visitProof, visitConsent and visitEnd are the steps of a visit. Each is empty until its step is done.
type visitProof struct {
	Kind visitor.Proof `json:"kind,omitempty"`
	At   time.Time     `json:"at,omitzero"`
	By   string        `json:"by,omitempty"`
}

type visitConsent struct {
	Version int64     `json:"version,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

type visitEnd struct {
	Ended time.Time `json:"ended,omitzero"`
	Erase string    `json:"erase,omitempty"`
}

// toVisit converts a visit.
func toVisit(l policy.Language, v visitor.Visit) visit {
	out := visit{ID: v.ID, Version: v.Version, Made: v.Made, Name: v.Name, Address: v.Address, Mailed: v.Mailed,
		Proof: visitProof(v.Proof), Consent: visitConsent(v.Consent), Member: v.Stay.Member}

	if v.Stay.Member != "" {
		out.Until, out.Finished = v.Stay.Until.String(), visitEnd{v.Stay.Ended, v.Stay.Erase.String()}
		return out
	}
	out.Badge = &visitBadge{Name: v.Report.Badge, Issuer: v.Report.Issuer, CountsAs: v.Report.Local,
		Machines: []visitMachine{}}
	for _, m := range v.Report.Machines {
		to := visitMachine{Machine: m.ID, Verdict: m.Verdict, Why: m.Fact.In(l), Next: m.Next.In(l)}
		if m.Verdict != policy.Deny.String() {
			to.Role = m.Role.String()
		}
		out.Badge.Machines = append(out.Badge.Machines, to)
	}
	return out
}

// visitorAPI serves the visits of people with a badge of another lab.
type visitorAPI struct{ desk VisitorDesk }

// routes returns the routes of visits.
func (s *visitorAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/visits", Act: actor.WriteMembers, Answer: list[visit]{}, handle: s.list},
		{Method: "POST", Path: "/visits", Act: actor.WriteMembers, Body: visitInput{}, Answer: visit{}, handle: s.bring},
		{Method: "GET", Path: "/visits/{visit}", Act: actor.WriteMembers, Answer: visit{}, handle: s.get},
		{Method: "DELETE", Path: "/visits/{visit}", Act: actor.WriteMembers, handle: s.dismiss},
		{Method: "POST", Path: "/visits/{visit}/code", Act: actor.WriteMembers, handle: s.mailCode},
		{Method: "POST", Path: "/visits/{visit}/admission", Act: actor.WriteMembers, Body: admissionInput{},
			Answer: visit{}, IfMatch: true, handle: s.letIn},
		{Method: "POST", Path: "/visits/{visit}/end", Act: actor.WriteMembers, handle: s.end},
	}
}

// list returns all visits: of people who wait, who are in, and who have left.
func (s *visitorAPI) list(c *call) (answer, error) {
	all, err := s.desk.List(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	var out []visit
	for _, part := range [][]visitor.Visit{all.Waiting, all.Inside, all.Past} {
		for _, v := range part {
			out = append(out, toVisit(c.lang, v))
		}
	}
	return listAnswer(out), nil
}

// bring verifies a badge and adds a visit.
func (s *visitorAPI) bring(c *call) (answer, error) {
	var in visitInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	v, err := s.desk.Bring(c.ctx(), c.actor, visitor.Brought{Text: in.Badge},
		visitor.Person{Name: in.Name, Language: in.Language, Address: in.Address})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: toVisit(c.lang, v), version: v.Version,
		location: pathFor("visits", v.ID)}, nil
}

// get returns a visit.
func (s *visitorAPI) get(c *call) (answer, error) {
	v, err := s.desk.Get(c.ctx(), c.actor, c.id("visit"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: toVisit(c.lang, v), version: v.Version}, nil
}

// letIn makes the person a member, with the badge and a card.
func (s *visitorAPI) letIn(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in admissionInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	until, err := c.optionalDay("until", in.Until)
	if err != nil {
		return answer{}, err
	}
	v, err := s.desk.LetIn(c.ctx(), c.actor, c.id("visit"), version, visitor.Entry{Name: in.Name, Code: in.Code,
		Identity: in.Identity, Consent: in.Consent, Tap: in.Tap, Number: in.Number, Until: until})
	if err != nil {
		return answer{}, err
	}
	return answer{body: toVisit(c.lang, v), version: v.Version}, nil
}

// mailCode mails a new code to the address of a visit.
func (s *visitorAPI) mailCode(c *call) (answer, error) {
	return answer{}, s.desk.MailCode(c.ctx(), c.actor, c.id("visit"))
}

// dismiss forgets a person whom nobody has let in.
func (s *visitorAPI) dismiss(c *call) (answer, error) {
	return answer{}, s.desk.Dismiss(c.ctx(), c.actor, c.id("visit"))
}

// end ends a visit before its last day.
func (s *visitorAPI) end(c *call) (answer, error) {
	return answer{}, s.desk.End(c.ctx(), c.actor, c.id("visit"))
}
