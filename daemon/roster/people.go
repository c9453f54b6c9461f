package roster

import (
	"iter"
	"sync/atomic"
	"time"

	"portillon/policy"
)

// A roster keeps its members in little memory, for a Pi Zero has 512 MB for everything: 10,000 members with three
// badges each take 2 MB here, and 6 MB as the prepared Person that is made of each where somebody asks.

// person is a Person as a roster keeps it.
type person struct {
	id          policy.MemberID
	name        string
	until       policy.Date
	first, last int32 // of the roster's holdings
	language    policy.Language
	blocked     bool
}

// holding is a policy.Holding as a roster keeps it. Its dates are Unix seconds; a fraction of a second is rounded to
// the side that denies.
type holding struct {
	from, until int64 // that of the zero time: none
	kind        int32 // place in the roster's kinds: all else
}

// addHolding adds a holding of the member who was added last.
func (l *loader) addHolding(h policy.Holding) {
	from := h.From.Unix()
	if h.From.Nanosecond() > 0 {
		from++
	}
	kept := holding{from: from, until: h.Until.Unix()}
	h.From, h.Until = time.Time{}, time.Time{}
	kind, ok := l.kinds[h]
	if !ok {
		kind = int32(len(l.r.members.kinds))
		l.kinds[h], l.r.members.kinds = kind, append(l.r.members.kinds, h)
	}
	kept.kind = kind
	l.r.members.holdings = append(l.r.members.holdings, kept)
}

// person makes the Person at a place.
func (r *Roster) person(at int32) Person {
	p := r.members.people[at]
	m := policy.Member{ID: p.id, Blocked: p.blocked, Until: p.until}
	if n := int(p.last - p.first); n > 0 {
		m.Holdings = make([]policy.Holding, n)
	}
	for i, kept := range r.members.holdings[p.first:p.last] {
		h := r.members.kinds[kept.kind]
		h.From, h.Until = time.Unix(kept.from, 0).UTC(), time.Unix(kept.until, 0).UTC()
		m.Holdings[i] = h
	}
	return Person{Member: &m, Name: p.name, Language: p.language}
}

// preparedAhead is how many members a roster prepares while it is loaded. A prepared member takes about 600 bytes, so
// they take about 1 MB in all. A longer list prepares each other member at their first tap, and keeps the memory that
// a machine needs small: a tap waits a few microseconds for it.
const preparedAhead = 2000

// prepare makes the first members ready for the taps of the roster's machine. Every badge is verified by now, and the
// cards have said who is blocked.
func (r *Roster) prepare() {
	if r.machine == "" {
		return
	}
	r.members.prepared = make([]atomic.Pointer[Person], len(r.members.people))
	for i := range min(preparedAhead, len(r.members.people)) {
		r.at(int32(i))
	}
}

// at is the Person at a place, prepared for the decisions of the roster's machine. The policy judges dates, standings
// and practice anew at each tap; what is prepared holds only which badge may meet which need, and that changes with
// the bundle alone, which is another Roster.
func (r *Roster) at(i int32) Person {
	if int(i) >= len(r.members.prepared) {
		return r.person(i)
	}
	slot := &r.members.prepared[i]
	if p := slot.Load(); p != nil {
		return *p
	}
	p := r.person(i)
	r.Policy.Prepare(r.machine, p.Member)
	slot.Store(&p) // two goroutines may both make it: either will do
	return p
}

// Person finds a member by pseudonym. The Person may be shared: a caller changes a copy of its Member, never the Member
// or a badge of it.
func (r *Roster) Person(id policy.MemberID) (Person, bool) {
	i, ok := r.members.ids[id]
	if !ok {
		return Person{}, false
	}
	return r.at(i), true
}

// Everyone yields every member, in the bundle's order. Each is the caller's own.
func (r *Roster) Everyone() iter.Seq[Person] {
	return func(yield func(Person) bool) {
		for at := range r.members.people {
			if !yield(r.person(int32(at))) {
				return
			}
		}
	}
}

// Size is the number of members.
func (r *Roster) Size() int { return len(r.members.people) }
