package directory

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

func TestInputOfAMemberIsNormalisedAndLimited(t *testing.T) {
	w := newWorld(t)
	m := must[Member](t)(w.Members.Add(t.Context(), owner, Member{Name: "  Léa\u00a0 Martin ",
		Emails:   []string{" lea@example.org", "LEA@example.org", ""},
		Subjects: []string{"did:key:z6Mk", "did:key:z6Mk"}, Source: "forged", Gone: true, Version: 7,
		Cards: []Card{{Number: "AA"}}}))
	if m.Name != "Léa Martin" || !slices.Equal(m.Emails, []string{"lea@example.org"}) || len(m.Subjects) != 1 ||
		m.Source != "" || m.Gone || m.Version != 1 ||
		len(m.Cards) != 0 || !strings.HasPrefix(string(m.ID), "m-") || len(m.ID) != 10 {
		t.Errorf("%+v", m)
	}
	for field, bad := range map[string]Member{
		"name":        {Name: " "},
		"id":          {Name: "A", ID: "A b"},
		"language":    {Name: "A", Language: "de"},
		"until":       {Name: "A", Until: policy.Date{Year: 2027, Month: 2, Day: 30}},
		"emails":      {Name: "A", Emails: []string{"lea"}},
		"guardians":   {Name: "A", Guardians: []string{"a b@c"}},
		"subjects":    {Name: "A", Subjects: []string{"nothing"}},
		"note":        {Name: "A", Note: strings.Repeat("x", 4001)},
		"external_id": {Name: "A", External: strings.Repeat("x", 201)},
	} {
		_, err := w.Members.Add(t.Context(), owner, bad)
		if f := invalid(err); len(f) != 1 || f[0].Field != field || f[0].Right == "" {
			t.Errorf("%s: %v", field, err)
		}
	}
	_, err := w.Members.Add(t.Context(), owner, Member{Name: "A\u202eB", Emails: []string{"x"}, Language: "xx"})
	if f := invalid(err); len(f) != 3 {
		t.Errorf("not all faults at once: %+v", f)
	}
	if _, err := w.Members.Add(t.Context(), owner, Member{ID: m.ID, Name: "A"}); len(invalid(err)) != 1 {
		t.Errorf("an id was given twice: %v", err)
	}
	many := Member{Name: "A"}
	for i := range 21 {
		many.Emails = append(many.Emails, fmt.Sprintf("a%d@example.org", i))
	}
	if _, err := w.Members.Add(t.Context(), owner, many); len(invalid(err)) != 1 {
		t.Errorf("21 addresses: %v", err)
	}
}

func TestChangeOfAnOlderVersionIsRefused(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa", "lea@example.org")
	sub, cancel := w.o.Site.Subscribe("directory")
	defer cancel()
	got := must[Member](t)(w.Members.Change(t.Context(), owner, m.ID, m.Version, func(m *Member) error {
		m.Name, m.ID, m.Source, m.Version = "Léa Martin", "m-other", "x", 100
		m.Until = policy.Date{Year: 2027, Month: 9, Day: 30}
		return nil
	}))
	if got.Version != m.Version+1 || got.Name != "Léa Martin" || got.ID != m.ID || got.Source != "" ||
		got.Until.Year != 2027 {
		t.Errorf("%+v", got)
	}
	if topics := sub.Take(); len(topics) != 1 {
		t.Errorf("topics %v", topics)
	}
	_, err := w.Members.Change(t.Context(), owner, m.ID, m.Version, func(m *Member) error { m.Name = "Other"; return nil })
	var conflict *fault.Conflict
	if !errors.As(err, &conflict) || conflict.Have != got.Version || conflict.Got != m.Version {
		t.Errorf("%v", err)
	}
	var gone *fault.NotFound
	if _, err := w.Members.Change(t.Context(), owner, "m-none", 1, nil); !errors.As(err, &gone) {
		t.Errorf("%v", err)
	}
	if w.member(m.ID).Name != "Léa Martin" {
		t.Error("a refused change was written")
	}
}

func TestCardBelongsToOneMemberOnly(t *testing.T) {
	w := newWorld(t)
	key := []byte("the site's card key")
	hash := func(number []byte) string {
		h := hmac.New(sha256.New, key)
		h.Write(number)
		return hex.EncodeToString(h.Sum(nil))
	}
	w.remake(func(o *Options) { o.CardHash = hash })
	a, b := w.add("A"), w.add("B")
	card := must[Card](t)(w.Cards.AddCard(t.Context(), owner, a.ID, Card{Number: "62:e3:08:6c:ed"}))
	if card.Number != "62E3086CED" || card.Last != "6CED" || card.State != Active || !card.Since.Equal(w.now) {
		t.Errorf("%+v", card)
	}
	enrolled := hash([]byte{1, 2, 3, 4, 5})
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, a.ID, Card{Number: "hmac:" + enrolled}))
	for _, number := range []string{"62E3086CED", "hmac:" + hash([]byte{0x62, 0xe3, 0x08, 0x6c, 0xed}), "0102030405",
		"hmac:" + enrolled, "nothing", "", "1234567890", "hmac:12"} {
		text := number
		if number == "0102030405" {
			text = "hex:" + number
		}
		_, err := w.Cards.AddCard(t.Context(), owner, b.ID, Card{Number: text})
		if f := invalid(err); len(f) != 1 || f[0].Field != "number" || f[0].Given != "" || number != "" &&
			strings.Contains(err.Error(), number) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := w.Cards.SetCard(t.Context(), owner, a.ID, card.ID, "eaten", ""); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
	if err := w.Cards.SetCard(t.Context(), owner, b.ID, card.ID, Lost, ""); err == nil {
		t.Error("another member's card was changed")
	}
	before := w.member(a.ID).Version
	w.now = w.now.Add(24 * time.Hour)
	if err := w.Cards.SetCard(t.Context(), owner, a.ID, card.ID, Lost, "at the pool"); err != nil {
		t.Fatal(err)
	}
	got := w.member(a.ID)
	if got.Cards[0].State != Lost || got.Cards[0].Note != "at the pool" || !got.Cards[0].Since.Equal(w.now) ||
		got.Version != before+1 {
		t.Errorf("%+v", got)
	}
	snap := must[*Snapshot](t)(w.Exports.Snapshot(t.Context()))
	if m := snap.Members[0]; len(m.Cards) != 1 || len(m.Inactive) != 1 || m.Inactive[0].State != policy.LostCard ||
		m.Inactive[0].Since.String() != "2026-11-24" {
		t.Errorf("%+v", m)
	}
	if err := w.Cards.RemoveCard(t.Context(), owner, a.ID, card.ID); err != nil {
		t.Fatal(err)
	}
	must[Card](t)(w.Cards.AddCard(t.Context(), owner, b.ID, Card{Number: "62E3086CED", State: Blocked}))
	for i := range 30 {
		_, err := w.Cards.AddCard(t.Context(), owner, b.ID, Card{Number: fmt.Sprintf("AABBCC%02X", i)})
		if (err == nil) != (i < maxCards-1) {
			t.Fatalf("card %d: %v", i+2, err)
		}
	}
}

func TestMergeKeepsTheValuesOfBothMembers(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	w := newWorld(t)
	w.importSite(example)
	lea, karim := w.member("m-020dc2"), w.member("m-be879f")
	for id, change := range map[policy.MemberID]func(*Member){
		lea.ID: func(m *Member) { m.Until, m.Note = policy.Date{Year: 2027, Month: 1, Day: 1}, "one" },
		karim.ID: func(m *Member) {
			m.Until, m.Note, m.Blocked, m.Guardians = policy.Date{Year: 2027, Month: 9, Day: 1}, "two", true,
				[]string{"p@example.org"}
			m.External = "42"
		},
	} {
		must[Member](t)(w.Members.Change(t.Context(), owner, id, w.member(id).Version,
			func(m *Member) error { change(m); return nil }))
	}
	got := must[Member](t)(w.Members.Merge(t.Context(), owner, lea.ID, karim.ID))
	if len(got.Badges) != len(lea.Badges)+len(karim.Badges) || len(got.Cards) != 2 || len(got.Emails) != 2 ||
		got.Note != "one\ntwo" || !got.Blocked ||
		got.Until.Month != 9 || got.Name != lea.Name || got.External != "42" || len(got.Guardians) != 1 ||
		got.Cards[0].Number != lea.Cards[0].Number {
		t.Errorf("%+v", got)
	}
	if _, err := w.Members.Get(t.Context(), owner, karim.ID); err == nil {
		t.Error("the merged member is still there")
	}
	former := must[map[policy.MemberID]policy.MemberID](t)(w.Erasures.Former(t.Context()))
	if former[karim.ID] != lea.ID ||
		len(former) != 1 {
		t.Errorf("%v", former)
	}
	if _, err := w.Members.Add(t.Context(), owner, Member{ID: karim.ID, Name: "Another"}); len(invalid(err)) != 1 {
		t.Errorf("the pseudonym was given again: %v", err)
	}
	if _, err := w.Members.Merge(t.Context(), owner, lea.ID, lea.ID); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
	if b := w.build(); b.Members != 12 || b.Counted != 20 {
		t.Errorf("%d members, %d badges count: %q %q", b.Members, b.Counted, b.Warnings, b.Errors)
	}
}

// After an erasure, the files of the database contain only the pseudonym of the person.
func TestErasureLeavesOnlyThePseudonymOfThePerson(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	m := w.member("m-020dc2")
	m = must[Member](t)(w.Members.Change(t.Context(), owner, m.ID, m.Version, func(m *Member) error {
		m.Note, m.External, m.Guardians, m.Subjects = "confidential", "galette-77", []string{"parent@example.org"},
			[]string{"did:key:z6MkLea"}
		return nil
	}))
	must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "a.csv", Data: []byte("name\nLéa Martin\n")}))
	var conflict *fault.Conflict
	if err := w.Erasures.Erase(t.Context(), owner, m.ID, m.Version-1); !errors.As(err, &conflict) {
		t.Fatalf("%v", err)
	}
	if err := w.Erasures.Erase(t.Context(), owner, m.ID, m.Version); err != nil {
		t.Fatal(err)
	}
	e := must[Erasure](t)(w.Erasures.Erased(t.Context(), owner, m.ID))
	want := Erasure{Member: m.ID, At: w.now, Names: 1, Emails: 1, Subjects: 1, Guardians: 1, Notes: 1, External: 1,
		Cards: 1, Badges: 2, Stays: e.Stays}
	if !reflect.DeepEqual(e, want) || len(e.Stays) != 3 {
		t.Errorf("%+v", e)
	}
	for _, table := range []string{"member", "member_value", "card", "badge", "former_member"} {
		text := w.dump(table)
		for _, word := range []string{"Léa", "lea@example.org", "62E3086CED", "confidential", "galette-77", "parent@",
			"z6MkLea", "lea-laser"} {
			if strings.Contains(text, word) {
				t.Errorf("%s holds %q", table, word)
			}
		}
		if (table == "former_member") != strings.Contains(text, string(m.ID)) {
			t.Errorf("%s: %s", table, text)
		}
	}
	if len(w.Imports.previews.plans) != 0 {
		t.Error("a preview still holds a name")
	}
	if list, _, _ := w.Members.List(t.Context(), owner, Filter{Text: "martin"}, Page{}); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if b := w.build(); b.Members != 12 || b.Counted != 18 {
		t.Errorf("%d members, %d badges count", b.Members, b.Counted)
	}
	if _, err := w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml",
		Data: must[[]byte](t)(os.ReadFile(example + "/members.yaml"))}); len(invalid(err)) != 1 {
		t.Errorf("an erased member came back by an import: %v", err)
	}
}

// dump returns every cell of a table.
func (w *world) dump(table string) string {
	w.t.Helper()
	query := map[string]string{"member": "SELECT * FROM member WHERE site = $1",
		"member_value": "SELECT * FROM member_value WHERE site = $1",
		"card":         "SELECT * FROM card WHERE site = $1", "badge": "SELECT * FROM badge WHERE site = $1",
		"former_member": "SELECT * FROM former_member WHERE site = $1"}[table]
	rows, err := w.o.Site.Query(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	cols, _ := rows.Columns()
	var out strings.Builder
	for rows.Next() {
		cells := make([]any, len(cols))
		for i := range cells {
			cells[i] = new([]byte)
		}
		if err := rows.Scan(cells...); err != nil {
			w.t.Fatal(err)
		}
		for _, c := range cells {
			out.Write(*c.(*[]byte))
			out.WriteByte('|')
		}
	}
	return out.String()
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	names := func(f Filter) (out []string) {
		t.Helper()
		for after, n := "", 0; ; n++ {
			list, next, err := w.Members.List(t.Context(), owner, f, Page{After: after, Limit: 2})
			if err != nil || n > 20 {
				t.Fatal(err)
			}
			for _, m := range list {
				out = append(out, strings.Fields(m.Name)[0])
			}
			if next == "" {
				some, all, err := w.Members.Count(t.Context(), owner, f)
				if err != nil || some != len(out) || all != 13 {
					t.Errorf("%+v: %d of %d counted: %v", f, some, all, err)
				}
				return out
			}
			after = next
		}
	}
	set := func(id policy.MemberID, f func(*Member)) {
		must[Member](
			t,
		)(
			w.Members.Change(t.Context(), owner, id, w.member(id).Version, func(m *Member) error { f(m); return nil }),
		)
	}
	set("m-9d017e", func(m *Member) { m.Blocked = true })                                     // Zoé
	set("m-e1608f", func(m *Member) { m.Until = policy.Date{Year: 2026, Month: 1, Day: 31} }) // Tom
	set("m-a10415", func(m *Member) { m.Until = policy.Date{Year: 2026, Month: 12, Day: 1} }) // Yann
	for _, c := range []struct {
		f    Filter
		want []string
	}{
		{Filter{}, []string{"Aïcha", "Camille", "Inès", "Jules", "Karim", "Léa", "Malik", "Nour", "Pauline", "Rosa",
			"Tom", "Yann", "Zoé"}},
		{Filter{Text: "LEA"}, []string{"Léa"}},
		{Filter{Text: "goff yann@"}, []string{"Yann"}},
		{Filter{Text: "m-be879f"}, []string{"Karim"}},
		{Filter{Text: "nobody"}, nil},
		{Filter{State: StateBlocked}, []string{"Zoé"}},
		{Filter{State: StateLapsed}, []string{"Tom"}},
		{Filter{State: StateEnding}, []string{"Yann"}},
		{Filter{State: StateNoCard}, []string{"Tom"}},
		{Filter{State: StateNoBadge}, []string{"Zoé"}},
		{Filter{State: StateCurrent, Text: "yann"}, []string{"Yann"}},
		{Filter{Badge: "laser-user"}, []string{"Karim", "Léa", "Malik"}},
		{Filter{Machine: "laser"}, []string{"Inès", "Jules", "Karim", "Léa"}}, // without Malik, whose badge has expired
		{Filter{Machine: "none"}, nil},
	} {
		if got := names(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
	for _, bad := range []Filter{{State: "odd"}, {Text: strings.Repeat("x", 201)}} {
		if _, _, err := w.Members.List(t.Context(), owner, bad, Page{}); len(invalid(err)) != 1 {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, _, err := w.Members.List(t.Context(), owner, Filter{}, Page{After: "m-none"}); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
}

func TestEndingsCoverAMonthAheadAndAYearBack(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	for id, until := range map[policy.MemberID]policy.Date{"m-9d017e": {Year: 2026, Month: 12, Day: 20},
		"m-e1608f": {Year: 2027, Month: 3, Day: 1},
		"m-a10415": {Year: 2026, Month: 11, Day: 1}, "m-6a61eb": {Year: 2025, Month: 1, Day: 1}, "m-ae0699": {Year: 2026,
			Month: 12, Day: 1}} {
		must[Member](t)(w.Members.Change(t.Context(), owner, id, w.member(id).Version, func(m *Member) error {
			m.Until, m.Blocked = until, id == "m-ae0699"
			return nil
		}))
	}
	var got []string
	for _, e := range must[[]Ending](t)(w.Members.Endings(t.Context(), owner)) {
		got = append(got, fmt.Sprintf("%s %s %s", e.At.Format(time.DateOnly), strings.Fields(e.Name)[0], e.What))
	}
	want := []string{"2026-03-03 Malik Laser - Utilisateur autonome", "2026-11-01 Yann membership",
		"2026-12-20 Zoé membership"}
	if len(got) != 3 || got[1] != want[1] || got[2] != want[2] || !strings.HasPrefix(got[0], "2026-03-03 Malik ") {
		t.Errorf("%q, want %q", got, want)
	}
}

// A reader sees every committed change at once, even during other writes.
func TestIndexContainsEveryCommittedWrite(t *testing.T) {
	w := newWorld(t)
	other := must[*Services](t)(New(*w.o)) // these services simulate another process that uses the same rows
	if list, _, err := other.Members.List(t.Context(), owner, Filter{}, Page{}); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 10 {
				name := fmt.Sprintf("Member %d-%d", i, k)
				m, err := w.Members.Add(t.Context(), owner, Member{Name: name})
				if err != nil {
					t.Error(err)
					return
				}
				for _, s := range []*Services{w.Services, other} {
					if list, _, err := s.Members.List(t.Context(), owner, Filter{Text: name}, Page{}); err != nil || len(list) != 1 ||
						list[0].ID != m.ID {
						t.Errorf("%s is not found after it was added: %v %v", name, list, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if some, all, _ := other.Members.Count(t.Context(), owner, Filter{}); some != 40 || all != 40 {
		t.Errorf("%d of %d", some, all)
	}
}

var _ = actor.Owner
