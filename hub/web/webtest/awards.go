package webtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/issue"
	"portillon/openbadge"
	"portillon/policy"
)

// Issuing implements web.Issuing for the badges that a site issues.
type Issuing struct{ Site *Site }

// awards is the state of the badges that the site issues.
type awards struct {
	issued []issue.Issued // the newest first
	texts  map[policy.BadgeID]issue.Class

	trainings trainings
	shown     ownBadges
}

// enter locks the site for one call, and checks the permission to issue badges.
func (i Issuing) enter(a actor.Actor) (leave func(), err error) {
	return i.Site.enter(a, actor.AwardBadges, actor.Target{})
}

// classes returns the badges that the site can issue.
func (i Issuing) classes() (out []issue.Class) {
	for _, b := range badges()[:5] {
		c, written := i.Site.awards.texts[b.id]
		if !written {
			c = issue.Class{ID: b.id, Name: b.fr, Level: "user", Machines: []policy.MachineID{"laser"},
				Texts: issue.Texts{Description: b.fr, Criteria: "Montrer une découpe en sécurité"}}
		}
		out = append(out, c)
	}
	return out
}

// class returns one badge that the site can issue.
func (i Issuing) class(id policy.BadgeID) (issue.Class, error) {
	for _, c := range i.classes() {
		if c.ID == id {
			return c, nil
		}
	}
	return issue.Class{}, missing("badge", string(id))
}

// Classes returns the badges that the site can issue.
func (i Issuing) Classes(_ context.Context, a actor.Actor) ([]issue.Class, error) {
	leave, err := i.enter(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	return i.classes(), nil
}

// Class returns one badge that the site can issue.
func (i Issuing) Class(_ context.Context, a actor.Actor, id policy.BadgeID) (issue.Class, error) {
	leave, err := i.enter(a)
	if err != nil {
		return issue.Class{}, err
	}
	defer leave()
	return i.class(id)
}

// SetClass writes the texts of a badge.
func (i Issuing) SetClass(_ context.Context, a actor.Actor, id policy.BadgeID, version int64,
	t issue.Texts) (issue.Class, error) {
	leave, err := i.enter(a)
	if err != nil {
		return issue.Class{}, err
	}
	defer leave()
	c, err := i.class(id)
	switch {
	case err != nil:
		return c, err
	case c.Version != version:
		return c, &fault.Conflict{What: "badge", ID: string(id), Have: c.Version, Got: version}
	case t.Criteria == "":
		return c, bad("criteria", "", "the criteria are missing", "what a member does to earn the badge")
	}
	c.Version, c.Texts = version+1, t
	i.Site.awards.texts[id] = c
	return c, nil
}

// Award issues a badge to members.
func (i Issuing) Award(_ context.Context, a actor.Actor, w issue.Award) ([]issue.Issued, error) {
	leave, err := i.enter(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	if _, err := i.class(w.Badge); err != nil {
		return nil, err
	}
	if w.Why == "" {
		return nil, bad("why", "", "a reason is needed", "1 to 500 bytes")
	}
	var out []issue.Issued
	for _, id := range w.Members {
		m := i.Site.find(id)
		if m == nil {
			return nil, missing("member", string(id))
		}
		m.Badges = append(m.Badges, i.Site.badge(string(id), w.Badge, len(m.Badges)))
		out = append(out, issue.Issued{ID: i.Site.next("aw"), Badge: w.Badge, Member: id, By: a.Name, Why: w.Why,
			Evidence: w.Evidence, At: i.Site.now, Until: w.Until, Undoable: true})
	}
	i.Site.awards.issued = append(out, i.Site.awards.issued...)
	return out, nil
}

// Issued lists the issued badges.
func (i Issuing) Issued(_ context.Context, a actor.Actor, f issue.Filter, _ issue.Page) (out []issue.Issued,
	next string, err error) {
	leave, err := i.enter(a)
	if err != nil {
		return nil, "", err
	}
	defer leave()
	for _, n := range i.Site.awards.issued {
		if (f.Member == "" || n.Member == f.Member) && (f.Badge == "" || n.Badge == f.Badge) {
			out = append(out, n)
		}
	}
	return out, "", nil
}

// find returns the index of an issued badge.
func (i Issuing) find(id string) (int, error) {
	at := slices.IndexFunc(i.Site.awards.issued, func(n issue.Issued) bool { return n.ID == id })
	if at < 0 {
		return at, missing("badge", id)
	}
	return at, nil
}

// Get returns one issued badge.
func (i Issuing) Get(_ context.Context, a actor.Actor, id string) (issue.Issued, error) {
	leave, err := i.enter(a)
	if err != nil {
		return issue.Issued{}, err
	}
	defer leave()
	at, err := i.find(id)
	if err != nil {
		return issue.Issued{}, err
	}
	return i.Site.awards.issued[at], nil
}

// Baked returns a text in place of a picture.
func (i Issuing) Baked(ctx context.Context, a actor.Actor, id string) (string, []byte, error) {
	n, err := i.Get(ctx, a, id)
	return fmt.Sprintf("%s-%s.png", n.Badge, n.ID), []byte("picture"), err
}

// Undo takes an issued badge back.
func (i Issuing) Undo(_ context.Context, a actor.Actor, id string) error {
	return i.withdraw(a, id, issue.Revocation{Undone: true})
}

// Revoke revokes an issued badge.
func (i Issuing) Revoke(_ context.Context, a actor.Actor, id, reason string) error {
	return i.withdraw(a, id, issue.Revocation{Reason: reason})
}

// withdraw revokes an issued badge.
func (i Issuing) withdraw(a actor.Actor, id string, r issue.Revocation) error {
	leave, err := i.enter(a)
	if err != nil {
		return err
	}
	defer leave()
	at, err := i.find(id)
	if err != nil {
		return err
	}
	n := &i.Site.awards.issued[at]
	switch {
	case n.Revoked != nil:
		return bad("badge", id, "the badge is revoked already", "")
	case !r.Undone && r.Reason == "":
		return bad("reason", "", "a reason is needed", "1 to 500 bytes")
	}
	r.At, r.By = i.Site.now, a.Name
	n.Revoked, n.Undoable = &r, false
	return nil
}

// awarded fills the list of issued badges: one of today, one that was revoked, one that is
// public, and one of an erased member.
func (s *Site) awarded() {
	day := func(n int) time.Time { return s.now.AddDate(0, 0, -n) }
	s.awards = awards{texts: map[policy.BadgeID]issue.Class{},
		shown: ownBadges{"aw-karim": "Karim B.", "aw-first": "Karim B."},
		issued: []issue.Issued{
			{ID: "aw-lea", Badge: "laser-user", Member: "m-lea", By: AdminName, Why: "Découpe montrée à l'atelier",
				Evidence: issue.Evidence{Text: "Une boîte", URLs: []string{"https://lab.example/boite"}}, At: s.now,
				Undoable: true},
			{ID: "aw-karim", Badge: "laser-mentor", Member: "m-karim", By: OwnerName, Why: "Deux formations", At: day(90),
				Revoked: &issue.Revocation{At: day(2), By: OwnerName, Reason: "A quitté l'association"}},
			{ID: "aw-first", Badge: "laser-first-steps", Member: "m-karim", By: OwnerName, Why: "Formation", At: day(200),
				Evidence: issue.Evidence{Text: "Découpe laser\n- arrêt d'urgence",
					URLs: []string{"https://lab.example/photo"}}},
			{ID: "aw-gone", Badge: "laser-user", At: day(300)},
		}}
}

// poisonAwards writes text into the issued badges and the texts of a badge.
func (s *Site) poisonAwards(text string) {
	s.awards.issued[0].By, s.awards.issued[0].Why = text, text
	s.awards.issued[0].Evidence = issue.Evidence{Text: text, URLs: []string{text}}
	s.awards.issued[1].Revoked = &issue.Revocation{At: s.now, By: text, Reason: text}
	s.awards.texts["laser-user"] = issue.Class{ID: "laser-user", Version: 1, Name: text, Level: text,
		Texts: issue.Texts{Description: text, Criteria: text,
			Alignments: []openbadge.Alignment{{Name: text, URL: text}}}}
}

// ownBadges is the state of the members' public pages: the name on the page of each badge that is public.
type ownBadges map[string]string

// Own returns the badges of the actor's own member.
func (i Issuing) Own(_ context.Context, a actor.Actor) (out []issue.Own, err error) {
	leave, err := i.Site.enter(a, actor.ReadOwn, actor.Target{Member: a.Member})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, n := range i.Site.awards.issued {
		if n.Member == a.Member {
			out = append(out, i.own(n))
		}
	}
	return out, nil
}

// own returns a badge as its member sees it.
func (i Issuing) own(n issue.Issued) issue.Own {
	c, err := i.class(n.Badge)
	if err != nil {
		c = issue.Class{ID: n.Badge, Name: string(n.Badge)}
	}
	name, shown := i.Site.awards.shown[n.ID]
	n.Why, n.By = "", ""
	return issue.Own{Issued: n, Class: c, Address: "https://hub.lab.example/issuer/badges/" + n.ID, Shown: shown,
		Name: name}
}

// Show switches the public page of a badge of the actor's own member on or off.
func (i Issuing) Show(_ context.Context, a actor.Actor, id string, on bool, name string) error {
	leave, err := i.Site.enter(a, actor.ShowOwnBadge, actor.Target{Member: a.Member})
	if err != nil {
		return err
	}
	defer leave()
	for _, n := range i.Site.awards.issued {
		switch {
		case n.ID != id || n.Member != a.Member:
			continue
		case on && name == "":
			return bad("name", name, "a name for the page is needed", "1 to 100 characters")
		case on:
			i.Site.awards.shown[id] = name
		default:
			delete(i.Site.awards.shown, id)
		}
		return nil
	}
	return missing("badge", id)
}

// Public returns a badge that its member shows to everybody.
func (i Issuing) Public(_ context.Context, id string) (issue.Shown, error) {
	i.Site.mu.Lock()
	defer i.Site.mu.Unlock()
	for _, n := range i.Site.awards.issued {
		x := i.own(n)
		if n.ID != id || !x.Shown {
			continue
		}
		x.Issued.Member = ""
		return issue.Shown{Own: x, Issuer: "BIK'LAB", Data: []byte(`{"id":"` + x.Address + `"}`),
			Picture:     "https://hub.lab.example/issuer/pictures/" + string(n.Badge) + ".png",
			ContentType: "application/vc+ld+json"}, i.Site.broken
	}
	return issue.Shown{}, missing("badge", id)
}

// Verify verifies a badge that its member shows to everybody: each badge that is not revoked is valid.
func (i Issuing) Verify(ctx context.Context, id string) (openbadge.Verdict, error) {
	x, err := i.Public(ctx, id)
	v := openbadge.Verdict{State: openbadge.Valid}
	for _, name := range []string{"form", "proof", "dates", "status"} {
		v.Checks = append(v.Checks, openbadge.Check{Name: name, Outcome: "ok"})
	}
	if x.Own.Issued.Revoked != nil {
		v.State, v.Checks[3].Outcome = openbadge.Invalid, "revoked"
	}
	return v, err
}
