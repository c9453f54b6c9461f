package roster

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/policy"
	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

// edit replaces a text in the members.yaml of the bench.
func (b *bench) edit(old, by string) {
	b.t.Helper()
	path := filepath.Join(b.dir, "site", "members.yaml")
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		b.t.Fatalf("%q is not there: %v", old, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, by, 1)), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func TestRefusedCardsGrantNothingAndNameTheirMember(t *testing.T) {
	b := newBench(t)
	b.edit(
		`cards: ["62E3086CED"]`,
		`until: 2027-01-31, cards: ["AA00112233", { number: "62E3086CED", state: lost, since: 2026-11-01 }]`,
	)
	b.install(2, nil)
	r := b.load()
	uid, _ := rfid.ParseUID(lea)
	if _, ok := r.Lookup(uid); ok {
		t.Error("a lost card is somebody's")
	}
	c, ok := r.Refused(uid)
	if !ok || c.Person.Name != "Léa Martin" || c.State != policy.LostCard || c.Since != "2026-11-01" {
		t.Errorf("%+v %v", c, ok)
	}
	p := lookup(t, r, "AA00112233")
	if p.Member.Blocked || p.Member.Until.String() != "2027-01-31" {
		t.Errorf("%+v", p.Member)
	}
	other, _ := rfid.ParseUID("AA00112233")
	if _, ok := r.Refused(other); ok {
		t.Error("an active card is refused")
	}
}

// change modifies one member in the bundle, in the way in which a faulty program or a later release might write the
// member.
func change(t *testing.T, built *site.Built, id string, change func(*wire.Member)) {
	t.Helper()
	for i, c := range built.Manifest.Chunks {
		if !strings.HasPrefix(c.Name, "roster/") {
			continue
		}
		var bucket wire.RosterBucket
		if err := json.Unmarshal(built.Chunks[c.SHA256], &bucket); err != nil {
			t.Fatal(err)
		}
		for k := range bucket.Members {
			if bucket.Members[k].ID == id {
				change(&bucket.Members[k])
			}
		}
		data, err := wire.EncodeChunk(bucket)
		if err != nil {
			t.Fatal(err)
		}
		sha := wire.Hash(data)
		built.Chunks[sha] = data
		built.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: sha, Size: int64(len(data))}
	}
}

func TestInvalidEntryInABundleDeniesOnlyThatMember(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds and verifies many bundles")
	}
	uid, _ := rfid.ParseUID(lea)
	for name, c := range map[string]struct {
		change  func(*wire.Member)
		blocked bool
		found   bool
	}{
		"a malformed last day":      {func(m *wire.Member) { m.Until = "tomorrow" }, true, true},
		"a last day without a year": {func(m *wire.Member) { m.Until = "09-30" }, true, true},
		"a card both in use and lost": {
			func(m *wire.Member) { m.CardStates = []wire.CardState{{Card: m.Cards[0], State: "lost"}} },
			false,
			false,
		},
		"a state of a later version": {
			func(m *wire.Member) { m.CardStates = []wire.CardState{{Card: m.Cards[0], State: "stolen"}} },
			false,
			false,
		},
		"an active card among the refused": {
			func(m *wire.Member) { m.CardStates = []wire.CardState{{Card: m.Cards[0], State: "active"}} },
			false,
			false,
		},
		"a missing state": {
			func(m *wire.Member) { m.CardStates = []wire.CardState{{Card: m.Cards[0]}} },
			false,
			false,
		},
		"two lost cards of another member": {func(m *wire.Member) {
			m.CardStates = []wire.CardState{{Card: "x", State: "lost"}, {Card: "x", State: "lost"}}
		}, false, true},
	} {
		b := newBench(t)
		b.install(2, func(built *site.Built) { change(t, built, "m-020dc2", c.change) })
		r := b.load()
		p, _ := r.Person("m-020dc2")
		if _, ok := r.Lookup(uid); ok != c.found || p.Member.Blocked != c.blocked {
			t.Errorf("%s: found %v, blocked %v", name, ok, p.Member.Blocked)
		}
		if x, ok := r.Refused(uid); ok == c.found || ok && !x.State.Alerts() {
			t.Errorf("%s: refused %v %v", name, ok, x.State)
		}
		if lookup(t, r, ines).Member.Blocked || r.Size() != 13 {
			t.Errorf("%s: somebody else is denied", name)
		}
	}
}

// If one member has lost a card, that card grants nothing to another member, whichever of the two members comes first
// in the bundle.
func TestCardThatOneMemberLostGrantsNothingToAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds and verifies many bundles")
	}
	uid, _ := rfid.ParseUID(lea)
	for _, id := range []string{"m-2dc899", "m-020dc2", "m-ae0699", "m-be879f", "m-cf53f1"} {
		b := newBench(t)
		b.install(2, func(built *site.Built) {
			change(t, built, id, func(m *wire.Member) {
				m.CardStates = append(m.CardStates, wire.CardState{Card: Card(cardKey, uid), State: "lost"})
			})
		})
		if _, ok := b.load().Lookup(uid); ok {
			t.Errorf("lost by %s, and it opens", id)
		}
	}
}
