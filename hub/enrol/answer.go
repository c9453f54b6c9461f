package enrol

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"portillon/wire"
)

// badAsk is an invalid request. The reason is sent to the machine.
type badAsk struct{ why string }

// Error returns the reason.
func (e *badAsk) Error() string { return e.why }

// bad returns a badAsk with a formatted reason.
func bad(format string, a ...any) error { return &badAsk{fmt.Sprintf(format, a...)} }

var (
	// errNotMachine refuses a request that does not come from an enrolled machine of this site.
	errNotMachine = errors.New("this is no enrolled machine of this hub, or it was revoked")
	// errExpired refuses every request except a renewal, because the machine's certificate has expired.
	errExpired = errors.New("the certificate has expired: renew it")
)

// CodeHeader is the HTTP header with the code of a refusal, so that a program can tell refusals apart.
const CodeHeader = "Portillon-Refused"

// answer writes v as JSON, or a refusal if err is not nil. The refusal contains the reason only if err was made by this
// package; the reason of any other error is only logged.
func answer(log *slog.Logger, w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v) // the machine may have closed the connection
		return
	}
	status, code := http.StatusInternalServerError, ""
	why := "the hub cannot answer now; its log says why"
	var asked *badAsk
	switch {
	case errors.Is(err, errNotMachine):
		status, code = http.StatusForbidden, "not-a-machine"
	case errors.Is(err, errExpired):
		status, code = http.StatusForbidden, "expired"
	case errors.Is(err, errNoCode), errors.Is(err, errWorn), errors.Is(err, errOtherKey):
		status, code = http.StatusForbidden, "code"
	case errors.As(err, &asked):
		status, code = http.StatusBadRequest, "request"
	}
	if code != "" {
		why = err.Error()
		w.Header().Set(CodeHeader, code)
		log.Warn("machine request refused", "path", r.URL.Path, "from", r.RemoteAddr, "code", code,
			"why", wire.OneLine(why, 300))
	} else {
		log.Error("machine request failed", "path", r.URL.Path, "err", err)
	}
	http.Error(w, why, status)
}

// read decodes a JSON body of at most wire.MaxJoin bytes into v. It rejects larger bodies.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxJoin))
	if err != nil {
		return bad("the request cannot be read, want at most %d bytes", wire.MaxJoin)
	}
	if err := wire.Decode(b, v); err != nil {
		return &badAsk{err.Error()}
	}
	return nil
}
