package hub

import (
	"context"
	"maps"
	"slices"
	"time"

	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/hub/maintenance"
	"portillon/policy"
	"portillon/wire"
)

// recordsBefore is how many records before a member's first intervention memberProgress reads, so that the records have
// the beginning of its session. A session has fewer records.
const recordsBefore = 500

// maxRecords is the maximum number of records of one journal that memberProgress reads.
const maxRecords = 200_000

// memberProgress returns how far a member is towards each badge that the policy awards for work. The result leaves out
// badges towards which the member has logged no intervention.
func (sv *services) memberProgress(ctx context.Context, m policy.MemberID) (out []maintenance.Progress, _ error) {
	p, err := sv.policies.current(ctx)
	if err != nil || p == nil {
		return nil, err
	}
	now := sv.core.now()
	for _, b := range slices.Sorted(maps.Keys(p.Evidence)) {
		rule, _ := evidence.RuleOf(p, b)
		var records []wire.Record
		for _, machine := range rule.Machines {
			some, err := sv.recordsAround(ctx, machine, m, rule, now)
			if err != nil {
				return nil, err
			}
			records = append(records, some...)
		}
		if len(records) > 0 {
			out = append(out, progressOf(b, evidence.Judge(rule, m, records, now)))
		}
	}
	return out, nil
}

// recordsAround reads the records of a machine that the judgement of a member's interventions needs. It leaves out
// interventions that are too old for the rule, and the records before them, because a machine has records of years.
func (sv *services) recordsAround(ctx context.Context, machine policy.MachineID, m policy.MemberID, rule evidence.Rule,
	now time.Time) (out []wire.Record, err error) {
	first := map[wire.Generation]uint64{}
	q := ledger.Query{Machine: machine, Member: m, Kinds: []wire.Kind{wire.Intervened}}
	err = sv.core.ledger.Records(ctx, q, func(e ledger.Entry) error {
		old := rule.Within > 0 && e.Clock.Believed() && now.Sub(e.Wall) > time.Duration(rule.Within)*time.Second
		if _, known := first[e.Generation]; !known && !old {
			first[e.Generation] = e.Seq
		}
		return nil
	})
	for _, g := range slices.Sorted(maps.Keys(first)) {
		q := ledger.Query{Machine: machine, Generation: &g, Kinds: evidence.Kinds(), Limit: maxRecords,
			After: first[g] - min(first[g], recordsBefore)}
		if err == nil {
			err = sv.core.ledger.Records(ctx, q, func(e ledger.Entry) error {
				out = append(out, e.Record)
				return nil
			})
		}
	}
	return out, err
}

// progressOf converts a judgement for the pages.
func progressOf(b policy.BadgeID, p evidence.Progress) maintenance.Progress {
	out := maintenance.Progress{Badge: b, Counted: len(p.Counted), Needed: p.Needed, Days: p.Days, Spread: p.Spread,
		Complete: p.Complete}
	seen := map[evidence.Why]bool{}
	for _, x := range p.Rejected {
		for _, why := range x.Why {
			if !seen[why] {
				seen[why] = true
				out.Why = append(out.Why, why.Text())
			}
		}
	}
	return out
}
