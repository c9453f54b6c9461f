package hub

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store/storetest"
	"portillon/hub/visitor"
	"portillon/policy"
)

// labPolicy is the policy of a lab that accepts one badge of the lab of the example site.
const labPolicy = `portillon: 1
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
`

// A person with another lab's badge gets a card that opens a machine, for one day, and then leaves the hub by itself.
func TestVisitorOfAWholeHub(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts a hub with its broker")
	}
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	c := newConfiguration(t)
	storetest.Place(t, c.Data)
	h, err := New(c, Options{Offline: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ctx, by := t.Context(), actor.Local("root")
	read := func(path string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join("..", "site-example", path))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	badge, desk, keeper := read("badges/lea-laser-user.json"), h.pagesServer.visitors.Desk, h.pagesServer.visitors.Keeper
	current, err := h.services.publish.Policies.Current(ctx, by)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.services.publish.Policies.Publish(ctx, by, labPolicy, "accepts", current.Number, nil); err != nil {
		t.Fatal(err)
	}
	who := visitor.Person{Name: "Léa Martin", Address: "lea@example.org"}
	// The status list is out of reach: nobody can say whether the badge is still valid.
	var refused *visitor.Refused
	if _, err := desk.Bring(ctx, by, visitor.Brought{Data: badge}, who); !errors.As(err, &refused) ||
		refused.Reason != visitor.Undetermined || len(refused.Report.Machines) != 1 {
		t.Fatalf("%v", err)
	}
	if _, err := h.services.directory.Badges.AddBadges(ctx, by, "", "biklab.json",
		read("status/biklab.json")); err != nil {
		t.Fatal(err)
	}
	v, err := desk.Bring(ctx, by, visitor.Brought{Data: badge}, who)
	if err != nil {
		t.Fatal(err)
	}
	if m := v.Report.Machines; len(m) != 1 || m[0].ID != "laser" || m[0].Verdict != "allow" || m[0].Role != policy.User ||
		v.Report.Own || v.Report.Local != "cut" || !v.Report.Recipient.Matches || v.Report.Badge == "" {
		t.Errorf("%+v", v.Report)
	}
	in, err := desk.LetIn(ctx, by, v.ID, v.Version, visitor.Entry{Identity: true, Consent: true, Number: "62E3086CED",
		Until: policy.Date{Year: 2026, Month: 11, Day: 30}})
	if err != nil {
		t.Fatal(err)
	}
	id := in.Stay.Member
	snapshot, err := h.services.directory.Exports.Snapshot(ctx)
	if err != nil || len(snapshot.Members) != 1 || len(snapshot.Members[0].Cards) != 1 || len(snapshot.Badges) != 1 {
		t.Errorf("%+v %v", snapshot, err)
	}
	standing := func() account.Standing {
		t.Helper()
		of, err := h.pagesServer.people().Standing(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return of
	}
	if of := standing(); of != account.Visitor {
		t.Errorf("a visitor is %q", of)
	}
	// The day after, the card is free and the member is blocked. After 30 more days, nothing is left.
	now = now.AddDate(0, 0, 1)
	if err := keeper.Once(ctx); err != nil {
		t.Fatal(err)
	}
	if m, err := h.services.directory.Members.Get(ctx, by, id); err != nil || !m.Blocked || len(m.Cards) != 0 ||
		standing() != account.Blocked {
		t.Errorf("%+v %v", m, err)
	}
	now = now.AddDate(0, 0, 29)
	if err := keeper.Once(ctx); err != nil {
		t.Fatal(err)
	}
	var gone *fault.NotFound
	if _, err := h.services.directory.Members.Get(ctx, by, id); !errors.As(err, &gone) || standing() != "" {
		t.Errorf("%v", err)
	}
	if o, err := desk.List(ctx, by); err != nil || len(o.Inside)+len(o.Past)+len(o.Waiting) != 0 {
		t.Errorf("%+v %v", o, err)
	}
}
