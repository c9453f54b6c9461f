package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/site"
)

// Limits on the values of a member.
const (
	maxName     = 200  // characters
	maxAddress  = 254  // maximum bytes of an e-mail address (RFC 5321 erratum 1690)
	maxSubject  = 2048 // maximum bytes of a DID or URL
	maxNote     = 4000 // characters
	maxExternal = 200  // characters
	maxValues   = 20   // maximum number of e-mail addresses, of subjects, and of guardians
	maxCards    = 20
	maxBadges   = 500
	maxSource   = 100 // characters
)

// about returns the Target of an act that concerns this member.
func about(id policy.MemberID) actor.Target { return actor.Target{Member: id} }

// Members stores the members, and shows an actor the permitted fields of each member.
type Members struct {
	core *core
	// mergeElsewhere is Options.Merged.
	mergeElsewhere func(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error
}

// Get returns the fields of a member that the actor may see. The error is *fault.NotFound if the member does not exist.
// The actor needs actor.ReadMembers about this member.
func (s *Members) Get(ctx context.Context, a actor.Actor, id policy.MemberID) (Member, error) {
	if err := a.May(actor.ReadMembers, about(id)); err != nil {
		return Member{}, err
	}
	return s.core.read(ctx, a, id)
}

// Own returns the data of the actor's own member. The actor needs actor.ReadOwn, which every member has. An API token
// needs the scope actor.ReadOwn too.
func (s *Members) Own(ctx context.Context, a actor.Actor) (Member, error) {
	if err := a.May(actor.ReadOwn, about(a.Member)); err != nil {
		return Member{}, err
	}
	return s.core.read(ctx, a, a.Member)
}

// maySee returns nil if an actor may see a member. With actor.ReadMembers, the actor may see every member; with
// actor.ReadOwn, only the actor's own member. An API token with only the scope actor.ReadOwn may see only the actor's
// own member, whatever role the account has.
func maySee(a actor.Actor, id policy.MemberID) error {
	err := a.May(actor.ReadMembers, about(id))
	if err != nil && id != "" && a.Member == id {
		return a.May(actor.ReadOwn, about(id))
	}
	return err
}

// Add adds a member. If m.ID is empty, the hub chooses the id. Add ignores the cards and badges of m, which the
// services Cards and Badges add. The actor needs actor.WriteMembers, and actor.ReadNotes for a note. The error is
// *fault.Invalid if a value is invalid or the id is already used.
func (s *Members) Add(ctx context.Context, a actor.Actor, m Member) (Member, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil {
		return Member{}, err
	}
	if m.Note != "" {
		if err := a.May(actor.ReadNotes, about("")); err != nil {
			return Member{}, err
		}
	}
	r := &record{Member: m}
	r.Version, r.Cards, r.Badges, r.Gone, r.Source = 0, nil, nil, false, ""
	err := s.core.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		if err := c.add(ctx, r); err != nil {
			return "", "", err
		}
		return auditName(r.ID), "added", nil
	})
	if err != nil {
		return Member{}, err
	}
	return s.core.read(ctx, a, r.ID)
}

// add checks a new member and writes the member's row.
func (c *change) add(ctx context.Context, r *record) error {
	faults := tidyMember(&r.Member)
	if r.ID == "" {
		r.ID = policy.MemberID(newID("m-"))
	}
	taken, err := c.whyTaken(ctx, r.ID)
	if err != nil {
		return err
	}
	if taken != "" {
		faults = append(faults, fault.Field{Field: "id", Given: string(r.ID), Wrong: taken,
			Right: "leave it empty: the hub chooses one"})
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	return c.save(ctx, r)
}

// whyTaken returns why an id cannot be assigned to a new member; empty: the id is free. The id of an erased or merged
// member is never assigned again, because records of machines contain the id.
func (c *change) whyTaken(ctx context.Context, id policy.MemberID) (why string, err error) {
	var members, former int
	err = c.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM member WHERE site = $1 AND id = $2),
		(SELECT COUNT(*) FROM former_member WHERE site = $1 AND id = $2)`, string(id)).Scan(&members, &former)
	switch {
	case members > 0:
		why = "another member has this id"
	case former > 0:
		why = "the id belonged to an erased or merged member: records of machines still carry it"
	}
	return why, err
}

// Change calls f with a copy of a member. Change writes the changes of f to names, addresses, subjects, guardians,
// membership, suspension, note and external id, and ignores other changes. The actor needs actor.WriteMembers about
// this member. The error is *fault.Conflict if the member has another version, and *fault.Invalid for invalid values.
func (s *Members) Change(ctx context.Context, a actor.Actor, id policy.MemberID, version int64,
	f func(*Member) error) (Member, error) {
	if err := a.May(actor.WriteMembers, about(id)); err != nil {
		return Member{}, err
	}
	err := s.core.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		if r.Version != version {
			return "", "", &fault.Conflict{What: "member", ID: string(id), Have: r.Version, Got: version}
		}
		before := r.Member
		if err := edit(a, r, f); err != nil {
			return "", "", err
		}
		return auditName(id), "changed " + strings.Join(differences(&before, &r.Member), ", "), c.save(ctx, r)
	})
	if err != nil {
		return Member{}, err
	}
	return s.core.read(ctx, a, id)
}

// edit calls f with a copy of a member, and copies the fields that an actor may change into the record. An actor
// without actor.ReadNotes can neither see nor write a note.
func edit(a actor.Actor, r *record, f func(*Member) error) error {
	old := r.Member
	m := old
	m.Emails, m.Subjects, m.Guardians = slices.Clone(m.Emails), slices.Clone(m.Subjects), slices.Clone(m.Guardians)
	m.Cards, m.Badges = nil, nil
	notes := a.May(actor.ReadNotes, about(old.ID))
	if notes != nil {
		m.Note = ""
	}
	if err := f(&m); err != nil {
		return err
	}
	if notes != nil {
		if m.Note != "" {
			return notes
		}
		m.Note = old.Note
	}
	// Copy Gone only if it is cleared: a person can clear Gone, but only an import can set it.
	m.ID, m.Version, m.Cards, m.Badges, m.Source, m.Gone, m.Changed = old.ID, old.Version, old.Cards, old.Badges,
		old.Source, old.Gone && m.Gone, old.Changed
	if faults := tidyMember(&m); len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	r.Member = m
	return nil
}

// differences returns the JSON names of the fields that differ between two states of a member. The audit log contains
// the names of changed fields, but never the values.
func differences(a, b *Member) (out []string) {
	for _, x := range []struct {
		name string
		same bool
	}{
		{"name", a.Name == b.Name}, {"language", a.Language == b.Language}, {"emails", slices.Equal(a.Emails, b.Emails)},
		{"subjects", slices.Equal(a.Subjects, b.Subjects)}, {"guardians", slices.Equal(a.Guardians, b.Guardians)},
		{"until", a.Until == b.Until}, {"blocked", a.Blocked == b.Blocked}, {"gone", a.Gone == b.Gone}, {"note",
			a.Note == b.Note},
		{"external_id", a.External == b.External}, {"source", a.Source == b.Source},
	} {
		if !x.same {
			out = append(out, x.name)
		}
	}
	return out
}

// tidyMember normalises the values of a member, and returns the faults of invalid values. tidyMember removes blanks
// around texts, empty values, and duplicates.
func tidyMember(m *Member) (faults []fault.Field) {
	bad := func(field, given, wrong, right string) {
		faults = append(faults, fault.Field{Field: field, Given: clip(given, 100), Wrong: wrong, Right: right})
	}
	if m.ID != "" && !isSlug(string(m.ID)) {
		bad("id", string(m.ID), "not an id", "lower-case letters, digits and hyphens, at most 64")
	}
	tidyWords(&m.Name, "name", maxName, bad)
	if m.Name == "" {
		bad("name", "", "a member has a name", "a name of 1 to 200 characters")
	}
	tidyWords(&m.External, "external_id", maxExternal, bad)
	if m.Language != "" && m.Language != "fr" && m.Language != "en" {
		bad("language", m.Language, "unknown language", "fr, en, or nothing")
	}
	if m.Until != (policy.Date{}) && !isDay(m.Until) {
		bad("until", m.Until.String(), "this is no day of the calendar", "2027-09-30")
	}
	if note := strings.ReplaceAll(m.Note, "\r\n", "\n"); utf8.RuneCountInString(note) > maxNote || !isPlain(note) {
		bad("note", "", fmt.Sprintf("the note has more than %d characters, or control characters", maxNote), "a shorter text")
	} else {
		m.Note = note
	}
	m.Emails = tidyAddresses(m.Emails, "emails", bad)
	m.Guardians = tidyAddresses(m.Guardians, "guardians", bad)
	m.Subjects = tidySubjects(m.Subjects, bad)
	return faults
}

// reportFault is a function that reports a fault: the field, the given value, what is wrong, and the expected form.
type reportFault func(field, given, wrong, right string)

// tidyWords normalises a text to one line without blanks at the ends, and checks that the text has at most most
// characters.
func tidyWords(s *string, field string, most int, bad reportFault) {
	t, err := site.Tidy(*s)
	switch {
	case err != nil:
		bad(field, "", err.Error(), "letters as they are read")
	case utf8.RuneCountInString(t) > most:
		bad(field, t, fmt.Sprintf("%d characters", utf8.RuneCountInString(t)), fmt.Sprintf("at most %d", most))
	default:
		*s = t
	}
}

// tidyAddresses normalises e-mail addresses, and removes duplicates regardless of case.
func tidyAddresses(all []string, field string, bad reportFault) (out []string) {
	for _, e := range all {
		tidyWords(&e, field, maxAddress, bad)
		if e == "" || slices.ContainsFunc(out, func(x string) bool { return strings.EqualFold(x, e) }) {
			continue
		}
		if err := site.CheckEmail(e); err != nil || len(e) > maxAddress {
			bad(field, e, "this is no e-mail address", "lea@example.org")
		}
		out = append(out, e)
	}
	if len(out) > maxValues {
		bad(field, "", fmt.Sprintf("%d addresses", len(out)), fmt.Sprintf("at most %d", maxValues))
	}
	return out
}

// tidySubjects normalises the DIDs and URLs to which badges are issued, and removes duplicates.
func tidySubjects(all []string, bad reportFault) (out []string) {
	for _, v := range all {
		if v = strings.TrimSpace(v); v == "" || slices.Contains(out, v) {
			continue
		}
		if !strings.Contains(v, ":") || len(v) > maxSubject || strings.ContainsAny(v, " \t\r\n") || !isPlain(v) {
			bad("subjects", v, "neither a DID nor a URL", "did:key:z6Mk… or https://…")
		}
		out = append(out, v)
	}
	if len(out) > maxValues {
		bad("subjects", "", fmt.Sprintf("%d subjects", len(out)), fmt.Sprintf("at most %d", maxValues))
	}
	return out
}
