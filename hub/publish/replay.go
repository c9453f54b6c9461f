package publish

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/decided"
	"portillon/policy"
	"portillon/policy/analysis"
)

// How many days of records a draft is replayed over.
const (
	replaySessionDays = 90
	replayRefusalDays = 30
)

// replayTime is the maximum time of a replay. Then the oldest records are left out.
const replayTime = 20 * time.Second

// Records are the decisions of machines in the ledger.
type Records interface {
	// Parts returns all parts of the decisions, the newest part first: decisions to allow a use since the first time, and
	// refusals since the second time.
	Parts(ctx context.Context, sessions, refusals time.Time) ([]RecordPart, error)
}

// RecordPart is a part of the decisions of one machine.
type RecordPart struct {
	Machine policy.MachineID
	Records int // an estimate
	// Read calls yield with each decision of the part. A decision is valid only during the call, except for its strings.
	// Several parts may be read at the same time.
	Read func(ctx context.Context, yield func(*decided.Decision) error) error
}

// Replay is what a policy would have answered to the taps that machines decided. It rests on what each record says
// about its decision; a record that does not say enough is counted as not replayable.
type Replay struct {
	Sessions Replayed `json:"sessions"`     // Changed: sessions that would have been refused
	Changes  Replayed `json:"role_changes"` // Changed: role changes and hand-overs that would have been refused
	Refusals Replayed `json:"refusals"`     // Changed: refusals that would have been allowed
	// LeftOut is the number of records that were not read because the replay took too long. They are the oldest. The
	// number is an estimate.
	LeftOut int `json:"left_out,omitempty"`
}

// Replayed are the results for one kind of records.
type Replayed struct {
	Days    int `json:"days"`
	Records int `json:"records"`
	Changed int `json:"changed"`
	Members int `json:"members"` // members of the changed records; taps of unknown cards have none
	// Causes are the changed records by machine and reason, for machines whose reports the actor may read. A record with
	// several reasons counts once for each of them.
	Causes []ReplayCause `json:"causes"`
	// People are the members of the changed records; empty for an actor who may not read the list of members. They are at
	// most 2,000.
	People        []ReplayPerson  `json:"people"`
	NotReplayable int             `json:"not_replayable"`
	Obstacles     []ReplayUnknown `json:"obstacles"` // why they are not replayable
}

// ReplayCause is a number of changed records with one reason: the draft's reason for a session that would have been
// refused, and the recorded reason of a refusal that would have been allowed.
type ReplayCause struct {
	Machine policy.MachineID `json:"machine"`
	Reason  policy.Code      `json:"reason"`
	Times   int              `json:"times"`
	Members int              `json:"members"`
}

// ReplayPerson is a member with the number of changed records.
type ReplayPerson struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name,omitempty"` // empty: the directory has no such member any more
	Times  int             `json:"times"`
}

// ReplayUnknown is a number of records that are not replayable for one reason.
type ReplayUnknown struct {
	Obstacle analysis.Obstacle `json:"obstacle"`
	Text     string            `json:"text"` // the reason as a sentence
	Times    int               `json:"times"`
}

// replay replays the recorded decisions under a policy; nil: this hub has no records.
func (s *Drafts) replay(ctx context.Context, a actor.Actor, p *policy.Policy) (*Replay, error) {
	if s.past == nil || s.past.records == nil {
		return nil, nil
	}
	now := s.now()
	all, err := s.past.count(ctx, p, now)
	if err != nil {
		return nil, err
	}
	return s.past.result(ctx, a, all, s.languageOf(ctx, p))
}

// past replays recorded decisions. It keeps the policies that decided, because parsing one takes milliseconds.
type past struct {
	records Records
	names   func(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error)
	decided *decidedPolicies
	time    time.Duration // replaces replayTime in tests; 0: replayTime
}

// count replays all records under a policy. Each processor replays a part of the records at a time.
func (s *past) count(ctx context.Context, p *policy.Policy, now time.Time) (*tally, error) {
	if err := s.decided.refresh(ctx); err != nil {
		return nil, err
	}
	parts, err := s.records.Parts(ctx, now.AddDate(0, 0, -replaySessionDays), now.AddDate(0, 0, -replayRefusalDays))
	if err != nil {
		return nil, err
	}
	limit := s.time
	if limit == 0 {
		limit = replayTime
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	queue := make(chan RecordPart, len(parts))
	for _, x := range parts {
		queue <- x
	}
	close(queue)
	var wait sync.WaitGroup
	workers := make([]replayWorker, min(max(runtime.GOMAXPROCS(0), 1), maxReplayWorkers))
	for i := range workers {
		workers[i] = replayWorker{past: s, policy: p, replayers: map[string]*analysis.Replayer{}, tally: newTally()}
		wait.Go(func() { workers[i].run(within, queue) })
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out, errs := newTally(), error(nil)
	for i := range workers {
		out.add(workers[i].tally)
		errs = errors.Join(errs, workers[i].err)
	}
	return out, errs
}

// maxReplayWorkers is the maximum number of goroutines of a replay. The database has four connections for reading.
const maxReplayWorkers = 3

// replayWorker replays parts of the records.
type replayWorker struct {
	past      *past
	policy    *policy.Policy
	replayers map[string]*analysis.Replayer // by the number of the policy that decided; nil: not available
	tally     *tally
	err       error
}

// run replays the parts of a queue. When the time is over, the parts that are left are counted as left out.
func (w *replayWorker) run(ctx context.Context, queue <-chan RecordPart) {
	for x := range queue {
		read := 0
		if ctx.Err() == nil && w.err == nil {
			w.err = x.Read(ctx, func(d *decided.Decision) error {
				read++
				w.decision(d, x.Machine)
				return nil
			})
		}
		if ctx.Err() != nil { // the error is that of the end of the time
			w.tally.leftOut, w.err = w.tally.leftOut+max(x.Records-read, 0), nil
		}
	}
}

// decision replays one decision.
func (w *replayWorker) decision(d *decided.Decision, machine policy.MachineID) {
	group := w.tally.group(d.Kind)
	switch {
	case d.Unreadable:
		group.unknown(analysis.Unreadable)
		return
	case d.Basis == nil:
		group.unknown(analysis.NoBasis)
		return
	}
	replayer := w.replayer(d.Basis.Policy)
	if replayer == nil {
		group.unknown(analysis.NoPolicy)
		return
	}
	got := replayer.Replay(d.Basis, machine)
	group.decision(d, got, machine)
}

// replayer returns the replayer for decisions of a policy; nil: the hub does not have that policy.
func (w *replayWorker) replayer(number string) *analysis.Replayer {
	if known, ok := w.replayers[number]; ok {
		return known
	}
	if len(w.replayers) >= maxDecided { // a stolen machine can name any number of policies
		clear(w.replayers)
	}
	var out *analysis.Replayer
	if before := w.past.decided.policy(number); before != nil {
		out = analysis.NewReplayer(w.policy, before)
	}
	w.replayers[number] = out
	return out
}
