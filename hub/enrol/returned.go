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

// returnsAtOnce is how many returned documents are read at the same time. It is 1 because a policy file may have many
// megabytes.
const returnsAtOnce = 1

// returnsASecond and returnsBurst limit the documents that all machines together return. After a restore, each machine
// returns two documents, once.
const returnsASecond, returnsBurst = 1, 20

// eachReturnsASecond and eachReturnsBurst limit the documents that one machine returns. A machine sends at most two a
// minute (daemoncmd: giveBack). This limit stops one machine from using up the common limit.
const eachReturnsASecond, eachReturnsBurst = 2. / 60, 4

// returns receives documents that machines return to a restored hub, with a rate limit for each machine and one for
// all.
type returns struct {
	now   func() time.Time
	log   *slog.Logger
	slots chan struct{} // holds one entry for each document that is being read
	all   *rate.Limiter

	mu   sync.Mutex
	each map[policy.MachineID]*rate.Limiter
}

func newReturns(now func() time.Time, log *slog.Logger) *returns {
	return &returns{now: now, log: log, slots: make(chan struct{}, returnsAtOnce),
		all: rate.NewLimiter(returnsASecond, returnsBurst), each: map[policy.MachineID]*rate.Limiter{}}
}

// allow counts a returned document of a machine, and reports whether the machine is within its limit.
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

// handler receives a document that a machine has in use, after the hub offered an older one because the hub was
// restored from a backup. take must check the document's signature: the sender is not trusted. limit is the largest
// body in bytes. If take is nil, every document is refused.
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
