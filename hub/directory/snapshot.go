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

// Snapshot is the directory in the form from which package site builds bundles; its fields are the arguments of
// site.New. Badges have no bytes: Load reads the bytes of the badges that the build needs.
type Snapshot struct {
	Generation int64 // of the rows; the same generation gives the same snapshot
	Members    []site.Member
	Badges     []site.File // without bytes, by hash: Load reads the bytes
	Status     []site.File
	Web        Documents
	Load       func(hash string) ([]byte, error) // as site.Site.Load
}

// Documents holds copies of the documents that badges depend on, by address: profiles, keys, hosted badges. An empty
// document means that the issuer removed it.
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

// Snapshot returns everything that the next bundle is built from. It is for the hub itself and checks no actor.
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
	// Name the member of each badge that names its recipient by a hash.
	nameHashed(out.Members, x.entries)
	for _, e := range x.entries {
		for i := range e.Badges {
			out.Badges = append(out.Badges, site.File{Name: e.Badges[i].File, Hash: e.Badges[i].ID})
		}
	}
	// Status lists have their bytes, badges do not.
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

// byPath compares two files in the order in which a folder is read, folder by folder and by name: a bundle of the
// directory then equals the bundle of the exported folder.
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

// siteMembers returns all members in the form of members.yaml, in the order in which they were added.
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

// sharedEmails returns the addresses that more than one member has, in lower case.
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

// siteMember returns a member in the form of members.yaml, without the cards for which isDead is true. Dead cards are
// in no bundle, so that a person with the previous card key cannot look them up.
func (e *entry) siteMember(p *policy.Policy, shared map[string]bool, isDead func(Card) bool) site.Member {
	m := site.Member{ID: e.ID, Name: e.Name, Language: e.Language, Emails: e.Emails, Subjects: e.Subjects,
		Badges:  slices.Clone(e.files),
		Blocked: e.Blocked || e.Gone, Until: e.Until}
	// If two members share an address, a badge issued to that address counts only with a badges: line, which names the
	// member that the directory stores.
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
		state, _ := policy.ParseCardState(string(c.State)) // an unknown state becomes blocked
		x := site.InactiveCard{Number: c.Number, Part: c.Part, State: state}
		if !c.Since.IsZero() {
			x.Since = policy.DateOf(c.Since, zoneOf(p))
		}
		m.Inactive = append(m.Inactive, x)
	}
	return m
}
