package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/fold"
	"portillon/hub/issue"
	"portillon/hub/ledger"
	"portillon/hub/training"
	"portillon/hub/web"
	"portillon/policy"
	"portillon/wire"
)

// trainings connects the service of trainings to the directory, to the service that issues badges, and to the ledger.
type trainings struct {
	core     *core
	services *services
	issuing  *issuing
}

// openTrainings opens the service of trainings, if the hub issues badges.
func openTrainings(h *Hub) (err error) {
	t := trainings{h.core, h.services, h.pagesServer.issuing}
	if t.issuing.service == nil {
		return nil
	}
	h.pagesServer.training, err = training.New(training.Options{
		Site:      h.core.db.Site(h.core.c.Site),
		Policy:    h.services.policies.current,
		Issued:    t.issued,
		Taps:      t.taps,
		Member:    t.member,
		Find:      t.find,
		Assign:    t.assign,
		AddMember: t.addMember,
		Award:     t.award,
		Audit:     h.services.audit.Append,
		Now:       h.core.now,
	})
	return err
}

// Trainings returns the service of trainings, or nil if the hub issues no badges.
func (h *Hub) Trainings() *training.Service { return h.pagesServer.training }

// trainingPages returns the service for the pages; nil: the hub issues no badges.
func (p *pagesServer) trainingPages() web.Trainings {
	if p.training == nil {
		return nil
	}
	return p.training
}

// waitingPages returns the list of those who wait for a training, for the pages; nil: the hub issues no badges.
func (p *pagesServer) waitingPages() web.Waiting {
	if p.training == nil {
		return nil
	}
	return training.NewWaiting(p.training)
}

// trainingAPI returns the service for the API; nil: the hub issues no badges.
func (p *pagesServer) trainingAPI() api.Trainings {
	if p.training == nil {
		return nil
	}
	return p.training
}

// byHub is the actor for what a training reads.
var byHub = actor.System("training")

// issued returns the badges of the policy that the hub can issue: none, if the policy does not have the hub's key.
func (t trainings) issued(ctx context.Context) (out []policy.BadgeID, err error) {
	classes, err := t.issuing.service.Classes(ctx, byHub)
	var without *fault.Invalid
	if errors.As(err, &without) {
		return nil, nil
	}
	for _, c := range classes {
		out = append(out, c.ID)
	}
	return out, err
}

// taps returns the taps at a machine since a time, at most those of the last days that a training can last.
func (t trainings) taps(ctx context.Context, at policy.MachineID, since time.Time) (out []training.Tap, err error) {
	for _, kind := range []wire.Kind{wire.Refused, wire.SessionStart} {
		q := ledger.Query{Machine: at, Kinds: []wire.Kind{kind}, Since: since}
		err := t.core.ledger.Records(ctx, q, func(e ledger.Entry) error {
			if e.Member != "" && e.Clock.Believed() {
				out = append(out, training.Tap{Member: e.Member, At: e.Wall})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	list, _, err := t.services.directory.Taps.Unknown(ctx, byHub, directory.Page{Limit: maxTaps})
	for _, x := range list {
		if x.Machine == at {
			out = append(out, training.Tap{At: x.At,
				Card: training.Card{Tap: x.ID, Code: x.Code, At: x.At, Assignable: x.Assignable}})
		}
	}
	slices.SortStableFunc(out, func(a, b training.Tap) int { return a.At.Compare(b.At) })
	return out, err
}

// maxTaps is the number of recent unknown cards among which a training searches for those at its machine.
const maxTaps = 500

// member returns a member, with regard to a badge.
func (t trainings) member(ctx context.Context, id policy.MemberID, b policy.BadgeID) (training.Member, error) {
	r, err := t.issuing.recipient(ctx, id)
	return training.Member{ID: r.ID, Name: r.Name, Suspended: r.Blocked, HasBadge: slices.Contains(r.Valid, b),
		CanHold: r.Email != "" || r.Subject != ""}, err
}

// find returns members whose name contains a text.
func (t trainings) find(ctx context.Context, text string, limit int) (out []training.Member, err error) {
	list, _, err := t.services.directory.Members.List(ctx, byHub, directory.Filter{Text: text},
		directory.Page{Limit: limit})
	for _, m := range list {
		// The list also finds by addresses and ids, which the leader of a training may not try out.
		if !m.Gone && strings.Contains(fold.Text(m.Name), fold.Text(text)) {
			out = append(out, training.Member{ID: m.ID, Name: m.Name})
		}
	}
	return out, err
}

// assign assigns the unknown card of a tap to a member.
func (t trainings) assign(ctx context.Context, a actor.Actor, tap string, to policy.MemberID) error {
	_, err := t.services.directory.Taps.Assign(ctx, a.Only(actor.WriteCards, actor.ReadTaps), tap, to)
	return err
}

// addMember adds a member with a name and an address.
func (t trainings) addMember(ctx context.Context, a actor.Actor, name, email string) (policy.MemberID, error) {
	m, err := t.services.directory.Members.Add(ctx, a.Only(actor.WriteMembers, actor.ReadMembers),
		directory.Member{Name: name, Emails: []string{email}})
	return m.ID, err
}

// award issues the badge of a training. The evidence names the machine, the day and the confirmed check list.
func (t trainings) award(ctx context.Context, a actor.Actor, w training.Award) error {
	names := &t.services.policies
	name := string(w.Machine)
	if p, err := names.current(ctx); err == nil && p != nil {
		name = names.machineName(w.Machine).In(p.Language)
	}
	text := fmt.Sprintf("%s, %s", name, w.On.In(cmp.Or(names.zone(), time.UTC)).Format(time.DateOnly))
	if len(w.Checks) > 0 {
		text += "\n- " + strings.Join(w.Checks, "\n- ")
	}
	_, err := t.issuing.service.Award(ctx, a.Only(actor.AwardBadges, actor.WriteBadges), issue.Award{Badge: w.Badge,
		Members: w.Members, Why: w.Why, Evidence: issue.Evidence{Text: text}})
	return err
}
