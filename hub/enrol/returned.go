package enrol

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"portillon/policy"
	"portillon/wire"
)

// returnsAtOnce is how many machines' returns are read at the same time: a policy file may have many megabytes.
const returnsAtOnce = 1

// returnsASecond bounds the returns of all machines together: after a restore each machine returns two documents, once.
const returnsASecond, returnsBurst = 1, 20

// A machine returns two documents a minute at most (daemoncmd: giveBack), so that no machine uses up the limit of all.
const eachReturnsASecond, eachReturnsBurst = 2. / 60, 4

// returns receives documents that machines return to a restored hub, within limits for each machine and for all.
type returns struct {
	now   func() time.Time
	log   *slog.Logger
	slots chan struct{} // holds one entry for each return that is being read
	all   *rate.Limiter

	mu   sync.Mutex
	each map[policy.MachineID]*rate.Limiter
}

func newReturns(now func() time.Time, log *slog.Logger) *returns {
	return &returns{now: now, log: log, slots: make(chan struct{}, returnsAtOnce),
		all: rate.NewLimiter(returnsASecond, returnsBurst), each: map[policy.MachineID]*rate.Limiter{}}
}

// allow counts a return of a machine, and reports whether the machine is within its own limit.
func (rs *returns) allow(id policy.MachineID) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	l := rs.each[id]
	if l == nil {
		l = rate.NewLimiter(eachReturnsASecond, eachReturnsBurst)
		rs.each[id] = l
	}
	return l.AllowN(rs.now(), 1)
}

// handler receives a document that a machine works from, after the hub offered an older one: the hub was restored from
// a backup. take checks the document's signature; nothing else makes the document count. limit is in bytes. If take is
// nil, the hub receives nothing.
func (rs *returns) handler(limit int64, take func(context.Context, policy.MachineID, []byte) error) machineHandler {
	return func(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
		if take == nil {
			http.NotFound(w, r)
			return
		}
		if !rs.allow(id) {
			answer(rs.log, w, r, nil, bad("this machine returns too much: try again in a minute"))
			return
		}
		select {
		case rs.slots <- struct{}{}:
			defer func() { <-rs.slots }()
		default:
			answer(rs.log, w, r, nil, bad("another machine returns a document: try again in a minute"))
			return
		}
		if !rs.all.AllowN(rs.now(), 1) {
			answer(rs.log, w, r, nil, bad("machines return too much to this hub: try again in a minute"))
			return
		}
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			answer(rs.log, w, r, nil, bad("the returned document cannot be read, want at most %d bytes", limit))
			return
		}
		if err := take(r.Context(), id, b); err != nil {
			answer(rs.log, w, r, nil, bad("the returned document was refused: %s", wire.OneLine(err.Error(), 300)))
			return
		}
		answer(rs.log, w, r, struct{}{}, nil)
	}
}
