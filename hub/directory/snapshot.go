package directory

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

// Snapshot is the directory as package site builds bundles of it; site.New takes its parts. Badges come without their
// bytes: Load reads those that the build needs.
type Snapshot struct {
	Generation int64 // of the rows; the same generation gives the same snapshot
	Members    []site.Member
	Badges     []site.File // by their hashes: Load reads them
	Status     []site.File
	Web        Documents
	Load       func(hash string) ([]byte, error) // as site.Site.Load
}

// Documents are copies of what badges rest on, by their addresses: profiles, keys, hosted badges. An empty document
// was removed by its issuer.
type Documents map[string][]byte

var errNotHere = errors.New("the directory holds no copy of it")

// Resolve implements openbadge.Resolver.
func (d Documents) Resolve(url string) ([]byte, error) {
	b, ok := d[url]
	if !ok {
		return nil, errNotHere
	}
	return document(b)
}

var _ openbadge.Resolver = Documents(nil)

// Snapshot gives everything that the next bundle is built of. It is for the hub itself: it takes no actor.
func (s *Exports) Snapshot(ctx context.Context) (*Snapshot, error) {
	p, err := s.core.policy(ctx)
	if err != nil {
		return nil, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	out := &Snapshot{Generation: x.generation, Web: Documents{}, Members: s.siteMembers(x, p),
		Load: func(hash string) ([]byte, error) { return s.core.badgeBytes(ctx, hash) }}
	// Say which member has each badge that names its recipient by a hash.
	nameHashed(out.Members, x.entries)
	for _, e := range x.entries {
		for i := range e.Badges {
			out.Badges = append(out.Badges, site.File{Name: e.Badges[i].File, Hash: e.Badges[i].ID})
		}
	}
	// Status lists come with their bytes, badges without.
	rows, err := s.core.site.Query(ctx, `SELECT file, data FROM status_list WHERE site = $1`)
	err = each(rows, err, func(rows *sql.Rows) error {
		var f site.File
		if err := rows.Scan(&f.Name, &f.Data); err != nil {
			return err
		}
		out.Status = append(out.Status, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.Badges, byPath)
	slices.SortFunc(out.Status, byPath)
	rows, err = s.core.site.Query(ctx, `SELECT url, data FROM document WHERE site = $1`)
	return out, each(rows, err, intoMap(out.Web))
}

// intoMap reads rows of an address and its document into m.
func intoMap(m map[string][]byte) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var url string
		var data []byte
		if err := rows.Scan(&url, &data); err != nil {
			return err
		}
		m[url] = data
		return nil
	}
}

// byPath is the order in which a folder is read, folder by folder and by name: a bundle of the directory is then the
// bundle of the exported folder.
func byPath(a, b site.File) int {
	for i := range min(len(a.Name), len(b.Name)) {
		switch x, y := a.Name[i], b.Name[i]; {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a.Name), len(b.Name))
}

// siteMembers are all members as members.yaml lists them, in the order in which they were added.
func (s *Exports) siteMembers(x *index, p *policy.Policy) []site.Member {
	all := slices.Clone(x.entries)
	slices.SortFunc(all, func(a, b *entry) int {
		if a.place != b.place {
			return int(a.place - b.place)
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	shared := x.sharedEmails()
	out := make([]site.Member, 0, len(all))
	for _, e := range all {
		out = append(out, e.siteMember(p, shared, s.core.hashing.isDead))
	}
	return out
}

// sharedEmails are the addresses that more than one member has, in lower case.
func (x *index) sharedEmails() map[string]bool {
	owner, out := map[string]policy.MemberID{}, map[string]bool{}
	for _, e := range x.entries {
		for _, address := range e.Emails {
			address = strings.ToLower(address)
			if other, seen := owner[address]; seen && other != e.ID {
				out[address] = true
			}
			owner[address] = e.ID
		}
	}
	return out
}

// siteMember is a member as members.yaml lists them, without the cards that isDead names: they are in no bundle, so
// that whoever has the card key before cannot look for them.
func (e *entry) siteMember(p *policy.Policy, shared map[string]bool, isDead func(Card) bool) site.Member {
	m := site.Member{ID: e.ID, Name: e.Name, Language: e.Language, Emails: e.Emails, Subjects: e.Subjects,
		Badges:  slices.Clone(e.files),
		Blocked: e.Blocked || e.Gone, Until: e.Until}
	// Where an address is shared, a badge counts only by a line of its own: the directory knows whose it is.
	if slices.ContainsFunc(e.Emails, func(a string) bool { return shared[strings.ToLower(a)] }) {
		for i, b := range e.Badges {
			if !e.held[i].to.badge().IsFor(openbadge.Recipient{Subjects: e.Subjects}) && !slices.Contains(m.Badges, b.File) {
				m.Badges = append(m.Badges, b.File)
			}
		}
	}
	for _, c := range e.Cards {
		if isDead(c) {
			continue
		}
		if c.State == Active {
			m.Cards = append(m.Cards, c.Number)
			if c.Part {
				m.Parts = append(m.Parts, c.Number)
			}
			continue
		}
		state, _ := policy.ParseCardState(string(c.State)) // what is not known stands for a blocked card
		x := site.InactiveCard{Number: c.Number, Part: c.Part, State: state}
		if !c.Since.IsZero() {
			x.Since = policy.DateOf(c.Since, zoneOf(p))
		}
		m.Inactive = append(m.Inactive, x)
	}
	return m
}
