package roster

import (
	"iter"
	"sync/atomic"
	"time"

	"portillon/policy"
)

// A roster stores its members compactly, because a Pi Zero has only 512 MB: 10,000 members with three badges each need
// 2 MB in this compact form, and would need 6 MB as prepared Persons.

// person is the compact form of a Person.
type person struct {
	id          policy.MemberID
	name        string
	until       policy.Date
	first, last int32 // range of the member's badges in the roster's holdings
	language    policy.Language
	blocked     bool
}

// holding is the compact form of a policy.Holding. The dates of a holding are Unix seconds. A fraction of a second is
// rounded so that the badge is valid for a shorter time.
type holding struct {
	from, until int64 // value that stands for the zero time, which means that there is no date
	kind        int32 // place in the roster's kinds, which contain the fields that many holdings share
}

// addHolding adds a badge to the member who was added last.
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

// person returns the Person at a place.
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

// preparedAhead is the number of members that a roster prepares while it is loaded. A prepared member needs about 600
// bytes, so 2,000 members need about 1 MB. If the list has more members, the others are prepared at their first tap, to
// save memory. Preparing a member takes a few microseconds.
const preparedAhead = 2000

// prepare prepares the first members for decisions of the roster's machine. All badges are verified and all blocked
// members are known before prepare is called.
func (r *Roster) prepare() {
	if r.machine == "" {
		return
	}
	r.members.prepared = make([]atomic.Pointer[Person], len(r.members.people))
	for i := range min(preparedAhead, len(r.members.people)) {
		r.at(int32(i))
	}
}

// at returns the Person at a place, prepared for the decisions of the roster's machine. The policy checks dates,
// standings and practice at each tap. The prepared data state only which of the member's badges can satisfy which
// requirement. Only a new bundle changes these data, and each new bundle has a new Roster.
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
	slot.Store(&p) // two goroutines may prepare the same member at the same time, and both results are correct
	return p
}

// Person returns the member with this pseudonym. Other callers may use the same Person: a caller may change a copy of
// its Member, but must not change the Member itself or its badges.
func (r *Roster) Person(id policy.MemberID) (Person, bool) {
	i, ok := r.members.ids[id]
	if !ok {
		return Person{}, false
	}
	return r.at(i), true
}

// Everyone yields every member, in the bundle's order. No other caller uses the same Person, so the caller may change
// it.
func (r *Roster) Everyone() iter.Seq[Person] {
	return func(yield func(Person) bool) {
		for at := range r.members.people {
			if !yield(r.person(int32(at))) {
				return
			}
		}
	}
}

// Size returns the number of members.
func (r *Roster) Size() int { return len(r.members.people) }
