package webtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/policy"
)

// Directory implements the services of web.Directory for the members of a site.
type Directory struct{ Site *Site }

// missing returns the error for an unknown id.
func missing(what, id string) error { return &fault.NotFound{What: what, ID: id} }

// seen returns a member without the note and the card numbers if the actor lacks the permissions for them.
func seen(a actor.Actor, m directory.Member) directory.Member {
	if a.May(actor.ReadNotes, actor.Target{}) != nil {
		m.Note = ""
	}
	if a.May(actor.WriteCards, actor.Target{}) != nil {
		m.Cards = slices.Clone(m.Cards)
		for i := range m.Cards {
			m.Cards[i].Number = ""
		}
	}
	return m
}

// List lists the members that match a filter, sorted by name.
func (d Directory) List(_ context.Context, a actor.Actor, f directory.Filter,
	p directory.Page) ([]directory.Member, string, error) {
	leave, err := d.Site.enter(a, actor.ReadMembers, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	limit := p.Limit
	if limit == 0 {
		limit = 50
	}
	var out []directory.Member
	for _, m := range d.Site.directory.members {
		if p.After != "" && m.Name <= p.After || !d.matches(m, f) {
			continue
		}
		if len(out) == limit {
			return out, out[limit-1].Name, nil
		}
		out = append(out, seen(a, m))
	}
	return out, "", nil
}

// matches reports whether a member matches a filter.
func (d Directory) matches(m directory.Member, f directory.Filter) bool {
	if !strings.Contains(strings.ToLower(m.Name+" "+strings.Join(m.Emails, " ")+" "+string(m.ID)),
		strings.ToLower(f.Text)) {
		return false
	}
	end := time.Date(m.Until.Year, m.Until.Month, m.Until.Day+1, 0, 0, 0, 0, Paris())
	over := m.Until != policy.Date{} && !end.After(d.Site.now)
	switch f.State {
	case directory.StateBlocked:
		return m.Blocked || m.Gone
	case directory.StateLapsed:
		return over
	case directory.StateEnding:
		return m.Until != policy.Date{} && !over && end.Before(d.Site.now.AddDate(0, 0, 30))
	case directory.StateCurrent:
		return !m.Blocked && !m.Gone && !over
	}
	return true
}

// Get returns one member.
func (d Directory) Get(_ context.Context, a actor.Actor, id policy.MemberID) (directory.Member, error) {
	leave, err := d.Site.enter(a, actor.ReadMembers, actor.Target{Member: id})
	if err != nil {
		return directory.Member{}, err
	}
	defer leave()
	if m := d.Site.find(id); m != nil {
		return seen(a, *m), nil
	}
	return directory.Member{}, missing("member", string(id))
}

// Own returns the actor's own member.
func (d Directory) Own(_ context.Context, a actor.Actor) (directory.Member, error) {
	leave, err := d.Site.enter(a, actor.ReadOwn, actor.Target{Member: a.Member})
	if err != nil {
		return directory.Member{}, err
	}
	defer leave()
	if m := d.Site.find(a.Member); m != nil {
		return seen(actor.Actor{}, *m), nil
	}
	return directory.Member{}, missing("member", string(a.Member))
}

// check returns the faults of a member's name and addresses.
func check(m directory.Member) error {
	var faults []fault.Field
	if m.Name == "" || len(m.Name) > 200 {
		faults = append(faults, fault.Field{Field: "name", Given: m.Name, Wrong: "empty or longer than 200 bytes",
			Right: "a name"})
	}
	for i, e := range m.Emails {
		if !strings.Contains(e, "@") {
			faults = append(faults, fault.Field{Field: fmt.Sprintf("emails[%d]", i), Given: e, Wrong: "not an e-mail address",
				Right: "lea@lab.example"})
		}
	}
	if faults != nil {
		return &fault.Invalid{Faults: faults}
	}
	return nil
}

// Add adds a member, and an entry to the audit log.
func (d Directory) Add(_ context.Context, a actor.Actor, m directory.Member) (directory.Member, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return m, err
	}
	defer leave()
	if err := check(m); err != nil {
		return m, err
	}
	m.ID, m.Version, m.Changed = policy.MemberID(d.Site.next("m-new")), 1, d.Site.now
	d.Site.directory.members = append(d.Site.directory.members, m)
	d.Site.log(a, actor.WriteMembers, "member "+string(m.ID), "added")
	return m, nil
}

// Change changes a member if the version is current.
func (d Directory) Change(_ context.Context, a actor.Actor, id policy.MemberID, version int64,
	change func(*directory.Member) error) (directory.Member, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{Member: id})
	if err != nil {
		return directory.Member{}, err
	}
	defer leave()
	m := d.Site.find(id)
	if m == nil {
		return directory.Member{}, missing("member", string(id))
	}
	if m.Version != version {
		return *m, &fault.Conflict{What: "member", ID: string(id), Have: m.Version, Got: version}
	}
	next := *m
	if err := errors.Join(change(&next)); err != nil {
		return *m, err
	}
	if err := check(next); err != nil {
		return *m, err
	}
	next.Version++
	next.Changed = d.Site.now
	*m = next
	d.Site.log(a, actor.WriteMembers, "member "+string(id), "changed")
	return next, nil
}

// Merge moves cards, badges and addresses of drop to keep, and removes drop.
func (d Directory) Merge(_ context.Context, a actor.Actor, keep, drop policy.MemberID) (directory.Member, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{Member: keep})
	if err != nil {
		return directory.Member{}, err
	}
	defer leave()
	k, x := d.Site.find(keep), d.Site.find(drop)
	if k == nil || x == nil || k == x {
		return directory.Member{}, missing("member", string(drop))
	}
	k.Cards, k.Badges, k.Emails = append(k.Cards, x.Cards...), append(k.Badges, x.Badges...), append(k.Emails, x.Emails...)
	k.Version++
	out := *k
	d.remove(drop)
	return out, nil
}

// remove removes a member from the list.
func (d Directory) remove(id policy.MemberID) {
	for i := range d.Site.directory.members {
		if d.Site.directory.members[i].ID == id {
			d.Site.directory.members = append(d.Site.directory.members[:i:i], d.Site.directory.members[i+1:]...)
			return
		}
	}
}

// Erase removes a member if the version is current.
func (d Erasures) Erase(_ context.Context, a actor.Actor, id policy.MemberID, version int64) error {
	leave, err := d.Site.enter(a, actor.EraseMembers, actor.Target{Member: id})
	if err != nil {
		return err
	}
	defer leave()
	m := d.Site.find(id)
	switch {
	case m == nil:
		return missing("member", string(id))
	case m.Version != version:
		return &fault.Conflict{What: "member", ID: string(id), Have: m.Version, Got: version}
	}
	Directory(d).remove(id)
	delete(d.Site.directory.erasures, id)
	d.Site.log(a, actor.EraseMembers, "member "+string(id), "erased")
	return nil
}

// Endings returns ended and ending memberships and badges.
func (d Directory) Endings(_ context.Context, a actor.Actor) (out []directory.Ending, err error) {
	leave, err := d.Site.enter(a, actor.ReadMembers, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, m := range d.Site.directory.members {
		end := time.Date(m.Until.Year, m.Until.Month, m.Until.Day, 12, 0, 0, 0, Paris())
		if m.Until != (policy.Date{}) && end.After(d.Site.now.AddDate(-1, 0, 0)) && end.Before(d.Site.now.AddDate(0, 0, 30)) {
			out = append(out, directory.Ending{Member: m.ID, Name: m.Name, What: "membership", At: end})
		}
		for _, b := range m.Badges {
			if !b.Expires.IsZero() {
				out = append(out, directory.Ending{Member: m.ID, Name: m.Name, What: b.Name, Badge: b.Local, At: b.Expires})
			}
		}
	}
	return out, nil
}

// Preview reads a list with one name in each line. Preview returns the new members, and invented other changes.
func (d Directory) Preview(_ context.Context, a actor.Actor, in directory.Import) (directory.Preview, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return directory.Preview{}, err
	}
	defer leave()
	out := directory.Preview{ID: d.Site.next("p-"), Format: "csv", Unchanged: len(d.Site.directory.members)}
	var faults []fault.Field
	for i, name := range strings.Split(strings.TrimSpace(string(in.Data)), "\n") {
		if name = strings.TrimSpace(name); name == "" || len(name) > 200 {
			faults = append(faults, fault.Field{Row: i + 1, Field: "name", Given: name, Wrong: "no name"})
			continue
		}
		out.Added = append(out.Added, directory.Row{Row: i + 1, Name: name, Fields: []string{"name"}})
		out.Gains = append(out.Gains, directory.Right{Name: name, Machine: "fdm", Role: "learner", Supervised: true})
	}
	if faults != nil {
		return out, &fault.Invalid{Faults: faults}
	}
	out.Gone = []directory.Row{{Member: "m-maud", Name: "Maud Pichon"}}
	out.Changed = []directory.Row{{Member: "m-tom", Name: "Tom Le Goff", Fields: []string{"until"}}}
	out.Loses = []directory.Right{{Member: "m-maud", Name: "Maud Pichon", Machine: "laser", Role: "user"}}
	out.Confirm, out.Ignored = len(in.Data) > 1000, []string{"Téléphone"}
	out.Program, out.Why = memberlist.Galette, []memberlist.Reason{{What: "columns", Values: []string{"Compte", "Pseudo",
		"Date d’échéance"}}, {What: "separator", Values: []string{";"}}}
	out.Headers = []directory.Header{{Header: "Nom", Field: "last"}, {Header: "Prénom", Field: "first"},
		{Header: "Courriel", Field: "email"}, {Header: "Date d’échéance", Field: "until"},
		{Header: "Téléphone", Field: memberlist.Ignore, Remembered: true}}
	out.Left = []memberlist.Left{{Row: 17, Why: memberlist.NoEnd}, {Row: 31, Why: memberlist.NotValid, Given: "Annulé"}}
	out.Ends = 2
	d.Site.directory.previews[out.ID] = out
	return out, nil
}

// Remap changes the fields of the columns of a preview.
func (d Directory) Remap(_ context.Context, a actor.Actor, id string, by directory.Mapping) (directory.Preview, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return directory.Preview{}, err
	}
	defer leave()
	p, ok := d.Site.directory.previews[id]
	if !ok {
		return p, missing("preview", id)
	}
	p.Headers = slices.Clone(p.Headers)
	for i, h := range p.Headers {
		field, given := by.Columns[h.Header]
		if given && field != memberlist.Ignore && !slices.Contains(directory.Fields(), field) {
			return p, bad("columns", field, "unknown field", "")
		}
		if given {
			p.Headers[i].Field = field
		}
	}
	d.Site.directory.previews[id] = p
	return p, nil
}

// Confirm confirms the removals of a preview.
func (d Directory) Confirm(_ context.Context, a actor.Actor, id string) (directory.Preview, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return directory.Preview{}, err
	}
	defer leave()
	p := d.Site.directory.previews[id]
	p.Confirm = false
	d.Site.directory.previews[id] = p
	return p, nil
}

// Apply adds the new members of a preview. Apply returns an error if the preview must be confirmed first.
func (d Directory) Apply(_ context.Context, a actor.Actor, id string) (directory.Preview, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return directory.Preview{}, err
	}
	defer leave()
	p, ok := d.Site.directory.previews[id]
	switch {
	case !ok:
		return p, missing("preview", id)
	case p.Confirm:
		return p, bad("gone", "", "more than 10 % are gone", "a confirmation")
	}
	for _, r := range p.Added {
		d.Site.directory.members = append(
			d.Site.directory.members,
			directory.Member{ID: policy.MemberID(d.Site.next("m-new")), Version: 1, Name: r.Name,
				Source: "csv", Changed: d.Site.now},
		)
	}
	delete(d.Site.directory.previews, id)
	return p, nil
}

// Export writes the names of all members.
func (d Directory) Export(_ context.Context, a actor.Actor, format string, w io.Writer) error {
	leave, err := d.Site.enter(a, actor.ReadMembers, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	for _, m := range d.Site.directory.members {
		if _, err := fmt.Fprintf(w, "%s;%s\n", m.ID, m.Name); err != nil {
			return err
		}
	}
	return nil
}
