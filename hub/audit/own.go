package audit

import (
	"context"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
)

// OwnEntry is an entry of the log for the member whom the entry concerns. OwnEntry does not name other people.
type OwnEntry struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"` // "you", or "others" for an entry that another account wrote
	Act    actor.Act `json:"act"`
	On     string    `json:"on,omitempty"` // On and Detail are empty if the entry concerns another member or the site
	Detail string    `json:"detail,omitempty"`
}

// OwnEntries returns the entries that the actor's account wrote, and the entries about the actor's own member, the
// oldest first. The actor needs actor.ReadOwn, which every member has. The error is *fault.NotFound for an account
// without a member.
func (l *Log) OwnEntries(ctx context.Context, a actor.Actor) (out []OwnEntry, err error) {
	if err := a.May(actor.ReadOwn, actor.Target{Member: a.Member}); err != nil {
		return nil, err
	}
	if a.Member == "" {
		return nil, &fault.NotFound{What: "member", ID: ""}
	}
	about := "member " + string(a.Member)
	rows, err := l.o.Site.Query(ctx, `SELECT seq, entry, salt, personal FROM audit_entry WHERE site = $1
		AND (account = $2 OR about = $3) ORDER BY seq`, a.Account, about)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return nil, err
		}
		e, err := r.read()
		if err != nil {
			return nil, err
		}
		x := OwnEntry{At: e.At, By: "others", Act: e.Act}
		if e.Account == a.Account {
			x.By = "you"
		}
		if e.On == about {
			x.On, x.Detail = e.On, e.Detail
		}
		out = append(out, x)
	}
	return out, rows.Err()
}
