package directory

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/wire"
)

// visitPolicy is the policy of a lab that accepts one badge of the lab of the example site as its badge cut.
const visitPolicy = `portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
issuers:
  home: { name: Home, keys: ["did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"] }
  biklab: { name: "BIK'LAB", keys: ["did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy"] }
badges:
  cut:
    name: { fr: Découpe, en: Cutting }
    issuer: home
    achievement: https://home.example/cut
    accepts: [{ issuer: biklab, achievement: https://lab.example/obv3/achievements/laser-user }]
roles: [learner, user, host, mentor, maintainer]
machines:
  laser:
    name: { fr: Laser, en: Laser }
    grants: [{ role: user, needs: cut }]
  press:
    name: { fr: Presse, en: Press }
    grants: [{ role: maintainer, needs: cut }]
`

// visitWorld returns a lab that accepts the badges of the example site, with a resolver that serves the site's status
// list as long as online is true.
func visitWorld(t *testing.T) (w *world, online *bool, badge []byte) {
	t.Helper()
	w = newWorld(t)
	p, err := file.Parse("policy.yaml", []byte(visitPolicy))
	if err != nil {
		t.Fatal(err)
	}
	list := must[[]byte](t)(os.ReadFile(example + "/status/biklab.json"))
	badge = must[[]byte](t)(os.ReadFile(example + "/badges/lea-laser-user.json"))
	w.policy, online = p, new(bool)
	*online = true
	w.remake(func(o *Options) {
		o.Fetch = func(context.Context) openbadge.Resolver {
			return resolver(func(url string) ([]byte, error) {
				switch {
				case !*online:
					return nil, errors.New("out of reach")
				case url == "https://lab.example/badge":
					return badge, nil
				}
				return list, nil
			})
		}
	})
	return w, online, badge
}

// admission returns an admission of the example's member Léa with a card.
func admission(badge []byte) Admission {
	return Admission{Name: "Léa Martin", Language: "en", Email: "lea@example.org",
		Until: policy.Date{Year: 2026, Month: 11, Day: 23}, Badge: Brought{Name: "lea.json", Data: badge},
		Number: "62E3086CED",
		Also:   func(context.Context, *store.Tx, policy.MemberID) error { return nil }}
}

func examine(t *testing.T, w *world, b Brought, address string) Examined {
	t.Helper()
	return must[Examined](t)(w.Visitors().Examine(t.Context(), owner, b, address))
}

func TestVisitorsBadgeIsShownAgainstWhatThePolicyAccepts(t *testing.T) {
	w, online, badge := visitWorld(t)
	x := examine(t, w, Brought{Name: "lea.json", Data: badge}, "lea@example.org")
	if x.Badge.Verdict != "valid" || x.Why != "" || x.Badge.Local != "cut" || len(x.Matches) != 1 ||
		x.Matches[0].Other == nil ||
		!x.IsRecipient || !x.Hashed || len(x.Addresses) != 0 || x.Subject != "" || x.Holder != "" || x.File != "lea.json" ||
		x.Badge.ID != wire.Hash(badge) {
		t.Fatalf("%+v", x)
	}
	// The badge opens the laser, but maintains no machine.
	if len(x.Machines) != 2 || x.Machines[0].Machine != "laser" || x.Machines[0].Verdict != policy.Allow ||
		x.Machines[0].Role != policy.User || x.Machines[1].Verdict != policy.Deny || x.Machines[1].Why.Fact.EN == "" {
		t.Errorf("%+v", x.Machines)
	}
	if y := examine(t, w, Brought{Data: badge}, "tom@example.org"); y.IsRecipient ||
		y.Machines[0].Verdict != policy.Allow {
		t.Errorf("%+v", y)
	}
	if y := examine(t, w, Brought{Data: badge}, ""); y.IsRecipient {
		t.Error("nobody is the recipient")
	}
	if y := examine(t, w, Brought{URL: "https://lab.example/badge", Data: []byte("ignored")},
		""); y.Badge.Verdict != "valid" ||
		y.File != "badge" || !bytes.Equal(y.Data, badge) || y.Badge.From != "https://lab.example/badge" {
		t.Errorf("%+v", y)
	}
	if _, err := w.Visitors().Examine(t.Context(), owner, Brought{URL: "http://lab.example/badge"},
		""); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
	// Nothing is stored by an examination, so a list that is out of reach leaves the status unknown.
	*online = false
	if y := examine(t, w, Brought{Data: badge}, ""); y.Badge.Verdict != "indeterminate" || y.Why == "" ||
		y.Machines[0].Verdict != policy.Deny {
		t.Errorf("%+v", y)
	}
	if _, err := w.Visitors().Examine(t.Context(), owner, Brought{URL: "https://lab.example/badge"},
		""); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
}

func TestVisitorsFileThatIsNoBadgeIsToldSo(t *testing.T) {
	w, _, badge := visitWorld(t)
	forged := bytes.Replace(badge, []byte("laser-user\""), []byte("laser-mentor\""), 1)
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "a ZIP": []byte("PK\x03\x04"),
		"a bomb in a PNG": pngBomb(), "deep JSON": bytes.Repeat([]byte(`{"a":`), 100_000), "no badge": []byte("{}")} {
		x := examine(t, w, Brought{Data: data}, "lea@example.org")
		if x.Badge.Verdict != "invalid" || x.Badge.Issuer != "" || x.IsRecipient || len(x.Machines) > 0 || x.Why == "" {
			t.Errorf("%s: %+v", name, x)
		}
	}
	x := examine(t, w, Brought{Data: forged}, "lea@example.org")
	if x.Badge.Verdict != "invalid" {
		t.Errorf("%+v", x)
	}
	for _, m := range x.Machines {
		if m.Verdict != policy.Deny {
			t.Errorf("a forged badge opens %s", m.Machine)
		}
	}
	w.policy = nil
	if x := examine(t, w, Brought{Data: badge}, ""); len(x.Machines) > 0 || len(x.Matches) > 0 ||
		x.Badge.Verdict == "valid" {
		t.Errorf("without a policy: %+v", x)
	}
}

// pngBomb returns the beginning of a PNG whose text expands to far more than its size.
func pngBomb() []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	b.Write([]byte{0x7f, 0xff, 0xff, 0xff})
	b.WriteString("iTXtopenbadges\x00\x01\x00\x00\x00")
	return b.Bytes()
}

func TestVisitorIsAddedWholeOrNotAtAll(t *testing.T) {
	w, _, badge := visitWorld(t)
	also := 0
	x := admission(badge)
	x.Also = func(_ context.Context, _ *store.Tx, id policy.MemberID) error { also++; return nil }
	id, err := w.Visitors().Admit(t.Context(), owner, x)
	if err != nil || also != 1 {
		t.Fatalf("%v, %d calls", err, also)
	}
	m := w.member(id)
	if m.Name != "Léa Martin" || m.Language != "en" || !slices.Equal(m.Emails, []string{"lea@example.org"}) ||
		m.Until != x.Until || len(m.Cards) != 1 || m.Cards[0].Number != "62E3086CED" || m.Cards[0].State != Active ||
		!m.Cards[0].Since.Equal(w.now) || len(m.Badges) != 1 || m.Badges[0].Verdict != "valid" ||
		m.Badges[0].Local != "cut" ||
		m.Badges[0].File != "badges/lea.json" {
		t.Errorf("%+v", m)
	}
	if b := w.build(); b.Counted != 1 || len(b.Errors) > 0 {
		t.Errorf("in a bundle: %d count, %q", b.Counted, b.Errors)
	}
	if text := strings.Join(w.audit, "; "); !strings.Contains(text, "visitor let in until 2026-11-23") ||
		strings.Contains(text, "Martin") || strings.Contains(text, "lea@") {
		t.Error(text)
	}
	if y := examine(t, w, Brought{Data: badge}, ""); y.Holder != id {
		t.Errorf("the badge's holder is %q", y.Holder)
	}
}

func TestVisitorIsRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*testing.T, *world)
		change func(*Admission)
		field  string
		part   string // part of the sentence
	}{
		"another address": {nil, func(x *Admission) { x.Email = "tom@example.org" }, "badge", "somebody else"},
		"no address":      {nil, func(x *Admission) { x.Email = "" }, "badge", "somebody else"},
		"not a badge":     {nil, func(x *Admission) { x.Badge.Data = []byte("x") }, "badge", "not a badge"},
		"a random number": {nil, func(x *Admission) { x.Number = "08A1B2C3" }, "number", "begins with 08"},
		"no card":         {nil, func(x *Admission) { x.Number = "" }, "number", ""},
		"no name":         {nil, func(x *Admission) { x.Name = "" }, "name", ""},
		"a member's card": {func(t *testing.T, w *world) { giveCard(t, w, "62E3086CED") }, nil, "number",
			"belongs to a member"},
		"a member's email": {func(_ *testing.T, w *world) { w.add("Léa", "LEA@example.org") }, nil, "email",
			"has this address"},
		"a list out of reach": {func(t *testing.T, w *world) { w.remake(func(o *Options) { o.Fetch = nil }) }, nil, "badge",
			"not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, badge := visitWorld(t)
			if c.before != nil {
				c.before(t, w)
			}
			n := len(members(t, w))
			x := admission(badge)
			if c.change != nil {
				c.change(&x)
			}
			_, err := w.Visitors().Admit(t.Context(), owner, x)
			if f := invalid(err); len(f) != 1 || f[0].Field != c.field || !strings.Contains(f[0].Wrong, c.part) ||
				f[0].Right == "" {
				t.Errorf("%v", err)
			}
			if after := len(members(t, w)); after != n {
				t.Errorf("%d members, was %d", after, n)
			}
		})
	}
}

// members returns all members.
func members(t *testing.T, w *world) []Member {
	t.Helper()
	list, _, err := w.Members.List(t.Context(), owner, Filter{}, Page{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// giveCard adds a member with a card.
func giveCard(t *testing.T, w *world, number string) {
	t.Helper()
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, w.add("Tom").ID, Card{Number: number}))
}

// An error of another package, such as a visit that was changed meanwhile, leaves no member behind. Neither does a
// badge or an address that a member got between the examination and the admission.
func TestVisitorIsNotAddedIfSomethingChangedMeanwhile(t *testing.T) {
	w, _, badge := visitWorld(t)
	x := admission(badge)
	conflict := &fault.Conflict{What: "visit"}
	x.Also = func(context.Context, *store.Tx, policy.MemberID) error { return conflict }
	if _, err := w.Visitors().Admit(t.Context(), owner, x); !errors.Is(err, conflict) || len(members(t, w)) > 0 {
		t.Errorf("%v, %d members", err, len(members(t, w)))
	}
	must[policy.MemberID](t)(w.Visitors().Admit(t.Context(), owner, admission(badge)))
	again := admission(badge)
	again.Number = "62E3086CEE"
	if _, err := w.Visitors().Admit(t.Context(), owner, again); len(invalid(err)) != 1 || len(members(t, w)) != 1 {
		t.Errorf("the badge was used twice: %v", err)
	}
	m := members(t, w)[0]
	must[Member](t)(w.Members.Change(t.Context(), owner, m.ID, m.Version,
		func(m *Member) error { m.Emails = []string{"other@example.org"}; return nil }))
	if _, err := w.Visitors().Admit(t.Context(), owner, again); len(invalid(err)) != 1 ||
		!strings.Contains(err.Error(), "is the member's already") || len(members(t, w)) != 1 {
		t.Errorf("a member's badge was used: %v", err)
	}
}

func TestVisitorsCardIsThatOfATap(t *testing.T) {
	w, _, badge := visitWorld(t)
	card := wire.EnrolCard{Card: strings.Repeat("ab", 32), Code: "K7QD2M"}
	w.remake(func(o *Options) {
		o.Taps = tapsAt(UnknownTap{EnrolCard: card, Machine: "laser", At: w.now.Add(-time.Minute), Seq: 1},
			UnknownTap{Machine: "laser", At: w.now.Add(-time.Hour), Seq: 2})
	})
	taps, _, err := w.Taps.Unknown(t.Context(), owner, Page{})
	if err != nil || len(taps) != 2 {
		t.Fatalf("%+v %v", taps, err)
	}
	x := admission(badge)
	x.Tap, x.Number = "t-none", ""
	var gone *fault.NotFound
	if _, err := w.Visitors().Admit(t.Context(), owner, x); !errors.As(err, &gone) {
		t.Errorf("%v", err)
	}
	x.Tap = taps[1].ID
	if _, err := w.Visitors().Admit(t.Context(), owner, x); len(invalid(err)) != 1 {
		t.Errorf("a card that the machine did not seal: %v", err)
	}
	x.Tap = taps[0].ID
	id := must[policy.MemberID](t)(w.Visitors().Admit(t.Context(), owner, x))
	if c := w.member(id).Cards; len(c) != 1 || c[0].Number != hmacPrefix+card.Card || c[0].State != Active ||
		c[0].Last != lastDigits(hmacPrefix+card.Card) {
		t.Errorf("%+v", c)
	}
	noTaps := actor.Actor{Account: "x", Site: actor.Owner,
		Scopes: []actor.Act{actor.WriteMembers, actor.WriteBadges, actor.WriteCards}}
	var denied *actor.Denied
	if _, err := w.Visitors().Admit(t.Context(), noTaps, x); !errors.As(err, &denied) || denied.Act != actor.ReadTaps {
		t.Errorf("%v", err)
	}
}

func TestEndOfAVisitBlocksTheMemberAndFreesTheCard(t *testing.T) {
	w, _, badge := visitWorld(t)
	id := must[policy.MemberID](t)(w.Visitors().Admit(t.Context(), owner, admission(badge)))
	if err := w.Visitors().End(t.Context(), owner, id); err != nil {
		t.Fatal(err)
	}
	if m := w.member(id); !m.Blocked || len(m.Cards) != 0 || len(m.Badges) != 1 {
		t.Errorf("%+v", m)
	}
	giveCard(t, w, "62E3086CED") // the card can be given to another person
	if err := w.Visitors().End(t.Context(), owner, id); err != nil {
		t.Errorf("a second end: %v", err)
	}
	var gone *fault.NotFound
	if err := w.Visitors().End(t.Context(), owner, "m-none"); !errors.As(err, &gone) {
		t.Errorf("%v", err)
	}
}

func TestVisitorsNeedTheRightsOfTheDirectory(t *testing.T) {
	w, _, badge := visitWorld(t)
	all := []actor.Act{actor.WriteMembers, actor.WriteBadges, actor.WriteCards}
	id := must[policy.MemberID](t)(w.Visitors().Admit(t.Context(),
		actor.Actor{Account: "x", Site: actor.Owner, Scopes: all}, admission(badge)))
	for i, act := range all {
		a := actor.Actor{Account: "x", Site: actor.Owner, Scopes: slices.Delete(slices.Clone(all), i, i+1)}
		var denied *actor.Denied
		if _, err := w.Visitors().Admit(t.Context(), a, admission(badge)); !errors.As(err, &denied) || denied.Act != act {
			t.Errorf("admit without %s: %v", act, err)
		}
		if err := w.Visitors().End(t.Context(), a, id); act != actor.WriteBadges && !errors.As(err, &denied) {
			t.Errorf("end without %s: %v", act, err)
		}
		_, err := w.Visitors().Examine(t.Context(), a, Brought{Data: badge}, "")
		if (act == actor.WriteBadges) != errors.As(err, &denied) {
			t.Errorf("examine without %s: %v", act, err)
		}
	}
}

// Badges that other projects have made are examined as stored badges are.
func TestBadgesOfOtherProjectsAreExamined(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(otherProjects(t, "second"), "*", "trust.yaml"))
	if err != nil || len(dirs) < 14 {
		t.Fatalf("%d cases: %v", len(dirs), err)
	}
	valid := 0
	for _, trust := range dirs {
		dir := filepath.Dir(trust)
		files, _ := filepath.Glob(filepath.Join(dir, "badge.*"))
		data := must[[]byte](t)(os.ReadFile(files[0]))
		w := newWorld(t)
		w.policy, w.now = policyTrusting(t, trust), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		var web folder
		for _, sub := range []string{"documents", "status"} {
			if d, err := openbadge.OpenDirectory(filepath.Join(dir, sub)); err == nil {
				web = append(web, d)
			}
		}
		w.remake(func(o *Options) { o.Fetch = func(context.Context) openbadge.Resolver { return web } })
		x := examine(t, w, Brought{Name: filepath.Base(files[0]), Data: data}, "member@example.org")
		if x.Badge.Verdict == "valid" {
			valid++
		}
		named := len(x.Addresses) > 0 || x.Hashed || x.Subject != ""
		if x.Badge.Verdict == "valid" && !named && !strings.Contains(dir, "no-identifier-no-id") {
			t.Errorf("%s names no recipient: %+v", filepath.Base(dir), x)
		}
		if len(x.Matches) > 0 || x.Badge.Local != "" {
			t.Errorf("%s is accepted by a policy without badges", filepath.Base(dir))
		}
	}
	if valid < 10 {
		t.Errorf("%d of %d badges are valid", valid, len(dirs))
	}
}

func TestRecipientOfABadgeIsReadFromAllItsForms(t *testing.T) {
	id := func(kind, hash string, hashed bool) openbadge.Identity {
		return openbadge.Identity{Type: kind, Hash: hash, Hashed: hashed}
	}
	for name, c := range map[string]struct {
		b         openbadge.Badge
		addresses []string
		hashed    bool
		subject   string
	}{
		"a mail address as the subject": {openbadge.Badge{Subject: "mailto:a@b", Identifiers: []openbadge.Identity{
			id("email", "a@b", false), id("emailAddress", "c@d", false)}}, []string{"a@b", "c@d"}, false, ""},
		"a DID and a hash": {openbadge.Badge{Subject: "did:x", Identifiers: []openbadge.Identity{
			id("emailAddress", "sha256$1", true)}}, nil, true, "did:x"},
		"another kind of identity": {openbadge.Badge{Identifiers: []openbadge.Identity{id("nationalId", "1", false)}}, nil,
			false, ""},
	} {
		addresses, hashed, subject := recipientOf(&c.b)
		if !slices.Equal(addresses, c.addresses) || hashed != c.hashed || subject != c.subject {
			t.Errorf("%s: %q %t %q", name, addresses, hashed, subject)
		}
	}
	if idOf([]byte("x")) != wire.Hash([]byte("x")) || len(idOf(nil)) != hex.EncodedLen(32) {
		t.Error("the id of a badge is not its SHA-256")
	}
}
