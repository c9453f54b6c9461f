package directory

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// authorisation says which actor may call which method: n means denied, y allowed. A person wrote the table by hand,
// so that the table does not repeat a mistake of package actor.
//
// The actors, in the order of the columns:
//
//	0 no account
//	1 owner
//	2 administrator
//	3 maintainer of the laser, who is a member
//	4 mentor of the laser
//	5 a member, about themself
//	6 the member, about another member
//	7 a token of an administrator for members.read
//	8 a token of an administrator without scopes
//	9 a token of an owner for own.read and cards.write
//	10 a token of an owner for members.write, badges.write, taps.read and machines.enrol
//	11 a token of a member for machines.read, about themself
var authorisation = map[string]string{
	"Cards":       "nyynnnnynnnn",
	"AddFiles":    "nyynnnnnnnyn",
	"SetAside":    "nyynnnnnnnyn",
	"EndOldCards": "nyynnnnnnnyn",
	"OldCards":    "nyynnnnnnnyn",
	"Rebind":      "nyynnnnnnynn",
	"Members":     "nyynnnnynnnn",
	"Count":       "nyynnnnynnnn",
	"Member":      "nyynnnnynnnn",
	"Own":         "nyyyyyynnynn", // allowed for the owner, who is not a member and has no record in the directory
	"Add":         "nyynnnnnnnyn",
	"AddNote":     "nyynnnnnnnnn",
	"Change":      "nyynnnnnnnyn",
	"Merge":       "nyynnnnnnnyn",
	"Erase":       "nyynnnnnnnnn",
	"Erased":      "nyynnnnnnnnn",
	"AddCard":     "nyynnnnnnynn",
	"SetCard":     "nyynnnnnnynn",
	"RemoveCard":  "nyynnnnnnynn",
	"ReportLost":  "nyyyyyynnnnn",
	"OwnMachines": "nyyyyyynnynn",
	"Requested":   "nyyyyyynnynn",
	"Request":     "nyyyyyynnnnn",
	"Withdraw":    "nyyyyyynnnnn",
	"Requests":    "nyynnnnnnnnn",
	"OwnPath":     "nyyyyyynnynn",
	"OwnRecords":  "nyyyyyynnynn",
	"Taps":        "nyynnnnnnnyn",
	"Assign":      "nyynnnnnnnnn",
	"AddBadges":   "nyynnnnnnnyn",
	"AddBadgeURL": "nyynnnnnnnyn",
	"RemoveBadge": "nyynnnnnnnyn",
	"BadgeData":   "nyynnynynnnn",
	"Endings":     "nyynnnnynnnn",
	"Preview":     "nyynnnnnnnnn",
	"Confirm":     "nyynnnnnnnyn",
	"Apply":       "nyynnnnnnnyn",
	"ExportCSV":   "nyynnnnynnnn",
	"ExportXLSX":  "nyynnnnynnnn",
	"ExportYAML":  "nyynnnnnnnnn",
}

func actors(self, other policy.MemberID) (all []actor.Actor, about []policy.MemberID) {
	at := func(m policy.MemberID, r actor.Role) actor.Actor {
		return actor.Actor{Account: "a-" + string(m) + string(r), Name: "X", Member: m, Site: actor.Member,
			Machines: map[policy.MachineID]actor.Role{"laser": r}}
	}
	admin := actor.Actor{Account: "a-admin", Name: "Admin", Site: actor.Administrator}
	cards := actor.Actor{Account: "a-owner", Name: "Owner", Site: actor.Owner}
	reader, none, writer := admin, admin, cards
	writer.Scopes = []actor.Act{actor.WriteMembers, actor.WriteBadges, actor.ReadTaps, actor.EnrolMachines}
	reader.Scopes, none.Scopes, cards.Scopes = []actor.Act{actor.ReadMembers}, []actor.Act{},
		[]actor.Act{actor.ReadOwn, actor.WriteCards}
	member := actor.Actor{Account: "a-member", Name: "M", Member: self, Site: actor.Member}
	screen := member
	screen.Scopes = []actor.Act{actor.ReadMachines}
	return []actor.Actor{{}, {Account: "a-o", Name: "Owner", Site: actor.Owner}, admin, at(other, actor.Maintainer),
			at(other, actor.Mentor), member, member,
			reader, none, cards, writer, screen},
		[]policy.MemberID{self, self, self, self, self, self, other, self, self, self, self, self}
}

func calls(w *world, about, other policy.MemberID, cardID string) map[string]func(context.Context, actor.Actor) error {
	list := Import{Name: "a.csv", Data: []byte("name\nA\n")}
	with := func(*store.Tx) (string, error) { return "", nil }
	return map[string]func(context.Context, actor.Actor) error{
		"Members": func(ctx context.Context, a actor.Actor) error {
			_, _, err := w.Members.List(ctx, a, Filter{}, Page{})
			return err
		},
		"Cards": func(ctx context.Context, a actor.Actor) error {
			_, _, err := w.Cards.Held(ctx, a, CardFilter{}, Page{})
			return err
		},
		"AddFiles": func(ctx context.Context, a actor.Actor) error { _, err := w.Badges.AddFiles(ctx, a, nil); return err },
		"SetAside": func(ctx context.Context, a actor.Actor) error {
			return w.Rekeying.SetAsideCards(ctx, a, changedMark, with)
		},
		"EndOldCards": func(ctx context.Context, a actor.Actor) error {
			return w.Rekeying.EndOldCards(ctx, a, changedMark, with)
		},
		"OldCards": func(ctx context.Context, a actor.Actor) error { _, err := w.Rekeying.OldCards(ctx, a); return err },
		"Rebind":   func(ctx context.Context, a actor.Actor) error { _, err := w.Rekeying.Rebind(ctx, a, nil); return err },
		"Count": func(ctx context.Context, a actor.Actor) error {
			_, _, err := w.Members.Count(ctx, a, Filter{})
			return err
		},
		"Member": func(ctx context.Context, a actor.Actor) error { _, err := w.Members.Get(ctx, a, about); return err },
		"Own":    func(ctx context.Context, a actor.Actor) error { _, err := w.Members.Own(ctx, a); return err },
		"Add": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Members.Add(ctx, a, Member{Name: "A"})
			return err
		},
		"AddNote": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Members.Add(ctx, a, Member{Name: "A", Note: "n"})
			return err
		},
		"Change": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Members.Change(ctx, a, about, 99, func(*Member) error { return nil })
			return err
		},
		"Merge": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Members.Merge(ctx, a, about, "m-none")
			return err
		},
		"Erase":  func(ctx context.Context, a actor.Actor) error { return w.Erasures.Erase(ctx, a, about, 99) },
		"Erased": func(ctx context.Context, a actor.Actor) error { _, err := w.Erasures.Erased(ctx, a, about); return err },
		"AddCard": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Cards.AddCard(ctx, a, about, Card{})
			return err
		},
		"SetCard": func(ctx context.Context, a actor.Actor) error {
			return w.Cards.SetCard(ctx, a, about, cardID, Lost, "")
		},
		"RemoveCard": func(ctx context.Context, a actor.Actor) error {
			return w.Cards.RemoveCard(ctx, a, about, "c-none")
		},
		"Request":     func(ctx context.Context, a actor.Actor) error { return w.Erasures.Request(ctx, a) },
		"Withdraw":    func(ctx context.Context, a actor.Actor) error { return w.Erasures.Withdraw(ctx, a) },
		"Requested":   func(ctx context.Context, a actor.Actor) error { _, err := w.Erasures.Requested(ctx, a); return err },
		"Requests":    func(ctx context.Context, a actor.Actor) error { _, err := w.Erasures.Requests(ctx, a); return err },
		"OwnMachines": func(ctx context.Context, a actor.Actor) error { _, err := w.Own.Machines(ctx, a); return err },
		"OwnRecords":  func(ctx context.Context, a actor.Actor) error { _, err := w.Own.Records(ctx, a); return err },
		"OwnPath":     func(ctx context.Context, a actor.Actor) error { _, err := w.Own.Path(ctx, a); return err },
		"ReportLost":  func(ctx context.Context, a actor.Actor) error { return w.Cards.ReportLost(ctx, a, cardID) },
		"Taps": func(ctx context.Context, a actor.Actor) error {
			_, _, err := w.Taps.Unknown(ctx, a, Page{})
			return err
		},
		"Assign": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Taps.Assign(ctx, a, "none", about)
			return err
		},
		"AddBadges": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Badges.AddBadges(ctx, a, about, "x", nil)
			return err
		},
		"AddBadgeURL": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Badges.AddBadgeURL(ctx, a, about, "x")
			return err
		},
		"RemoveBadge": func(ctx context.Context, a actor.Actor) error { return w.Badges.RemoveBadge(ctx, a, about, "none") },
		"BadgeData": func(ctx context.Context, a actor.Actor) error {
			_, _, err := w.Badges.BadgeData(ctx, a, about, "none")
			return err
		},
		"Endings": func(ctx context.Context, a actor.Actor) error { _, err := w.Members.Endings(ctx, a); return err },
		"Preview": func(ctx context.Context, a actor.Actor) error { _, err := w.Imports.Preview(ctx, a, list); return err },
		"Confirm": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Imports.Confirm(ctx, a, "none")
			return err
		},
		"Apply": func(ctx context.Context, a actor.Actor) error {
			_, err := w.Imports.Apply(ctx, a, "none")
			return err
		},
		"ExportCSV":  func(ctx context.Context, a actor.Actor) error { return w.Exports.Export(ctx, a, CSV, io.Discard) },
		"ExportXLSX": func(ctx context.Context, a actor.Actor) error { return w.Exports.Export(ctx, a, XLSX, io.Discard) },
		"ExportYAML": func(ctx context.Context, a actor.Actor) error { return w.Exports.Export(ctx, a, YAML, io.Discard) },
	}
}

func TestEveryMethodRefusesActorsWithoutTheRight(t *testing.T) {
	w := newWorld(t)
	self, other := w.add("Self", "self@example.org"), w.add("Other", "other@example.org")
	card := must[Card](t)(w.Cards.AddCard(t.Context(), owner, self.ID, Card{Number: "62E3086CED"}))
	all, about := actors(self.ID, other.ID)
	for i, a := range all {
		for name, call := range calls(w, about[i], other.ID, card.ID) {
			want := authorisation[name]
			if len(want) != len(all) {
				t.Fatalf("%s: the table has no answer for each actor", name)
			}
			var denied *actor.Denied
			if got := !errors.As(call(t.Context(), a), &denied); got != (want[i] == 'y') {
				t.Errorf("%s by actor %d (%s): allowed is %v", name, i, a.Name, got)
			}
		}
	}
	if len(authorisation) != len(calls(w, self.ID, other.ID, card.ID)) {
		t.Error("the table names other methods than are called")
	}
}

// An actor sees only the permitted fields of a member: an actor without cards.write sees no card numbers, and an actor
// without members.notes sees no notes.
func TestFieldsThatAnActorMayNotSeeAreLeftOut(t *testing.T) {
	w := newWorld(t)
	m := must[Member](t)(w.Members.Add(t.Context(), owner, Member{Name: "Léa", Note: "secret",
		Emails: []string{"lea@example.org"}}))
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CED", Note: "secret"}))
	scoped := func(acts ...actor.Act) actor.Actor {
		return actor.Actor{Account: "t", Name: "Token", Site: actor.Owner, Scopes: acts}
	}
	self := actor.Actor{Account: "a", Name: "Léa", Member: m.ID, Site: actor.Member}
	for name, c := range map[string]struct {
		a             actor.Actor
		own           bool
		number, notes bool
	}{
		"owner":         {owner, false, true, true},
		"reader":        {scoped(actor.ReadMembers), false, false, false},
		"reads notes":   {scoped(actor.ReadMembers, actor.ReadNotes), false, false, true},
		"writes cards":  {scoped(actor.ReadMembers, actor.WriteCards), false, true, false},
		"the member":    {self, true, false, false},
		"administrator": {actor.Actor{Account: "b", Name: "B", Site: actor.Administrator}, false, true, true},
	} {
		get := func() (Member, error) { return w.Members.Get(t.Context(), c.a, m.ID) }
		if c.own {
			get = func() (Member, error) { return w.Members.Own(t.Context(), c.a) }
		}
		got := must[Member](t)(get())
		if (got.Cards[0].Number != "") != c.number || (got.Note != "") != c.notes ||
			(got.Cards[0].Note != "") != c.notes || got.Cards[0].Last != "6CED" {
			t.Errorf("%s: %+v", name, got)
		}
		if !c.own {
			list, _, err := w.Members.List(t.Context(), c.a, Filter{}, Page{})
			if err != nil || len(list) != 1 || (list[0].Cards[0].Number != "") != c.number || (list[0].Note != "") != c.notes {
				t.Errorf("%s: list %+v %v", name, list, err)
			}
			var b strings.Builder
			if err := w.Exports.Export(t.Context(), c.a, CSV, &b); err != nil || strings.Contains(b.String(),
				"62E3086CED") != c.number || strings.Contains(b.String(), "secret") {
				t.Errorf("%s: export %q %v", name, b.String(), err)
			}
		}
	}
	// An actor without the right to see notes changes a member. The change neither removes nor writes a note.
	writer := scoped(actor.WriteMembers)
	got := must[Member](t)(w.Members.Change(t.Context(), writer, m.ID, w.member(m.ID).Version, func(m *Member) error {
		if m.Note != "" {
			t.Error("the note is shown")
		}
		m.Name = "Léa Martin"
		return nil
	}))
	if got.Name != "" || w.member(m.ID).Note != "secret" || w.member(m.ID).Name != "Léa Martin" {
		t.Errorf("%+v", got)
	}
	_, err := w.Members.Change(t.Context(), writer, m.ID, w.member(m.ID).Version,
		func(m *Member) error { m.Note = "x"; return nil })
	if denied := (*actor.Denied)(nil); !errors.As(err, &denied) {
		t.Errorf("a note was written: %v", err)
	}
}

// A site's directory does not return members of another site in the same database.
func TestMembersOfAnotherSiteAreNotFound(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa", "lea@example.org")
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CED"}))
	o := *w.o
	o.Site = w.db.Site("otherlab")
	other := must[*Services](t)(New(o))
	if list, _, err := other.Members.List(t.Context(), owner, Filter{}, Page{}); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := other.Members.Get(t.Context(), owner, m.ID); err == nil {
		t.Error("a member of another site is found")
	}
	if err := other.Erasures.Erase(t.Context(), owner, m.ID, m.Version+1); err == nil {
		t.Error("a member of another site is erased")
	}
	n := must[Member](t)(other.Members.Add(t.Context(), owner, Member{ID: m.ID, Name: "Another"}))
	if _, err := other.Cards.AddCard(t.Context(), owner, n.ID, Card{Number: "62E3086CED"}); err != nil {
		t.Error(err)
	}
	if got := w.member(m.ID); got.Name != "Léa" || len(got.Cards) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestAuditEntriesNameNoPerson(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa Martin", "lea@example.org")
	must[Member](t)(w.Members.Change(t.Context(), owner, m.ID, m.Version, func(m *Member) error {
		m.Emails,
			m.Note = []string{"x@example.org"}, "secret"
		return nil
	}))
	card := must[Card](t)(w.Cards.AddCard(t.Context(), owner, m.ID, Card{Number: "62E3086CED"}))
	if err := w.Cards.SetCard(t.Context(), owner, m.ID, card.ID, Lost, "secret"); err != nil {
		t.Fatal(err)
	}
	w.importList(Import{Name: "a.csv", Data: []byte("name;email\nJules Bernard;jules@example.org\n")})
	if err := w.Erasures.Erase(t.Context(), owner, m.ID, w.member(m.ID).Version); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(w.audit, "\n")
	for _, word := range []string{"Léa", "lea@", "x@", "secret", "62E3", "Jules", "jules@"} {
		if strings.Contains(all, word) {
			t.Errorf("the audit log holds %q:\n%s", word, all)
		}
	}
	if len(w.audit) != 6 || !strings.Contains(w.audit[1], "members.write member "+string(m.ID)+": changed emails, note") {
		t.Errorf("%q", w.audit)
	}
	if slices.Contains(w.audit, "") {
		t.Error("an empty entry")
	}
}

// tapsAt returns a function for Options.Taps. The function returns the given taps.
func tapsAt(taps ...UnknownTap) func(context.Context, time.Time) ([]UnknownTap, error) {
	return func(context.Context, time.Time) ([]UnknownTap, error) { return slices.Clone(taps), nil }
}

func TestUnknownCardIsAssignedByItsHMAC(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa")
	card := wire.EnrolCard{Code: "ABC123", Card: strings.Repeat("5a", 32)}
	old := wire.EnrolCard{Code: "OLD123", Card: strings.Repeat("6b", 32)}
	w.remake(func(o *Options) {
		o.Taps = tapsAt(UnknownTap{EnrolCard: card, Machine: "laser", At: w.now.Add(-time.Hour), Seq: 1},
			UnknownTap{EnrolCard: card, Machine: "vinyl", At: w.now.Add(-time.Minute), Seq: 2},
			UnknownTap{EnrolCard: old, Machine: "laser", At: w.now.Add(-25 * time.Hour), Seq: 3},
			UnknownTap{Machine: "laser", At: w.now.Add(-2 * time.Hour), Seq: 4})
	})
	taps, next, err := w.Taps.Unknown(t.Context(), owner, Page{})
	if err != nil || next != "" || len(taps) != 2 || taps[0].Times != 2 || taps[0].Code != "ABC123" ||
		taps[0].Machine != "vinyl" || !taps[0].Assignable || taps[1].Assignable {
		t.Fatalf("%+v %q %v", taps, next, err)
	}
	first, next, err := w.Taps.Unknown(t.Context(), owner, Page{Limit: 1})
	if err != nil || len(first) != 1 || next == "" {
		t.Fatalf("%+v %q %v", first, next, err)
	}
	if rest, next, err := w.Taps.Unknown(t.Context(), owner, Page{Limit: 1, After: next}); err != nil || len(rest) != 1 ||
		next != "" || rest[0].ID != taps[1].ID {
		t.Errorf("%+v %q %v", rest, next, err)
	}
	if _, err := w.Taps.Assign(t.Context(), owner, taps[1].ID, m.ID); len(invalid(err)) != 1 {
		t.Errorf("a card without a seal was assigned: %v", err)
	}
	if _, err := w.Taps.Assign(t.Context(), owner, "none", m.ID); err == nil {
		t.Error("a tap that is not there was assigned")
	}
	got := must[Card](t)(w.Taps.Assign(t.Context(), owner, taps[0].ID, m.ID))
	if got.Number != "hmac:"+card.Card || got.State != Active {
		t.Errorf("%+v", got)
	}
	if taps, _, _ := w.Taps.Unknown(t.Context(), owner, Page{}); len(taps) != 1 {
		t.Errorf("an assigned card is unknown: %+v", taps)
	}
	if snap := must[*Snapshot](t)(w.Exports.Snapshot(t.Context())); len(snap.Members) != 1 ||
		snap.Members[0].Cards[0] != got.Number {
		t.Errorf("%+v", snap.Members)
	}
}
