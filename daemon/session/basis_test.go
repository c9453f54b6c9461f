package session

import (
	"encoding/json"
	"strings"
	"testing"

	"portillon/policy"
	"portillon/wire"
)

// largeBasis returns a basis with the given number of badges for the member and for the supervisor, each as long as
// possible.
func largeBasis(badges int) *policy.Basis {
	q := policy.Question{At: noon(), Member: &policy.Member{ID: lea}, Supervisor: &policy.Member{ID: karim}}
	h := policy.Holding{
		Badge:   policy.BadgeID(strings.Repeat("b", 64)),
		From:    noon().Add(1),
		Until:   noon().Add(2),
		Checked: noon().Add(3),
		Other: &policy.OtherBadge{
			Issuer:      policy.IssuerID(strings.Repeat("i", 64)),
			Achievement: "https://example.org/" + strings.Repeat("a", 200),
		},
	}
	for range badges {
		q.Member.Holdings, q.Supervisor.Holdings = append(q.Member.Holdings, h), append(q.Supervisor.Holdings, h)
	}
	b := policy.BasisOf(q, policy.Decision{})
	return &b
}

// A start must not be refused because the basis of its decision is too long for a record.
func TestRecordsWithABasisStayWithinTheLimitOfARecord(t *testing.T) {
	name := policy.MachineID(strings.Repeat("m", 64))
	whole, cut := 0, 0
	for badges := range 40 {
		basis := largeBasis(badges)
		refused := tapOf(zoe)
		refused.Basis = basis
		other, start, handed := tapOf(karim), tapOf(karim), tapOf(sami)
		other.SupervisingBasis, start.Basis, handed.SupervisingBasis = basis, basis, basis
		role := ChooseRole{Decision: allow(policy.Maintainer), Basis: basis}
		replaced := RefusedCard{Member: lea, State: policy.ReplacedCard, Basis: basis}
		strange := stranger()
		strange.Basis = basis
		for what, w := range map[string]*world{
			"refused":      newWorld().do(refused),
			"unknown":      newWorld().do(strange),
			"replaced":     newWorld().do(replaced),
			"start":        newWorld().do(start),
			"with mentor":  newWorld().tap(lea).do(other),
			"another role": newWorld().tap(paul).do(role),
			"handed over":  newWorld().tap(lea).tap(karim).do(handed),
		} {
			r := w.journal[len(w.journal)-1]
			body, err := json.Marshal(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			text, err := wire.Record{
				Site:    policy.SiteID(name),
				Machine: name,
				Seq:     1 << 52,
				Boot:    string(name),
				Mono:    1 << 52,
				Wall:    noon(),
				Clock:   wire.ClockUntrusted,
				Kind:    r.Kind,
				Session: string(name),
				Member:  policy.MemberID(name),
				Body:    body,
			}.Canonical()
			if err != nil || len(text) > wire.MaxRecord {
				t.Fatalf("%s, %d badges: %d bytes, %v", what, badges, len(text), err)
			}
			var b struct{ Basis *policy.Basis }
			if err := json.Unmarshal(body, &b); err != nil || b.Basis == nil || b.Basis.Member.ID != lea {
				t.Fatalf("%s, %d badges: %v %s", what, badges, err, body)
			}
			if b.Basis.Truncated {
				cut++
			} else {
				whole++
			}
		}
	}
	if whole < 20 || cut < 20 {
		t.Errorf("%d whole, %d truncated: little was tried", whole, cut)
	}
	if got := fitBasis(largeBasis(1), strings.Repeat("x", wire.MaxRecord)); got != nil {
		t.Errorf("no room, and yet %+v", got)
	}
	if got := fitBasis(nil, wire.RefusedBody{}); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestSessionStartsEvenIfItsAcceptedBadgesDoNotFitTheRecord(t *testing.T) {
	for _, length := range []int{20, 500, 9000} {
		e := tapOf(karim)
		for range 20 {
			e.Decision.Accepted = append(e.Decision.Accepted, policy.Accepted{Badge: "laser",
				OtherBadge: policy.OtherBadge{Issuer: "lab", Achievement: "https://example.org/" + strings.Repeat("a", length)}})
		}
		w := newWorld().do(e).wantPhase(t, On, "tapped")
		if w.count(wire.SessionStart) != 1 {
			t.Fatalf("%d bytes: no start", length)
		}
		for _, r := range w.journal {
			if b, ok := r.Body.(wire.StartBody); ok {
				text, err := json.Marshal(b)
				if err != nil || len(text) > wire.MaxRecord-envelopeMax || (len(b.Accepted) == 20) != (length == 20) {
					t.Errorf("%d bytes each: %d accepted badges, %d bytes in all, %v", length, len(b.Accepted), len(text), err)
				}
			}
		}
	}
}
