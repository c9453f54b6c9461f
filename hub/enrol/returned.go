package enrol

import (
	"context"
	"io"
	"net/http"

	"golang.org/x/time/rate"

	"portillon/policy"
	"portillon/wire"
)

// returnsWait is how many machines may wait while another one's return is read: a policy file may have many megabytes.
const returnsWait = 1

// A machine returns two documents a minute at most (daemoncmd: giveBack), so that none keeps the others from it.
const eachReturnsASecond, eachReturnsBurst = 2. / 60, 4

// mayReturn counts what a machine returns.
func (s *Service) mayReturn(id policy.MachineID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.returnLimits[id]
	if l == nil {
		l = rate.NewLimiter(eachReturnsASecond, eachReturnsBurst)
		s.returnLimits[id] = l
	}
	return l.AllowN(s.o.Now(), 1)
}

// returned takes what a machine works from, where the hub offers something older: the hub was restored from a backup.
// What is returned counts by its signature; the machine is not believed. take is nil: nothing is taken.
func (s *Service) returned(limit int64, take func(context.Context, policy.MachineID, []byte) error) machineHandler {
	return func(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
		if take == nil {
			http.NotFound(w, r)
			return
		}
		if !s.mayReturn(id) {
			s.answer(w, r, nil, bad("this machine returns too much: try again in a minute"))
			return
		}
		select {
		case s.returns <- struct{}{}:
			defer func() { <-s.returns }()
		default:
			s.answer(w, r, nil, bad("another machine returns what it works from: try again in a minute"))
			return
		}
		if !s.returnLimit.AllowN(s.o.Now(), 1) {
			s.answer(w, r, nil, bad("too much is returned to this hub: try again in a minute"))
			return
		}
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			s.answer(w, r, nil, bad("what was returned cannot be read, want at most %d bytes", limit))
			return
		}
		if err := take(r.Context(), id, b); err != nil {
			s.answer(w, r, nil, bad("what was returned is not taken: %s", wire.OneLine(err.Error(), 300)))
			return
		}
		s.answer(w, r, struct{}{}, nil)
	}
}
