package hub

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/issue"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/training"
	"portillon/policy"
	"portillon/wire"
)

// trainingHub returns a hub with the example policy that issues badges, and the machine that it trains at.
func trainingHub(t *testing.T) (*Hub, *ledgertest.Machine) {
	t.Helper()
	laser := ledgertest.New(t, "biklab", "laser")
	c := newConfiguration(t, func(c *Config) {
		c.Machines = []MachineConfig{{ID: "laser", Key: laser.Key, Public: laser.VKey}}
		key, err := os.ReadFile("../site-example/keys/DEMO-ONLY-issuer.json")
		if err != nil {
			t.Fatal(err)
		}
		c.Web.URL = &url.URL{Scheme: "https", Host: "hub.lab.example"}
		c.Issuer.Key = filepath.Join(t.TempDir(), "issuer.key")
		if err := os.WriteFile(c.Issuer.Key, key, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	h := openHub(t, c)
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	now, err := h.Publishing().Policies.Current(t.Context(), actor.Local("test"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Publishing().Policies.Publish(t.Context(), actor.Local("test"), string(text), "first", now.Number,
		nil); err != nil {
		t.Fatal(err)
	}
	return h, laser
}

// karim is the mentor of the laser cutter.
var karim = actor.Actor{Account: "a-karim", Name: "karim", Member: "m-karim", Site: actor.Member,
	Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}

func TestFourPeopleOfATrainingReceiveTheBadge(t *testing.T) {
	h, laser := trainingHub(t)
	ctx, by, s := t.Context(), actor.Local("test"), h.Trainings()
	var members []policy.MemberID
	for _, name := range []string{"Léa Morvan", "Tom Le Goff", "Zoé Petit"} {
		m, err := h.Directory().Members.Add(ctx, by, directory.Member{Name: name,
			Emails: []string{strings.ToLower(strings.Fields(name)[1]) + "@example.org"}})
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m.ID)
	}
	if err := s.SetChecks(ctx, by, training.Checks{Badge: "laser-user", Items: []string{"fire", "focus"}}); err != nil {
		t.Fatal(err)
	}
	x, err := s.Open(ctx, karim, "laser", "laser-user")
	if err != nil {
		t.Fatal(err)
	}
	// Two members are refused at the machine, one uses it with a mentor, and an unknown card is tapped. A tap with an
	// untrusted clock does not count, because nobody knows when it was.
	sealed, err := wire.SealCard(h.cards.renewSeal(), "biklab", "laser", wire.EnrolCard{Code: "7F3K9Q",
		Card: h.cards.cardHash([]byte{4, 5, 6, 7})})
	if err != nil {
		t.Fatal(err)
	}
	laser.Now = time.Now()
	laser.Append(wire.Refused, "", members[0], wire.RefusedBody{Reasons: []policy.Code{policy.NoBadge}})
	laser.Append(wire.SessionStart, "s1", members[1], wire.StartBody{Role: policy.Learner, Card: "uid"})
	laser.Append(wire.SessionEnd, "s1", members[2], wire.EndBody{})
	laser.Append(wire.Refused, "", "", wire.RefusedBody{Sealed: sealed})
	laser.Append(wire.Refused, "", "m-karim", wire.RefusedBody{})
	laser.Clock = wire.ClockUntrusted
	laser.Append(wire.Refused, "", members[2], wire.RefusedBody{})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, laser.Len())); err != nil {
		t.Fatal(err)
	}
	v, err := s.Get(ctx, karim, x.ID)
	if err != nil || len(v.People) != 2 || v.People[0].Name != "Léa Morvan" || v.People[1].Name != "Tom Le Goff" ||
		len(v.Cards) != 1 || v.Cards[0].Code != "7F3K9Q" || !v.Cards[0].Assignable {
		t.Fatalf("%+v, %v; want Léa, Tom and an unknown card", v, err)
	}
	if err := s.JoinNew(ctx, karim, x.ID, "Nina Roy", "nina@example.org", v.Cards[0].Tap); err != nil {
		t.Fatal(err)
	}
	found, err := s.Find(ctx, karim, x.ID, "petit")
	if err != nil || len(found) != 1 || found[0].Member != members[2] {
		t.Fatalf("search: %+v, %v; want Zoé", found, err)
	}
	if found, err := s.Find(ctx, karim, x.ID, "petit@example"); err != nil || len(found) != 0 {
		t.Errorf("a search by address: %+v, %v; want nobody", found, err)
	}
	if err := s.Join(ctx, karim, x.ID, members[2], ""); err != nil {
		t.Fatal(err)
	}
	if v, err = s.Get(ctx, karim, x.ID); err != nil || len(v.People) != 4 || len(v.Cards) != 0 {
		t.Fatalf("%+v, %v; want four people and no unknown card", v, err)
	}
	var all []policy.MemberID
	for _, p := range v.People {
		all = append(all, p.Member)
	}
	if err := s.Award(ctx, karim, x.ID, all, 2); err != nil {
		t.Fatal(err)
	}
	list, _, err := h.Issuing().Issued(ctx, by, issue.Filter{Badge: "laser-user"}, issue.Page{})
	if err != nil || len(list) != 4 {
		t.Fatalf("%d badges, %v; want 4", len(list), err)
	}
	for _, n := range list {
		if n.By != "karim" || n.Why != "training "+x.ID+", led by karim" ||
			!strings.HasPrefix(n.Evidence.Text, "Découpe laser, "+time.Now().In(h.services.policies.zone()).Format("2006-")) ||
			!strings.HasSuffix(n.Evidence.Text, "\n- fire\n- focus") {
			t.Errorf("badge of %s: %+v", n.Member, n)
		}
	}
	nina, _, err := h.Directory().Members.List(ctx, by, directory.Filter{Text: "Nina"}, directory.Page{})
	if err != nil || len(nina) != 1 || len(nina[0].Cards) != 1 || len(nina[0].Badges) != 1 ||
		!slices.Equal(nina[0].Emails, []string{"nina@example.org"}) {
		t.Errorf("%+v, %v; want Nina with a card and a badge", nina, err)
	}
	var denied *actor.Denied
	if _, err := h.Issuing().Award(ctx, karim, issue.Award{Badge: "laser-user", Members: all, Why: "x"}); !errors.As(err,
		&denied) {
		t.Errorf("a mentor issues a badge without a training: %v", err)
	}
}

func TestTrainingsNeedAnIssuerOfThePolicy(t *testing.T) {
	h, _, _ := laserHub(t)
	if h.Trainings() != nil || h.pagesServer.trainingPages() != nil {
		t.Error("a hub without an issuer has trainings")
	}
	issuing, _ := trainingHub(t)
	ctx, by := t.Context(), actor.Local("test")
	now, err := issuing.Publishing().Policies.Current(ctx, by)
	if err != nil {
		t.Fatal(err)
	}
	// Another issuer's key stands in the policy: the hub cannot issue the badges any more.
	other := strings.ReplaceAll(now.Text, "did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy",
		"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
	if _, err := issuing.Publishing().Policies.Publish(ctx, by, other, "other key", now.Number, nil); err != nil {
		t.Fatal(err)
	}
	choices, err := issuing.Trainings().Choices(ctx, karim)
	if now.Text == other || err != nil || len(choices) != 1 || len(choices[0].Badges) != 0 {
		t.Errorf("choices %+v, %v; want the laser without badges", choices, err)
	}
	var wrong *fault.Invalid
	if _, err := issuing.Trainings().Open(ctx, karim, "laser", "laser-user"); !errors.As(err, &wrong) {
		t.Errorf("training for a badge that the hub cannot issue: %v", err)
	}
}
