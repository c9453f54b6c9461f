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

// Snapshot is the directory in the form from which package site builds bundles. The fields are the arguments of
// site.New.
type Snapshot struct {
	Generation int64 // generation of the rows; two snapshots with the same generation are equal
	Members    []site.Member
	Badges     []site.File // files of the site; a badge has only its hash here, and Load reads the bytes
	Status     []site.File
	Web        Documents
	Load       func(hash string) ([]byte, error) // function that reads the bytes of a badge, as site.Site.Load requires
}

// Documents contains copies of the profiles, keys and hosted badges on which badges depend. The key is the address. An
// empty document means that the issuer removed the document.
type Documents map[string][]byte

var errNotHere = errors.New("directory has no stored copy of a document that a badge needs")

// Resolve implements openbadge.Resolver.
func (d Documents) Resolve(url string) ([]byte, error) {
	b, ok := d[url]
	if !ok {
		return nil, errNotHere
	}
	return document(b)
}

var _ openbadge.Resolver = Documents(nil)

// Snapshot returns all data of the directory that the next bundle needs. Only the hub itself calls Snapshot, so the
// method has no actor.
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
	// Name the member of each badge that contains only a hash of the recipient's address.
	nameHashed(out.Members, x.entries)
	for _, e := range x.entries {
		for i := range e.Badges {
			out.Badges = append(out.Badges, site.File{Name: e.Badges[i].File, Hash: e.Badges[i].ID})
		}
	}
	// Read the bytes of status lists, but not of badges.
	rows, err := s.core.site.Query(ctx, `SELECT file, data FROM status_list WHERE site = $1`)
	err = forEachRow(rows, err, func(rows *sql.Rows) error {
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
	return out, forEachRow(rows, err, storeInMap(out.Web))
}

// storeInMap returns a function for each that stores a row with an address and a document in m.
func storeInMap(m map[string][]byte) func(*sql.Rows) error {
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

// byPath compares two files in the order in which package site reads a folder, so that a bundle built from the
// directory equals the bundle built from the exported folder.
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

// siteMember returns a member in the form of members.yaml. siteMember leaves out the cards for which isDead is true, so
// that a person with the previous card key cannot find them in a bundle.
func (e *entry) siteMember(p *policy.Policy, shared map[string]bool, isDead func(Card) bool) site.Member {
	m := site.Member{ID: e.ID, Name: e.Name, Language: e.Language, Emails: e.Emails, Subjects: e.Subjects,
		Badges:  slices.Clone(e.files),
		Blocked: e.Blocked || e.Gone, Until: e.Until}
	// If two members share an address, only the member with a badges: line receives a badge that was issued to that
	// address. Write the line for the member who has the badge in the directory.
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
		state, _ := policy.ParseCardState(string(c.State)) // unknown states become blocked
		x := site.InactiveCard{Number: c.Number, Part: c.Part, State: state}
		if !c.Since.IsZero() {
			x.Since = policy.DateOf(c.Since, zoneOf(p))
		}
		m.Inactive = append(m.Inactive, x)
	}
	return m
}
