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

// returnsAtOnce is the number of returned documents that are read at the same time. The hub reads only one document at
// a time, because a policy file may have many megabytes.
const returnsAtOnce = 1

// returnsASecond and returnsBurst limit the rate of documents that all machines together return. After a restore, each
// machine returns two documents, once.
const returnsASecond, returnsBurst = 1, 20

// eachReturnsASecond and eachReturnsBurst limit the rate of documents that one machine returns, so that one machine
// cannot use up the common limit. A correct machine sends at most two documents per minute (daemoncmd: giveBack).
const eachReturnsASecond, eachReturnsBurst = 2. / 60, 4

// returns receives documents that machines return to a restored hub. returns has a rate limit for each machine and a
// rate limit for all machines together.
type returns struct {
	now   func() time.Time
	log   *slog.Logger
	slots chan struct{} // a full channel means that returnsAtOnce documents are being read
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

// handler returns a handler that receives a document from a machine. A machine returns a document if a hub that was
// restored from a backup offers an older version of the document. take must check the document's signature, because the
// sender is not trusted. limit is the maximum size of the body in bytes. If take is nil, every document is refused.
func (rs *returns) handler(limit int64, take func(context.Context, policy.MachineID, []byte) error) machineHandler {
	return func(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
		if take == nil {
			http.NotFound(w, r)
			return
		}
		if !rs.allow(id) {
			writeAnswer(rs.log, w, r, nil, newBadAsk("this machine returns too much: try again in a minute"))
			return
		}
		select {
		case rs.slots <- struct{}{}:
			defer func() { <-rs.slots }()
		default:
			writeAnswer(rs.log, w, r, nil, newBadAsk("another machine returns a document: try again in a minute"))
			return
		}
		if !rs.all.AllowN(rs.now(), 1) {
			writeAnswer(rs.log, w, r, nil, newBadAsk("machines return too much to this hub: try again in a minute"))
			return
		}
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			writeAnswer(rs.log, w, r, nil, newBadAsk("the returned document cannot be read, want at most %d bytes", limit))
			return
		}
		if err := take(r.Context(), id, b); err != nil {
			writeAnswer(rs.log, w, r, nil, newBadAsk("the returned document was refused: %s", wire.OneLine(err.Error(), 300)))
			return
		}
		writeAnswer(rs.log, w, r, struct{}{}, nil)
	}
}
