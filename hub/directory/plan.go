package directory

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/fault"
	"portillon/policy"
	"portillon/policy/analysis"
)

// make matches each row with a member, and determines the changes of the import. The error is *fault.Invalid with the
// faults of all rows, at most maxFaults.
func (pl *plan) make(x *index, rows []*listed, former map[policy.MemberID]bool, hashes []cardHash) error {
	// Find the member of each row.
	found := match(x, rows)
	faults := checkRows(x, rows, found, former, hashes)
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults[:min(len(faults), maxFaults)]}
	}
	listedMembers := map[policy.MemberID]bool{}
	endless := 0
	// Determine what each row changes.
	for i, row := range rows {
		e := found[i]
		w := row.toWrite(e, pl.source, hashes)
		if e != nil {
			listedMembers[e.ID] = true
		}
		if w.Until == (policy.Date{}) && row.has["until"] {
			endless++
		}
		for _, f := range tidyMember(&w.Member) {
			f.Row = row.row
			faults = append(faults, f)
		}
		fields := w.fields(e)
		r := Row{Row: row.row, Member: w.ID, Name: w.Name, Fields: fields}
		switch {
		case e == nil:
			r.Fields = nil
			pl.Added = append(pl.Added, r)
		case len(fields) == 0:
			pl.Unchanged++
			continue
		default:
			pl.Changed = append(pl.Changed, r)
		}
		pl.writes = append(pl.writes, w)
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults[:min(len(faults), maxFaults)]}
	}
	// Suspend the members that are missing from the list.
	pl.suspendMissing(x, listedMembers)
	if endless > 0 && !slices.ContainsFunc(rows, func(r *listed) bool { return r.whole }) {
		pl.Warnings = append(pl.Warnings,
			fmt.Sprintf("%d members have no last day of membership in the list: theirs has no end", endless))
	}
	return nil
}

// suspendMissing suspends the members that an import of the same source added and that are missing from the list. If
// more than gonePercent of the source's members are missing, suspendMissing sets Confirm, because the file may be
// incomplete.
func (pl *plan) suspendMissing(x *index, listedMembers map[policy.MemberID]bool) {
	of := 0
	for _, e := range x.entries {
		if e.Source != pl.source || e.Gone {
			continue
		}
		of++
		if listedMembers[e.ID] {
			continue
		}
		w := write{record: copyOf(e.record)}
		w.Gone = true
		pl.Gone = append(pl.Gone, Row{Member: e.ID, Name: e.Name})
		pl.writes = append(pl.writes, w)
	}
	pl.Confirm = len(pl.Gone)*100 > of*gonePercent
}

// copyOf returns a copy of a record, which the caller may modify, unlike the original in the index.
func copyOf(r *record) *record {
	out := *r
	return &out
}

// match finds the member of each row; nil: the row is a new member. match tries these keys in order: id, external id,
// address and name, card, address alone, name alone. match uses each of the last three keys only if exactly one row
// and one member have the key. Each member matches at most one row.
func match(x *index, rows []*listed) []*entry {
	m := &matching{x: x, rows: rows, found: make([]*entry, len(rows)), taken: map[policy.MemberID]bool{}}
	pass := m.pass
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	// Match by id first, then by external id for rows without an id.
	pass(func(r *listed) []string { return one(string(r.ID)) }, func(e *entry) []string { return one(string(e.ID)) },
		false)
	anonymous := func(r *listed) bool { return r.ID == "" }
	pass(func(r *listed) []string {
		if !anonymous(r) {
			return nil
		}
		return one(r.External)
	}, func(e *entry) []string { return one(e.External) }, false)
	free := func(r *listed, keys ...string) []string {
		if !anonymous(r) {
			return nil
		}
		return keys
	}
	// Match by name and address together, then by card.
	pass(func(r *listed) []string { return free(r, nameAddressKeys(r.Name, r.Emails)...) },
		func(e *entry) []string { return nameAddressKeys(e.Name, e.Emails) }, false)
	pass(func(r *listed) []string { return free(r, cardNumbers(r.Cards)...) },
		func(e *entry) []string { return cardNumbers(e.Cards) }, true)
	// Match by address or name alone, if exactly one row and one member have it.
	pass(func(r *listed) []string { return free(r, toLowerAll(r.Emails)...) },
		func(e *entry) []string { return toLowerAll(e.Emails) }, true)
	pass(func(r *listed) []string {
		if r.External != "" { // different external ids show that these are two people with the same name
			return nil
		}
		return free(r, foldText(r.Name))
	}, func(e *entry) []string { return one(e.key) }, true)
	return m.found
}

// matching is the state of match: the member of each row, as far as it is known, and the members that already have a
// row.
type matching struct {
	x     *index
	rows  []*listed
	found []*entry // member that was found for each row; nil: none was found yet
	taken map[policy.MemberID]bool
}

// pass matches rows and members that have the same key. A key that two members have matches no member. With unique, a
// key that two rows have matches no member either.
func (m *matching) pass(ofRow func(*listed) []string, ofEntry func(*entry) []string, unique bool) {
	byKey := m.free(ofEntry)
	inRows := map[string]int{}
	for i, r := range m.rows {
		if m.found[i] == nil {
			for _, k := range ofRow(r) {
				inRows[k]++
			}
		}
	}
	for i, r := range m.rows {
		for _, k := range ofRow(r) {
			e := byKey[k]
			if m.found[i] == nil && e != nil && !m.taken[e.ID] && (!unique || inRows[k] == 1) {
				m.found[i], m.taken[e.ID] = e, true
			}
		}
	}
}

// free returns the members that have no row yet by their keys. The value is nil if two members have the key.
func (m *matching) free(ofEntry func(*entry) []string) map[string]*entry {
	byKey := map[string]*entry{} // a nil value means that two members have the key
	for _, e := range m.x.entries {
		if m.taken[e.ID] {
			continue
		}
		for _, k := range ofEntry(e) {
			if other, seen := byKey[k]; seen && other != e {
				byKey[k] = nil
				continue
			}
			byKey[k] = e
		}
	}
	return byKey
}

// nameAddressKeys returns one key for each address, which combines the name and that address.
func nameAddressKeys(name string, emails []string) (out []string) {
	for _, e := range emails {
		out = append(out, foldText(name)+"\n"+strings.ToLower(e))
	}
	return out
}

// cardNumbers returns the numbers of the given cards.
func cardNumbers(cards []Card) (out []string) {
	for _, c := range cards {
		out = append(out, c.Number)
	}
	return out
}

// toLowerAll returns each text in lower case.
func toLowerAll(all []string) (out []string) {
	for _, s := range all {
		out = append(out, strings.ToLower(s))
	}
	return out
}

// checkRows returns a fault for each row that cannot be written, because the id belonged to an erased member, a card
// belongs to another member, or there are too many cards. A card that the list removes from one member may be listed
// for another member.
func checkRows(x *index, rows []*listed, found []*entry, former map[policy.MemberID]bool,
	hashes []cardHash) (faults []fault.Field) {
	owner, removed := cardOwners(x, hashes), removedCards(rows, found, hashes)
	for i, r := range rows {
		if former[r.ID] {
			faults = append(faults, fault.Field{Row: r.row, Field: "id", Given: string(r.ID),
				Wrong: "the id belonged to an erased or merged member",
				Right: "another id, or none: the hub chooses one"})
		}
		for _, c := range r.Cards {
			isTaken := func(key string) bool { e := owner[key]; return e != nil && e != found[i] && !removed[key] }
			keys := cardKeys(c.Number, hashes)
			if at := slices.IndexFunc(keys, isTaken); at >= 0 {
				e := owner[keys[at]]
				faults = append(faults, fault.Field{Row: r.row, Field: "cards",
					Wrong: "the card belongs to another member: " + string(e.ID),
					Right: "a card that nobody has, or remove it there first"})
			}
		}
		if n := len(r.Cards); n > maxCards {
			faults = append(faults, fault.Field{Row: r.row, Field: "cards", Wrong: fmt.Sprintf("%d cards", n),
				Right: fmt.Sprintf("at most %d", maxCards)})
		}
	}
	return faults
}

// cardOwners returns the members by the keys of their cards (cardKeys).
func cardOwners(x *index, hashes []cardHash) map[string]*entry {
	owner := map[string]*entry{}
	for _, e := range x.entries {
		for _, c := range e.Cards {
			for _, key := range cardKeys(c.Number, hashes) {
				owner[key] = e
			}
		}
	}
	return owner
}

// removedCards returns the keys of the cards that the import of a members.yaml removes from members, because
// members.yaml lists all cards of a member.
func removedCards(rows []*listed, found []*entry, hashes []cardHash) map[string]bool {
	removed := map[string]bool{}
	for i, r := range rows {
		if e := found[i]; e != nil && r.whole {
			for _, c := range e.Cards {
				for _, key := range cardKeys(c.Number, hashes) {
					removed[key] = true
				}
			}
		}
	}
	return removed
}

// cardKeys returns the keys that identify a card: the number, and the number's HMACs if the hub has the card key. A
// card stored as a number and the same card stored as an HMAC have one key in common.
func cardKeys(number string, hashes []cardHash) (out []string) {
	b, err := hex.DecodeString(number)
	if err != nil || len(hashes) == 0 {
		return []string{number}
	}
	for _, hash := range hashes {
		out = append(out, hmacPrefix+hash(b))
	}
	return out
}

// isSameCard reports whether two numbers belong to one card.
func isSameCard(a, b string, hashes []cardHash) bool {
	if a == b {
		return true
	}
	of := cardKeys(b, hashes)
	return slices.ContainsFunc(cardKeys(a, hashes), func(key string) bool { return slices.Contains(of, key) })
}

// toWrite returns the write for a row: the member e, or a new member if e is nil, with the values of the row.
func (r *listed) toWrite(e *entry, source string, hashes []cardHash) write {
	w := write{record: &record{Member: Member{ID: r.ID, Source: source}}, isNew: e == nil}
	if e != nil {
		w.record = copyOf(e.record)
	}
	if w.ID == "" {
		w.ID = policy.MemberID(newID("m-"))
	}
	m := &w.record.Member
	// Copy the fields for which the list has a column.
	set := func(field string, f func()) {
		if r.has[field] {
			f()
		}
	}
	set("name", func() { m.Name = r.Name })
	set("language", func() { m.Language = r.Language })
	set("until", func() { m.Until = r.Until })
	set("blocked", func() { m.Blocked = r.Blocked })
	set("note", func() { m.Note = r.Note })
	set("external_id", func() { m.External = r.External })
	set("guardians", func() { m.Guardians = mergeValues(r.Guardians, m.Guardians, strings.EqualFold) })
	// A members.yaml is complete and replaces addresses and subjects. From any other list, the import only adds
	// addresses and subjects.
	if r.whole {
		m.Emails, m.Subjects, w.files = r.Emails, r.Subjects, r.files
		m.Blocked = r.Blocked
	} else {
		m.Emails = mergeValues(r.Emails, m.Emails, strings.EqualFold)
		m.Subjects = mergeValues(r.Subjects, m.Subjects, func(a, b string) bool { return a == b })
	}
	m.Gone = false
	r.planCards(e, &w, hashes)
	return w
}

// mergeValues returns the member's existing values and the values of a list, each once. mergeValues removes no value,
// because a list often has only one of a member's addresses.
func mergeValues(listed, had []string, same func(a, b string) bool) []string {
	out := slices.Clone(had)
	for _, v := range listed {
		if !slices.ContainsFunc(out, func(x string) bool { return same(x, v) }) {
			out = append(out, v)
		}
	}
	return out
}

// planCards determines which cards the import adds and, for a members.yaml, which cards it removes. If the list
// contains the number of a card that is stored as an HMAC, the card is not added a second time, because a lost card
// would then be active again.
func (r *listed) planCards(e *entry, w *write, hashes []cardHash) {
	var had []Card
	if e != nil {
		had = e.Cards
	}
	same := func(a, b Card) bool {
		if !r.whole {
			return isSameCard(a.Number, b.Number, hashes)
		}
		return a.Number == b.Number && (a.Part == b.Part && a.State == b.State && (a.State == Active ||
			r.sameDay(a.Since, b.Since)))
	}
	for _, c := range r.Cards {
		at := slices.IndexFunc(had, func(x Card) bool { return same(x, c) })
		if at < 0 {
			w.cards = append(w.cards, c)
			continue
		}
		// If the list contains the number of a card that depends on the previous card key, store the number. With the
		// number, the directory can still recognise the card after that key is deleted.
		known := slices.ContainsFunc(had, func(x Card) bool { return x.Number == c.Number })
		if markOf(had[at].Number) != "" && !known {
			w.numbered = append(w.numbered, Card{ID: had[at].ID, Number: c.Number, Part: c.Part})
		}
	}
	if !r.whole {
		return
	}
	for _, x := range had {
		if !slices.ContainsFunc(r.Cards, func(c Card) bool { return same(x, c) }) {
			w.uncarded = append(w.uncarded, x.ID)
		}
	}
}

// sameDay reports whether two times are on the same day at the site. The import compares only days, because a list
// contains no times of day.
func (r *listed) sameDay(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && (a.IsZero() || policy.DateOf(a, r.zone) == policy.DateOf(b, r.zone))
}

// fields returns the names of the fields of a member that a write changes.
func (w *write) fields(e *entry) []string {
	if e == nil {
		return nil
	}
	out := differences(&e.Member, &w.Member)
	if len(w.cards)+len(w.uncarded)+len(w.numbered) > 0 {
		out = append(out, "cards")
	}
	if !slices.Equal(e.files, w.files) {
		out = append(out, "badges")
	}
	return out
}

// effects lists the rights at machines that members gain or lose by the import. If there is no policy, effects
// returns an empty list.
func (pl *plan) effects(x *index, p *policy.Policy, practised Practised, at time.Time) {
	if p == nil || len(pl.writes) == 0 {
		return
	}
	before, after := make([]*policy.Member, len(pl.writes)), make([]*policy.Member, len(pl.writes))
	for i, w := range pl.writes {
		if e := x.byID[w.ID]; e != nil {
			before[i] = practised.withPractice(e.as(p))
		}
		after[i] = practised.withPractice(memberUnder(p, w.record))
	}
	for _, m := range p.Machines {
		had, has := analysis.Rights(p, m.ID, before, at), analysis.Rights(p, m.ID, after, at)
		for i, w := range pl.writes {
			pl.Gains = append(pl.Gains, rightsOnlyIn(w, m.ID, has[i], had[i])...)
			pl.Loses = append(pl.Loses, rightsOnlyIn(w, m.ID, had[i], has[i])...)
		}
	}
}

// rightsOnlyIn returns the rights that some contains and others does not, each role once.
func rightsOnlyIn(w write, m policy.MachineID, some, others []analysis.Right) (out []Right) {
	for _, r := range some {
		x := Right{Member: w.ID, Name: w.Name, Machine: m, Role: r.Role.String(), Supervised: r.Supervised}
		same := func(o analysis.Right) bool { return o.Role == r.Role && o.Supervised == r.Supervised }
		if !slices.ContainsFunc(others, same) && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
