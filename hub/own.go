package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"portillon/hub/directory"
	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// machineStates returns the last known states of all machines that the hub has heard of, without their users.
func (sv *services) machineStates(context.Context) (map[policy.MachineID]directory.MachineState, error) {
	out := map[policy.MachineID]directory.MachineState{}
	for _, m := range sv.fleet.list() {
		if m.Seen.IsZero() {
			continue
		}
		st := sv.fleet.standing(m.ID)
		out[m.ID] = directory.MachineState{Online: st.Online, InUse: st.Session != nil, Tagged: len(st.Tags) > 0,
			Fault: st.Phase == "fault"}
	}
	return out, nil
}

// achieved returns a member's progress towards each badge that the policy awards for work, and the skills that mentors
// have confirmed for the member.
func (sv *services) achieved(ctx context.Context, p *policy.Policy, id policy.MemberID) (out directory.Achieved,
	err error) {
	if out.Skills, err = confirmedSkills(ctx, sv.core.ledger, id); err != nil || len(p.Evidence) == 0 {
		return out, err
	}
	records, err := workRecords(ctx, sv.core.ledger, id, aroundWork)
	if err != nil {
		return out, err
	}
	for _, b := range slices.Sorted(maps.Keys(p.Evidence)) {
		rule, _ := evidence.RuleOf(p, b)
		out.Work = append(out.Work, workOf(evidence.Judge(rule, id, records, sv.core.now())))
	}
	return out, nil
}

// workOf converts a progress to the form that the directory returns.
func workOf(p evidence.Progress) directory.OwnWork {
	out := directory.OwnWork{Badge: p.Badge, Counted: len(p.Counted), Needed: p.Needed, Days: p.Days, Spread: p.Spread,
		Complete: p.Complete}
	for _, r := range p.Rejected {
		x := directory.RejectedWork{Machine: r.Record.Machine, At: r.Record.Wall, What: r.What.What}
		for _, w := range r.Why {
			x.Why = append(x.Why, w.Text())
		}
		out.Rejected = append(out.Rejected, x)
	}
	return out
}

// confirmedSkills returns how often mentors confirmed each skill of a member, by machine and skill.
func confirmedSkills(ctx context.Context, l *ledger.Ledger, id policy.MemberID) (map[policy.MachineID]map[string]int,
	error) {
	out := map[policy.MachineID]map[string]int{}
	if id == "" {
		return out, nil
	}
	err := l.Records(ctx, ledger.Query{Kinds: []wire.Kind{wire.Vouched}, Member: id}, func(e ledger.Entry) error {
		var body wire.VouchBody
		if json.Unmarshal(e.Body, &body) != nil { // an unreadable confirmation confirms nothing
			return nil
		}
		if out[e.Machine] == nil {
			out[e.Machine] = map[string]int{}
		}
		for _, k := range slices.Compact(slices.Sorted(slices.Values(body.Skills))) {
			out[e.Machine][k]++
		}
		return nil
	})
	return out, err
}

// aroundWork is the number of records before and after an intervention in which its session is searched. A session has
// one record for each tap, form and change of power, so aroundWork is far above the number of records of any session.
// Reading whole journals would take seconds at a site with a million records.
const aroundWork = 5000

// errPast ends the reading of a journal.
var errPast = errors.New("record is past the end of the section")

// workRecords returns the records by which the member's interventions are judged: the interventions, and the records of
// the sessions in which the member logged them, which are searched in a number of records around each intervention. The
// result contains no record twice.
func workRecords(ctx context.Context, l *ledger.Ledger, id policy.MemberID, around uint64) (out []wire.Record,
	err error) {
	if id == "" {
		return nil, nil
	}
	var own []ledger.Entry
	err = l.Records(ctx, ledger.Query{Kinds: []wire.Kind{wire.Intervened}, Member: id}, func(e ledger.Entry) error {
		own = append(own, e)
		return nil
	})
	slices.SortFunc(own, func(a, b ledger.Entry) int {
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	})
	for i := 0; i < len(own) && err == nil; {
		first, last := own[i], own[i].Seq
		// Join sections of one journal that overlap.
		for i++; i < len(own) && own[i].Machine == first.Machine && own[i].Epoch == first.Epoch &&
			own[i].Seq <= last+2*around; i++ {
			last = own[i].Seq
		}
		q := ledger.Query{Machine: first.Machine, Generation: &first.Generation, Kinds: evidence.Kinds(),
			After: first.Seq - min(first.Seq, around), Limit: int(last - first.Seq + 2*around)}
		err = l.Records(ctx, q, func(e ledger.Entry) error {
			if e.Seq > last+around {
				return errPast
			}
			out = append(out, e.Record)
			return nil
		})
		if errors.Is(err, errPast) {
			err = nil
		}
	}
	return out, err
}

// recordsOf returns all records of machines about a member.
func (sv *services) recordsOf(ctx context.Context, id policy.MemberID) (out []directory.OwnRecord, err error) {
	if id == "" { // the ledger would return the records about all members
		return nil, nil
	}
	err = sv.core.ledger.Records(ctx, ledger.Query{Member: id}, func(e ledger.Entry) error {
		out = append(out, directory.OwnRecord{Machine: e.Machine, At: e.Wall, Clock: string(e.Clock), Kind: string(e.Kind),
			Session: e.Session, Body: e.Body})
		return nil
	})
	return out, err
}
