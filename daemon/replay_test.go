package daemon

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/wire"
)

var replayedTaps = flag.Int("taps", 3000, "number of taps whose replay is compared with the machine's decision")

// The hub replays recorded decisions with these readers. Under the policy that decided, each replay must give the
// answer that the machine gave: taps of members, mentors, replaced and unknown cards, and changes of role, at any hour.
func TestReplayGivesTheAnswersOfTheMachine(t *testing.T) {
	taps := *replayedTaps
	if testing.Short() {
		taps = min(taps, 300)
	}
	r := membershipRoster(t, rule, leasLine, leasLine+` cards: [{ number: "AABBCCDD", state: replaced }, "62E3086CED"],`,
		`cards: ["62E3086CED"]`, "", inesLine, inesLine+" until: 2026-11-25,")
	cards := []string{lea, zoe, karim, jules, ines, "AABBCCDD", "DEADBEEF"}
	roles := []string{"mentor", "user", "maintainer", "learner"}
	random := rand.New(rand.NewPCG(20, 26))
	replayer := analysis.NewReplayer(r.Policy, r.Policy)
	var reader wire.DecidedReader
	seen := map[wire.Kind]map[policy.Verdict]int{}
	differences, replayable := 0, 0
	for b := benchOf(t, r); replayable < taps; {
		if random.IntN(30) == 0 { // badges are checked once in these days, and their checks become too old after 7
			b = benchOf(t, r)
			b.now = b.now.Add(time.Duration(random.IntN(8*24)) * time.Hour)
		}
		b.now = b.now.Add(time.Duration(random.IntN(20)) * time.Minute)
		switch random.IntN(8) {
		case 0:
			b.tap(karim)
			b.operator.order(t.Context(), control.Request{Do: "role", Role: "mentor"}, "")
		case 1:
			b.operator.order(t.Context(), control.Request{Do: "role", Role: roles[random.IntN(len(roles))]}, "")
		default:
			b.tap(cards[random.IntN(len(cards))])
		}
		for i, kept := range b.notes.kept {
			switch kept.Kind {
			case wire.SessionStart, wire.RoleChanged, wire.HandedOver, wire.Refused:
			default:
				continue
			}
			record, err := wire.Record{Site: "biklab", Machine: "laser", Seq: uint64(i + 1), Boot: "b", Wall: b.now,
				Clock: wire.ClockTrusted, Kind: kept.Kind, Session: kept.Session, Member: kept.Member,
				Body: mustJSON(kept.Body)}.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			d, err := reader.Read(record)
			if err != nil || d.Basis == nil || d.Kind != kept.Kind || d.Basis.Policy != r.PolicyNumber {
				t.Fatalf("%s: %+v, %v", record, d, err)
			}
			got := replayer.Replay(d.Basis, "laser")
			if replayable++; got.Obstacle != "" || got.Changed() {
				if differences++; differences < 5 {
					t.Errorf("%s: %+v", record, got)
				}
			}
			if seen[d.Kind] == nil {
				seen[d.Kind] = map[policy.Verdict]int{}
			}
			seen[d.Kind][got.Would]++
		}
		b.notes.kept = nil
	}
	t.Logf("%d differences of %d replayable taps: %v", differences, replayable, seen)
	if seen[wire.SessionStart][policy.Allow] == 0 || seen[wire.Refused][policy.Deny] == 0 ||
		seen[wire.RoleChanged][policy.Allow] == 0 {
		t.Errorf("not all kinds were tapped: %v", seen)
	}
}
