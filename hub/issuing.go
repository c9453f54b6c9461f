package hub

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/directory"
	"portillon/hub/issue"
	"portillon/hub/store"
	"portillon/hub/training"
	"portillon/hub/web"
	"portillon/openbadge"
	"portillon/policy"
)

// issuing connects the service that issues the site's badges to the directory, which stores the members' badges.
type issuing struct {
	core     *core
	services *services
	service  *issue.Service // nil: the hub issues no badges
}

// openIssuing opens the service that issues badges, if hub.yaml has an issuer.
func openIssuing(h *Hub) error {
	i, c := h.pagesServer.issuing, h.core.c
	if c.Issuer.Key == "" {
		return nil
	}
	key, err := openbadge.ReadKey(c.Issuer.Key)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	i.service, err = issue.New(issue.Options{
		Site:      i.core.db.Site(c.Site),
		Key:       key,
		ID:        c.Issuer.ID,
		URL:       c.Web.URL,
		Now:       i.core.now,
		Log:       i.core.log,
		Policy:    i.services.policies.current,
		Recipient: i.recipient,
		Audit:     i.services.audit.Append,
		Apply:     i.apply,
	})
	return err
}

// Issuing returns the service that issues the site's badges, or nil if the hub issues none.
func (h *Hub) Issuing() *issue.Service { return h.pagesServer.issuing.service }

// forAPI returns the service for the API; nil: the hub issues no badges.
func (i *issuing) forAPI() api.Issuing {
	if i.service == nil {
		return nil
	}
	return i.service
}

// forPages returns the service for the pages; nil: the hub issues no badges.
func (i *issuing) forPages() web.Issuing {
	if i.service == nil {
		return nil
	}
	return i.service
}

// ownBadges returns the service of members' own badges for the pages; nil: the hub issues no badges.
func (i *issuing) ownBadges() web.OwnBadges {
	if i.service == nil {
		return nil
	}
	return i.service.OwnBadges()
}

// recipient returns a member to whom a badge may be issued.
func (i *issuing) recipient(ctx context.Context, id policy.MemberID) (issue.Recipient, error) {
	m, err := i.services.directory.Members.Get(ctx, actor.System("issue badges"), id)
	r := issue.Recipient{ID: m.ID, Name: m.Name, Blocked: m.Blocked || m.Gone}
	if len(m.Emails) > 0 {
		r.Email = m.Emails[0]
	}
	if len(m.Subjects) > 0 {
		r.Subject = m.Subjects[0]
	}
	for _, b := range m.Badges {
		if b.Verdict == openbadge.Valid.String() && b.Local != "" {
			r.Valid = append(r.Valid, b.Local)
		}
	}
	return r, err
}

// apply changes the badges of members in the directory, in one transaction with the function with.
func (i *issuing) apply(ctx context.Context, a actor.Actor, c issue.Change,
	with func(*store.Tx) (detail string, err error)) error {
	convert := func(all []issue.Credential) (out []directory.IssuedBadge) {
		for _, x := range all {
			out = append(out, directory.IssuedBadge{Member: x.Member, ID: x.ID, Name: x.Name, Data: x.Data})
		}
		return out
	}
	return i.services.directory.Badges.ChangeIssued(ctx, a, directory.IssuedChange{Add: convert(c.Add),
		Remove: convert(c.Remove), Check: convert(c.Check), Lists: c.Lists, Documents: c.Documents}, with)
}

// forgetMember removes the data of an erased member that other services than the directory store.
func (i *issuing) forgetMember(ctx context.Context, tx *store.Tx, a actor.Actor, id policy.MemberID,
	addresses []string) error {
	if err := cmp.Or(i.records().Forget(ctx, tx, id), training.Forget(ctx, tx, id)); err != nil {
		return err
	}
	return i.services.forgetMember(ctx, tx, a, id, addresses)
}

// mergeMember moves the data of a merged member that other services than the directory store.
func (i *issuing) mergeMember(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error {
	if err := cmp.Or(i.records().Merged(ctx, tx, keep, drop), training.Merged(ctx, tx, keep, drop)); err != nil {
		return err
	}
	return i.services.mergeMember(ctx, tx, a, keep, drop)
}

// records returns the service for its rows of members, which exist even if hub.yaml has no issuer any more.
func (i *issuing) records() *issue.Service {
	if i.service == nil {
		return &issue.Service{}
	}
	return i.service
}

// documents returns the function that fetches documents for the directory. The hub reads the documents of its own
// issuer from the database: a copy from the web may be older. fetch fetches all other documents; nil: nothing is
// fetched.
func (i *issuing) documents(fetch func(context.Context) openbadge.Resolver) func(context.Context) openbadge.Resolver {
	if fetch == nil {
		return nil
	}
	return func(ctx context.Context) openbadge.Resolver { return ownDocuments{i, ctx, fetch(ctx)} }
}

// ownDocuments resolves the documents of the hub's own issuer, and fetches all other documents.
type ownDocuments struct {
	issuing *issuing
	ctx     context.Context
	others  openbadge.Resolver
}

// Resolve implements openbadge.Resolver.
func (d ownDocuments) Resolve(address string) ([]byte, error) {
	if s := d.issuing.service; s != nil {
		if data, own, err := s.Document(d.ctx, address); own {
			return data, err
		}
	}
	return d.others.Resolve(address)
}

// handle adds the public documents of the issuer to the hub's pages.
func (i *issuing) handle(mux *http.ServeMux) {
	if i.service == nil {
		return
	}
	for _, pattern := range issue.Patterns() {
		mux.Handle(pattern, i.service)
	}
}
