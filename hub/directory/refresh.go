package directory

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

// Verdicts verifies the stored badges again.
type Verdicts struct {
	core      *core
	documents *documents
}

// Verify verifies the badges of the directory under the policy in force. The hub calls Verify before building a
// bundle under a different policy, and calls it with fetch several times a day.
//
// Without fetch, Verify verifies new badges, and badges of which the issuer, the status list or a document has changed
// since the last verdict. With fetch, Verify fetches status lists and documents again, and verifies every badge. Verify
// writes only verdicts that have changed, so that the hub builds no needless bundle.
func (s *Verdicts) Verify(ctx context.Context, fetch bool) error {
	p, err := s.core.policy(ctx)
	if err != nil {
		return err
	}
	src, err := s.documents.sources(ctx, fetch)
	if err != nil {
		return err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return err
	}
	changed, found, err := s.verifyAll(ctx, x, p, src, fetch)
	if err != nil {
		return err
	}
	src.forgetSame()
	if len(changed) > 0 || len(src.gotLists) > 0 || len(src.gotWeb) > 0 {
		if err := s.write(ctx, changed, src); err != nil {
			return err
		}
	}
	s.core.bases.put(found, x.entries)
	return nil
}

// verifyAll verifies the badges of the index. verifyAll returns the badges whose verdict differs from the stored
// verdict, and the bases of all new verdicts. With fetch, verifyAll pauses between badges, because no person waits
// for the result.
func (s *Verdicts) verifyAll(ctx context.Context, x *index, p *policy.Policy, src *sources,
	fetch bool) ([]verified, map[string]*basis, error) {
	now, trust, states := s.core.now(), trustTextsOf(p), map[string]string{}
	var changed []verified
	found := map[string]*basis{}
	slow := pacer{began: time.Now()}
	for _, e := range x.entries {
		for i := range e.Badges {
			b := &e.Badges[i]
			if known := s.core.bases.get(b.ID); !fetch && known != nil && known.holds(trust, src, states, now) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			if fetch {
				slow.pause(ctx)
			}
			data, err := s.core.badgeBytes(ctx, b.ID)
			if errors.Is(err, sql.ErrNoRows) { // skip a badge that another request has removed meanwhile
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			// Verify the badge, and store the basis of the verdict.
			v := verify(data, p, src, now)
			src.accept()
			found[b.ID] = src.basisOf(&v, trust, now)
			if v.badge == nil { // the address of the hosted badge no longer returns the badge
				v.Name, v.Issued, v.Expires, v.Issuer = b.Name, b.Issued, b.Expires, b.Issuer
				v.held = e.held[i]
				v.proved, v.hosted, v.standing = false, false, standingUnverified
			}
			if v.same(b, &e.held[i]) {
				continue
			}
			v.ID, v.Member, v.File, v.From = b.ID, e.ID, b.File, b.From
			changed = append(changed, v)
		}
	}
	return changed, found, nil
}

// pacer spreads background work over time. Verifying 10,000 badges takes some seconds of processor time, and must not
// delay machines that fetch a changed card.
type pacer struct{ began time.Time } // time.Now at the start of the work, because the hub's clock may be set

const (
	workTime = 10 * time.Millisecond // length of the work between two pauses
	restTime = 30 * time.Millisecond // length of a pause
)

// pause pauses for restTime if workTime has passed since the last pause. pause returns early if ctx is done.
func (r *pacer) pause(ctx context.Context) {
	if time.Since(r.began) < workTime {
		return
	}
	t := time.NewTimer(restTime)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	r.began = time.Now()
}

// write writes the changed verdicts, and the documents that were fetched for them. write skips badges that were
// removed since the verification began.
func (s *Verdicts) write(ctx context.Context, changed []verified, src *sources) error {
	return s.core.write(ctx, actor.System("verify badges"), actor.WriteBadges, func(c *change) (string, string, error) {
		for i := range changed {
			v := &changed[i]
			var member policy.MemberID
			switch err := c.QueryRow(ctx, `SELECT member FROM badge WHERE site = $1 AND id = $2`, v.ID).Scan(&member); err {
			case nil:
			case sql.ErrNoRows:
				continue
			default:
				return "", "", err
			}
			if err := c.writeBadge(ctx, v, 0); err != nil { // place 0 is not used, because the row exists
				return "", "", err
			}
			c.touch(member)
		}
		return "", "badges verified", c.writeSources(ctx, src)
	})
}

// same reports whether a verdict equals the stored verdict of the badge. The comparison ignores the time of the
// check.
func (v *verified) same(b *Badge, h *held) bool {
	return v.Verdict == b.Verdict && v.proved == h.proved && v.hosted == h.hosted && v.standing == h.standing &&
		v.checked.IsZero() == h.checked.IsZero() && v.Name == b.Name
}

// forgetSame removes the fetched documents that the database already contains, and those on which no accepted verdict
// depends.
func (s *sources) forgetSame() {
	for url, b := range s.gotLists {
		if old, ok := s.lists[url]; ok && string(old) == string(b) || !s.accepted[url] {
			delete(s.gotLists, url)
		}
	}
	for url, b := range s.gotWeb {
		if old, ok := s.web[url]; ok && string(old) == string(b) || !s.accepted[url] {
			delete(s.gotWeb, url)
		}
	}
}
