package hub

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// Progress returns how far each member who has logged an intervention is towards each badge that the policy awards for
// work. The result is sorted by member, then by badge.
func Progress(ctx context.Context, l *ledger.Ledger, p *policy.Policy, now time.Time) ([]evidence.Progress, error) {
	records, err := evidenceRecords(ctx, l)
	if err != nil {
		return nil, err
	}
	var out []evidence.Progress
	for _, b := range slices.Sorted(maps.Keys(p.Evidence)) {
		rule, _ := evidence.RuleOf(p, b)
		for _, m := range evidence.Members(records) {
			out = append(out, evidence.Judge(rule, m, records, now))
		}
	}
	slices.SortStableFunc(out, func(a, b evidence.Progress) int { return cmp.Compare(a.Member, b.Member) })
	return out, nil
}

// ProgressOf returns how far one member is towards one badge.
func ProgressOf(
	ctx context.Context,
	l *ledger.Ledger,
	p *policy.Policy,
	m policy.MemberID,
	b policy.BadgeID,
	now time.Time,
) (evidence.Progress, error) {
	rule, ok := evidence.RuleOf(p, b)
	if !ok {
		return evidence.Progress{}, fmt.Errorf("the policy has no evidence rule for the badge %.64q", b)
	}
	records, err := evidenceRecords(ctx, l)
	if err != nil {
		return evidence.Progress{}, err
	}
	return evidence.Judge(rule, m, records, now), nil
}

// Export returns the signed evidence file of one member for one badge, even if the badge is not earned yet.
func Export(
	ctx context.Context,
	l *ledger.Ledger,
	p *policy.Policy,
	m policy.MemberID,
	b policy.BadgeID,
	now time.Time,
	key note.Signer,
) ([]byte, error) {
	progress, err := ProgressOf(ctx, l, p, m, b, now)
	if err != nil {
		return nil, err
	}
	rule, _ := evidence.RuleOf(p, b)
	f := evidence.File{Site: p.Site, Member: m, Made: now, Rule: rule}
	needs := evidence.Needs(progress)
	for len(needs) > 0 { // needs is sorted by journal
		first, n := needs[0], 0
		var seqs []uint64
		for ; n < len(needs) && needs[n].Machine == first.Machine && needs[n].Epoch == first.Epoch; n++ {
			seqs = append(seqs, needs[n].Seq)
		}
		if err := addProofs(ctx, l, first.Machine, first.Generation, seqs, &f); err != nil {
			return nil, err
		}
		needs = needs[n:]
	}
	return evidence.Make(f, key)
}

// addProofs adds the proofs for records of one journal to an evidence file: the checkpoint, and the path of each
// record.
func addProofs(
	ctx context.Context,
	l *ledger.Ledger,
	m policy.MachineID,
	g wire.Generation,
	seqs []uint64,
	f *evidence.File,
) error {
	proof, err := l.Prove(ctx, m, g, seqs)
	if err != nil {
		return err
	}
	f.Machines = append(f.Machines, evidence.Journal{Machine: m, Generation: g, Checkpoint: proof.Checkpoint})
	for i, seq := range seqs {
		err := l.Records(ctx, ledger.Query{Machine: m, Generation: &g, After: seq - 1, Limit: 1}, func(e ledger.Entry) error {
			f.Records = append(f.Records, evidence.Proven{Leafed: e.Leaf, Generation: g, Path: []tlog.Hash(proof.Paths[i])})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// evidenceRecords reads all records of the kinds that can be evidence.
func evidenceRecords(ctx context.Context, l *ledger.Ledger) ([]wire.Record, error) {
	var out []wire.Record
	err := l.Records(ctx, ledger.Query{Kinds: evidence.Kinds()}, func(e ledger.Entry) error {
		out = append(out, e.Record)
		return nil
	})
	return out, err
}
