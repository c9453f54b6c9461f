package daemon

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"portillon/daemon/control"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
	"portillon/wire/replay"
)

// A decision can be replayed from its record: if the policy that decided evaluates the recorded input again, it gives
// the same answer.
func TestRecordsContainTheBasisOfTheirDecision(t *testing.T) {
	r := membershipRoster(t, rule, leasLine, leasLine+` cards: [{ number: "AABBCCDD", state: replaced }, "62E3086CED"],`,
		`cards: ["62E3086CED"]`, "")
	b := benchOf(t, r)
	before := func(number string) (*policy.Policy, bool) { return r.Policy, number == r.PolicyNumber }
	seen := map[wire.Kind][]string{}
	check := func(tapped session.Record) {
		t.Helper()
		text := mustJSON(tapped.Body)
		got, ok := replay.Record(wire.Record{Machine: "laser", Kind: tapped.Kind, Body: text}, r.Policy, before)
		if !ok || got.Why != "" || got.Changed() {
			t.Errorf("%s: %+v %v\n%s", tapped.Kind, got, ok, text)
		}
		for _, secret := range []string{"Léa", "lea@", "62E3086CED", "62e3086ced", "Karim", "AABBCCDD", "aabbccdd"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s names %s: %s", tapped.Kind, secret, text)
			}
		}
		var body struct{ Basis policy.Basis }
		if err := json.Unmarshal(text, &body); err != nil || body.Basis.Bundle != 1 || !body.Basis.At.Equal(b.now) {
			t.Errorf("%s: %v %s", tapped.Kind, err, text)
		}
		who := ""
		if s := body.Basis.Supervisor; s != nil {
			who = " with " + string(s.ID)
		}
		seen[tapped.Kind] = append(
			seen[tapped.Kind],
			got.Was.String()+" "+body.Basis.As.String()+who+" "+body.Basis.CardState,
		)
	}
	step := func(card string, k wire.Kind) {
		t.Helper()
		b.tap(card)
		for i := range b.notes.kept {
			if x := b.notes.kept[i]; x.Kind == k && k != wire.SessionEnd {
				check(x)
			}
		}
		b.notes.kept = nil
	}
	step(zoe, wire.Refused)
	step("AABBCCDD", wire.Refused) // the tap of a replaced card
	step("DEADBEEF", wire.Refused) // a card that belongs to nobody
	step(lea, wire.SessionStart)
	step(lea, wire.SessionEnd)
	step(karim, wire.SessionStart)
	if rep := b.operator.order(t.Context(), control.Request{Do: "role", Role: "mentor"}, ""); !rep.OK {
		t.Fatal(rep)
	}
	check(b.notes.last)
	step(karim, wire.SessionEnd)
	step(jules, wire.SessionEnd)
	step(karim, wire.SessionStart)
	want := map[wire.Kind][]string{
		wire.Refused:      {"deny none ", "deny none replaced", "deny none "},
		wire.SessionStart: {"allow none ", "allow none ", "allow none with m-be879f "},
		wire.RoleChanged:  {"allow mentor "},
	}
	for k, w := range want {
		if !slices.Equal(seen[k], w) {
			t.Errorf("%s: %q, want %q", k, seen[k], w)
		}
	}
}

func TestBasisContainsTheStrengthOfTheCard(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds a bundle of its own")
	}
	b := strongBench(t)
	b.m.state.Holds.ReaderDown = false
	for _, p := range []rfid.Proof{rfid.NumberOnly, rfid.AES} {
		b.tapWithProof(lea, p)
		text := string(mustJSON(b.notes.kept[0].Body))
		if got := strings.Contains(text, `"card":"aes"`) && strings.Contains(text,
			`"verdict":"allow"`); got != (p == rfid.AES) {
			t.Errorf("%v: %s", p, text)
		}
		b.notes.kept = nil
	}
}
