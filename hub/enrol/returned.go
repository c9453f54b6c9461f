package enrol

import (
	"context"
	"io"
	"net/http"

	"portillon/policy"
	"portillon/wire"
)

// returnsWait is how many machines may wait while another one's return is read: a policy file may have many megabytes.
const returnsWait = 1

// takeReturned takes what a machine works from, where the hub offers something older: the hub was restored from a
// backup. What is returned counts by its signature; the machine is not believed. take is nil: nothing is taken.
func (s *Service) takeReturned(limit int64, take func(context.Context, policy.MachineID,
	[]byte) error) http.HandlerFunc {
	return s.machineOnly(func(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
		if take == nil {
			http.NotFound(w, r)
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
	})
}
