package maintenance

import (
	"context"
	"slices"

	"portillon/hub/actor"
	"portillon/policy"
)

// naming sets the names of members in a result, or removes the members if the actor may not see names.
type naming struct {
	s       *Service
	allowed bool
	people  []*Person
}

// naming returns the naming of results for an actor.
func (s *Service) naming(a actor.Actor) *naming {
	return &naming{s: s, allowed: a.May(actor.ReadNames, actor.Target{}) == nil}
}

// person adds a person.
func (n *naming) person(p *Person) {
	if !n.allowed {
		*p = Person{}
	}
	if p.Member != "" {
		n.people = append(n.people, p)
	}
}

// report adds the persons of a report.
func (n *naming) report(r *Report) {
	n.person(&r.By)
	if r.Closed != nil {
		closed := *r.Closed // several reports share one Closing
		r.Closed = &closed
		n.person(&closed.By)
	}
}

// work adds the persons of an intervention.
func (n *naming) work(w *Work) {
	n.person(&w.By)
	n.person(&w.Endorser)
}

// tag adds the persons of a tag.
func (n *naming) tag(t *Tag) {
	n.person(&t.By)
	n.person(&t.Off)
}

// item adds the persons of an item.
func (n *naming) item(i *Item) {
	switch {
	case i.Report != nil:
		n.report(i.Report)
	case i.Tag != nil:
		n.tag(i.Tag)
	case i.Work != nil:
		n.work(i.Work)
	}
}

// fill sets the names of all added persons.
func (n *naming) fill(ctx context.Context) error {
	if n.s.o.Names == nil || len(n.people) == 0 {
		return nil
	}
	var ids []policy.MemberID
	for _, p := range n.people {
		ids = append(ids, p.Member)
	}
	slices.Sort(ids)
	names, err := n.s.o.Names(ctx, slices.Compact(ids))
	for _, p := range n.people {
		p.Name = names[p.Member]
	}
	return err
}
