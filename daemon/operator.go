package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// operator answers the control socket, and executes the hub's commands.
type operator struct {
	cfg      *Config
	model    *model
	engine   *engine
	periodic *periodic
	refusals map[string]time.Time // when each refusal of a command was last recorded
}

// obey executes a command. Call obey only in the loop.
func (o *operator) obey(ctx context.Context, c wire.Command) (rep control.Reply) {
	switch {
	case c.Do == "tag" && o.model.isTagged(c.TagID()):
		return control.Reply{OK: true}
	case c.Do == "tag" && o.model.journal.removedTags[c.TagID()]:
		return control.Reply{
			Error: fmt.Sprintf("the tag %.64s was taken off at the machine; a new tag needs a new id", c.TagID()),
		}
	case c.Do == "untag":
		rep = control.Reply{Error: "a tag cannot be taken off from the hub; a maintainer takes it off at the machine"}
	case c.Do == "tag", c.Do == "stop":
		rep = o.order(ctx, control.Request{Do: c.Do, Tag: c.Tag, Reason: c.Reason, Now: c.Now}, c.ID)
	default:
		rep = control.Reply{Error: fmt.Sprintf("this machine does not know the command %.40q; it knows tag and stop", c.Do)}
	}
	o.recordCommand(ctx, c, rep.Error)
	return rep
}

// refusalEvery is the least time between two records of the same refusal of a command, so that repeated commands cannot
// fill the disk.
const refusalEvery = time.Minute

// refusalsMost is the largest number of different refusals that are recorded within refusalEvery.
const refusalsMost = 8

// shouldRecord reports whether to record a refusal: the same refusal was not recorded within refusalEvery.
func (o *operator) shouldRecord(refusal string) bool {
	now := o.cfg.Now()
	maps.DeleteFunc(o.refusals, func(_ string, at time.Time) bool { return now.Sub(at).Abs() >= refusalEvery })
	if _, recent := o.refusals[refusal]; recent || len(o.refusals) >= refusalsMost {
		return false
	}
	if o.refusals == nil {
		o.refusals = map[string]time.Time{}
	}
	o.refusals[refusal] = now
	return true
}

// recordCommand records the result of a command.
func (o *operator) recordCommand(ctx context.Context, c wire.Command, refusal string) {
	if refusal != "" && !o.shouldRecord(refusal) {
		return
	}
	o.engine.recordAlone(ctx, wire.Commanded, wire.CommandBody{ID: c.ID, Do: c.Do, Why: refusal})
}

func (o *operator) order(ctx context.Context, r control.Request, id string) control.Reply {
	switch r.Do {
	case "status":
		o.engine.followHub()
		s := o.engine.views.status()
		return control.Reply{OK: true, Status: &s}
	case "tap":
		return o.orderTap(ctx, r.Card)
	case "role":
		return o.orderRole(ctx, r.Role)
	case "tag":
		return o.orderTag(ctx, r, id)
	case "untag":
		return o.orderUntag(ctx, r.Tag)
	case "stop":
		if o.model.state.Current.Session == "" {
			return control.Reply{OK: true, FR: "Aucune session n’est en cours", EN: "No session is running"}
		}
		o.engine.apply(ctx, session.Stop{})
		return o.panelReply(true)
	case "log":
		return o.orderLog(ctx, r)
	case "unknown":
		return o.orderUnknown()
	}
	return control.Reply{
		Wrong: true,
		Error: fmt.Sprintf("%q is not an order this daemon knows", r.Do),
		Hint:  "status, tap, role, tag, untag, stop, log or unknown",
	}
}

// panelReply returns the panel's sentence as the reply.
func (o *operator) panelReply(ok bool) control.Reply {
	v := o.cfg.Panel.Current()
	join := func(a, b string) string {
		if b == "" {
			return a
		}
		return a + ". " + b
	}
	return control.Reply{OK: ok, FR: join(v.Line.FR, v.Next.FR), EN: join(v.Line.EN, v.Next.EN)}
}

func (o *operator) orderTap(ctx context.Context, card string) control.Reply {
	c, err := rfid.ParseCard(card)
	if err != nil {
		return control.Reply{Wrong: true, Error: err.Error(), Hint: rfid.CardFormats}
	}
	if c.Part {
		o.model.rules.typedPart = c.Number
		defer func() { o.model.rules.typedPart = rfid.UID{} }()
	}
	o.cfg.Panel.EndFlash()
	o.engine.tap(ctx, rfid.Tap{UID: c.Number})
	sign := o.cfg.Panel.Current().Sign
	if sign == panel.SignReading { // the card was read before, so reply with the machine's state
		sign = o.engine.views.phaseView().Sign
	}
	return o.panelReply(!sign.IsRefusal())
}

func (o *operator) orderRole(ctx context.Context, name string) control.Reply {
	var role policy.Role
	if err := role.UnmarshalText([]byte(name)); err != nil || role == policy.NoRole {
		return control.Reply{
			Wrong: true,
			Error: fmt.Sprintf("%q is no role", name),
			Hint:  "learner, user, host, mentor or maintainer",
		}
	}
	if !o.engine.chooseRole(ctx, role) {
		return control.Reply{
			Error: fmt.Sprintf("the role %s cannot be taken now", role),
			Hint:  "it is offered for a minute after the tap, to members whose badges give it",
		}
	}
	return o.panelReply(true)
}

func (o *operator) orderTag(ctx context.Context, r control.Request, id string) control.Reply {
	if strings.TrimSpace(r.Reason) == "" || len(r.Reason) > 200 {
		return control.Reply{Wrong: true, Error: "a tag needs a reason of 1 to 200 bytes: it is what the members read"}
	}
	if len(r.Tag) > 64 {
		return control.Reply{Wrong: true, Error: fmt.Sprintf("a tag's name has at most 64 bytes, not %d", len(r.Tag))}
	}
	if strings.HasPrefix(r.Tag, duePrefix) {
		return control.Reply{Wrong: true, Error: fmt.Sprintf("a tag that begins with %q is the machine's own", duePrefix)}
	}
	if id == "" && IsJournalTag(r.Tag) { // a restore removes these tags, and adds the earlier ones
		return control.Reply{
			Wrong: true,
			Error: fmt.Sprintf("a tag that begins with %q or %q is the machine's own", tagNew, tagOlder),
		}
	}
	if r.Tag != "" {
		id = r.Tag
	}
	if id == "" {
		id = o.cfg.NewID()
	}
	o.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: r.Reason, Since: o.cfg.Now()}, Now: r.Now})
	if !o.model.isTagged(id) {
		return control.Reply{
			Error: fmt.Sprintf("too many tags hang on this machine: %d", len(o.model.state.Holds.Tags)),
			Hint:  "take one off first",
		}
	}
	if o.model.state.Running() {
		t := panel.TagWaits()
		return control.Reply{OK: true, FR: t.FR, EN: t.EN}
	}
	return o.panelReply(true)
}

func (o *operator) orderUntag(ctx context.Context, id string) control.Reply {
	tags := o.model.state.Holds.Tags
	if id == "" && len(tags) == 1 {
		id = tags[0].ID
	}
	if len(tags) == 0 {
		return control.Reply{Error: "no tag hangs on this machine"}
	}
	if !o.model.isTagged(id) {
		return control.Reply{
			Error: fmt.Sprintf("no tag %q hangs here", id),
			Hint:  "machine status lists the tags: " + strings.Join(tagLines(tags), "; "),
		}
	}
	if o.engine.apply(ctx, session.RemoveTag{ID: id}); o.model.isTagged(id) {
		return control.Reply{
			Error: "the journal does not take it, so the tag stays",
			Hint:  "see the machine's panel, then try again",
		}
	}
	return o.panelReply(true)
}

func (o *operator) orderLog(ctx context.Context, r control.Request) control.Reply {
	if o.model.state.Phase != session.Maintenance {
		return control.Reply{
			Error: "no maintainer is at work here",
			Hint:  "an intervention is logged under a maintainer's tap",
		}
	}
	if kinds := o.model.rules.roster.Policy.InterventionKinds(o.cfg.Machine); !slices.Contains(kinds, r.Kind) {
		return control.Reply{
			Wrong: true,
			Error: fmt.Sprintf("the kind %q is not one of this machine's", r.Kind),
			Hint:  "one of: " + strings.Join(kinds, ", "),
		}
	}
	if r.Minute < 0 || r.Minute > 24*60 || len(r.Note) > 500 {
		return control.Reply{Wrong: true, Error: "minutes go from 0 to 1440, a note has at most 500 bytes"}
	}
	before := o.cfg.Journal.Len()
	o.engine.apply(ctx, session.Log{What: r.Kind, Minutes: r.Minute, Note: r.Note, ID: o.model.attestID(r.Kind)})
	if o.cfg.Journal.Len() == before {
		return control.Reply{Error: "the journal did not take the intervention"}
	}
	o.periodic.upkeep(ctx)
	return o.panelReply(true)
}

// orderUnknown lists the unknown cards that were tapped and whose codes are still valid.
func (o *operator) orderUnknown() control.Reply {
	out := control.UnknownCards{Machine: string(o.cfg.Machine), Taps: o.model.unknown.taps, Cards: []control.UnknownCard{}}
	for _, c := range o.model.unknown.cards {
		if o.cfg.Now().Sub(c.At).Abs() < wire.CodeLife {
			c.At = o.model.rules.siteTime(c.At)
			out.Cards = append(out.Cards, c)
		}
	}
	return control.Reply{OK: true, Unknown: &out}
}
