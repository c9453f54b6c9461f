package publish

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/decided"
	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/wire"
)

// maxPeople bounds the members whose changed records are counted one by one. A stolen machine can name any number.
const maxPeople = 100_000

// tally counts replayed records.
type tally struct {
	sessions, changes, refusals *counts
	leftOut                     int
}

// newTally returns a tally without records.
func newTally() *tally {
	return &tally{sessions: newCounts(), changes: newCounts(), refusals: newCounts()}
}

// group returns the counts for records of a kind.
func (t *tally) group(k wire.Kind) *counts {
	switch k {
	case wire.Refused:
		return t.refusals
	case wire.RoleChanged, wire.HandedOver:
		return t.changes
	}
	return t.sessions
}

// add adds the counts of another tally.
func (t *tally) add(x *tally) {
	t.sessions.add(x.sessions)
	t.changes.add(x.changes)
	t.refusals.add(x.refusals)
	t.leftOut += x.leftOut
}

// counts are the replayed records of one kind.
type counts struct {
	records, changed int
	people           map[policy.MemberID]int
	causes           map[causeKey]*causeCount
	obstacles        map[analysis.Obstacle]int
}

// causeKey is the machine and the reason of a changed record.
type causeKey struct {
	machine policy.MachineID
	reason  policy.Code
}

// causeCount counts the changed records of one cause.
type causeCount struct {
	times  int
	people map[policy.MemberID]struct{}
}

// newCounts returns counts without records.
func newCounts() *counts {
	return &counts{people: map[policy.MemberID]int{}, causes: map[causeKey]*causeCount{},
		obstacles: map[analysis.Obstacle]int{}}
}

// unknown counts a record that is not replayable.
func (c *counts) unknown(why analysis.Obstacle) {
	c.records++
	c.obstacles[why]++
}

// decision counts a replayed decision. A refusal counts as changed if it would have been allowed, any other decision if
// it would not.
func (c *counts) decision(d *decided.Decision, got analysis.Replayed, machine policy.MachineID) {
	if got.Obstacle != "" {
		c.unknown(got.Obstacle)
		return
	}
	c.records++
	if !got.Changed() || (got.Would == policy.Allow) != (d.Kind == wire.Refused) {
		return
	}
	c.changed++
	reasons := got.Reasons
	if d.Kind == wire.Refused {
		reasons = d.Reasons
	}
	var who policy.MemberID
	if d.Basis.Member != nil {
		who = d.Basis.Member.ID
	}
	if who != "" && (c.people[who] > 0 || len(c.people) < maxPeople) {
		c.people[who]++
	}
	for i, reason := range reasons {
		if reason.Known() && !slices.Contains(reasons[:i], reason) {
			c.cause(causeKey{machine, reason}).one(who)
		}
	}
}

// cause returns the count of a cause.
func (c *counts) cause(k causeKey) *causeCount {
	x := c.causes[k]
	if x == nil {
		x = &causeCount{people: map[policy.MemberID]struct{}{}}
		c.causes[k] = x
	}
	return x
}

// one counts a changed record of a member; empty: an unknown card.
func (x *causeCount) one(who policy.MemberID) {
	x.times++
	if who != "" && len(x.people) < maxPeople {
		x.people[who] = struct{}{}
	}
}

// add adds other counts.
func (c *counts) add(x *counts) {
	c.records, c.changed = c.records+x.records, c.changed+x.changed
	for who, n := range x.people {
		c.people[who] += n
	}
	for why, n := range x.obstacles {
		c.obstacles[why] += n
	}
	for k, from := range x.causes {
		to := c.cause(k)
		to.times += from.times
		for who := range from.people {
			to.people[who] = struct{}{}
		}
	}
}

// result returns the counts as the actor may see them.
func (s *past) result(ctx context.Context, a actor.Actor, t *tally, l policy.Language) (*Replay, error) {
	out := &Replay{LeftOut: t.leftOut}
	for _, x := range []struct {
		to   *Replayed
		from *counts
		days int
	}{{&out.Sessions, t.sessions, replaySessionDays}, {&out.Changes, t.changes, replaySessionDays},
		{&out.Refusals, t.refusals, replayRefusalDays}} {
		*x.to = x.from.replayed(a, l)
		x.to.Days = x.days
		if a.May(actor.ReadMembers, actor.Target{}) != nil {
			continue
		}
		var err error
		if x.to.People, err = s.peopleOf(ctx, x.from); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// replayed returns the counts without people.
func (c *counts) replayed(a actor.Actor, l policy.Language) Replayed {
	out := Replayed{Records: c.records, Changed: c.changed, Members: len(c.people), Causes: []ReplayCause{},
		People: []ReplayPerson{}, Obstacles: []ReplayUnknown{}}
	for k, x := range c.causes {
		if a.May(actor.ReadReports, actor.Target{Machine: k.machine}) == nil {
			out.Causes = append(out.Causes, ReplayCause{k.machine, k.reason, x.times, len(x.people)})
		}
	}
	slices.SortFunc(out.Causes, func(a, b ReplayCause) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), b.Times-a.Times, cmp.Compare(a.Reason, b.Reason))
	})
	for _, why := range analysis.Obstacles() {
		if n := c.obstacles[why]; n > 0 {
			out.NotReplayable += n
			out.Obstacles = append(out.Obstacles, ReplayUnknown{why, obstacleInWords(why, l), n})
		}
	}
	return out
}

// peopleOf returns the members of the changed records with their names, the most frequent first.
func (s *past) peopleOf(ctx context.Context, c *counts) ([]ReplayPerson, error) {
	out := make([]ReplayPerson, 0, len(c.people))
	for who, n := range c.people {
		out = append(out, ReplayPerson{Member: who, Times: n})
	}
	slices.SortFunc(out, func(a, b ReplayPerson) int { return cmp.Or(b.Times-a.Times, cmp.Compare(a.Member, b.Member)) })
	out = out[:min(len(out), maxChanges)]
	if s.names == nil || len(out) == 0 {
		return out, nil
	}
	ids := make([]policy.MemberID, len(out))
	for i, x := range out {
		ids[i] = x.Member
	}
	names, err := s.names(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Name = names[out[i].Member]
	}
	slices.SortStableFunc(out, func(a, b ReplayPerson) int {
		return cmp.Or(b.Times-a.Times, strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// obstacleInWords returns a sentence that says why records are not replayable.
func obstacleInWords(why analysis.Obstacle, l policy.Language) string {
	return map[analysis.Obstacle]policy.Text{
		analysis.NoBasis: {
			FR: "la machine n’avait pas encore noté sur quoi reposait sa décision (programme plus ancien)",
			EN: "the machine had not recorded what its decision rested on (older program)"},
		analysis.NoPolicy: {FR: "le hub n’a plus les règles d’accès de ce moment-là",
			EN: "the hub no longer has the access policy of that moment"},
		analysis.Unreadable: {FR: "l’enregistrement est illisible", EN: "the record cannot be read"},
		analysis.TruncatedBasis: {FR: "le membre avait trop de badges pour tenir dans l’enregistrement",
			EN: "the member had more badges than the record can hold"},
		analysis.UnknownBadges: {FR: "la réponse dépend de badges que les règles de ce moment-là ne nommaient pas",
			EN: "the answer depends on badges that the policy of that moment did not name"},
	}[why].In(l)
}
