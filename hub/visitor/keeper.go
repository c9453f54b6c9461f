package visitor

import (
	"context"
	"errors"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
)

// keepEvery is the interval at which Run looks for visits that end: a visit ends within some minutes after midnight.
const keepEvery = 5 * time.Minute

// Keeper ends visits whose last day has passed, erases the data of past visitors, and forgets people whom nobody
// has let in.
type Keeper struct{ visits *visits }

// Run calls Once every few minutes, until ctx ends.
func (s *Keeper) Run(ctx context.Context) error {
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for {
		if err := s.Once(ctx); err != nil && ctx.Err() == nil {
			s.visits.o.Log.Error("visits were not ended", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Once takes the step that is due of each visit. If one visit fails, Once continues with the others, and returns all
// errors.
func (s *Keeper) Once(ctx context.Context) error {
	all, err := s.visits.all(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range all {
		if err := s.take(ctx, &all[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// take takes the step that is due of a visit. A member whom somebody has already erased needs no step: the visit is
// forgotten.
func (s *Keeper) take(ctx context.Context, v *stored) (err error) {
	by := actor.System("visitors")
	switch Due(v.Visit, s.visits.o.Now(), s.visits.o.today()) {
	case Nothing:
		return nil
	case Drop:
		return s.visits.forget(ctx, by, v.ID, "forgotten: nobody let the person in")
	case End:
		err = s.visits.end(ctx, by, v)
	case Erase:
		if err = s.visits.o.Erase(ctx, by, v.Stay.Member); err == nil {
			return s.visits.forget(ctx, by, v.ID, "erased")
		}
	}
	if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
		return s.visits.forget(ctx, by, v.ID, "forgotten: the member is gone")
	}
	return err
}
