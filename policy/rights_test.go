package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Rights and Who are one judge: what somebody may be now is a right that holds now.
func TestRightsThatHoldNowAreWhatWhoSays(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(11, 12))}
	later := 0
	for range 500 {
		p := mustNew(t, g.model())
		q := g.question()
		if q.Member != nil && g.IntN(2) == 0 { // a membership that ended
			q.Member.Until = DateOf(q.At.AddDate(0, 0, -1-g.IntN(400)), p.Zone)
		}
		place := p.Who("m", []*Member{q.Member}, q.At)[0]
		var alone, supervised RoleSet
		for _, r := range p.Rights("m", []*Member{q.Member}, q.At)[0] {
			switch {
			case !r.Now:
				later++
			case r.Supervised:
				supervised |= 1 << r.Role
			default:
				alone |= 1 << r.Role
			}
		}
		if alone != place.Alone || supervised != place.Supervised {
			t.Fatalf(
				"%v %v, but Who says %v %v",
				alone.Roles(),
				supervised.Roles(),
				place.Alone.Roles(),
				place.Supervised.Roles(),
			)
		}
	}
	if later == 0 {
		t.Error("no right holds at another time alone")
	}
}

func TestRightsSayWhen(t *testing.T) {
	office, err := ParseHours("Mo-Fr 09:00-21:00", nil)
	if err != nil {
		t.Fatal(err)
	}
	p := ruled(t, func(m *Machine) {
		m.Grants[0].Hours = office
		m.Grants = append(m.Grants, Grant{Role: User, Needs: Need{Badge: "user"}, Booked: true})
	})
	night := monday.AddDate(0, 0, -1)
	if got := fmt.Sprint(rightWords(p, bearer("user"), night)); got != "[user Mo-Fr 09:00-21:00 now false user booked now false]" {
		t.Error(got)
	}
	if got := fmt.Sprint(rightWords(p, bearer(), night)); got != "[]" {
		t.Error(got)
	}
	if p.Rights("x", nil, night) != nil || p.Rights("m", []*Member{nil}, night)[0] != nil {
		t.Error("somebody at a machine that is none, or nobody")
	}
}

func rightWords(p *Policy, m *Member, at time.Time) (out []string) {
	for _, r := range p.Rights("m", []*Member{m}, at)[0] {
		s := r.Role.String()
		if r.Hours != nil {
			s += " " + r.Hours.String()
		}
		if r.Booked {
			s += " booked"
		}
		out = append(out, fmt.Sprint(s, " now ", r.Now))
	}
	return out
}
