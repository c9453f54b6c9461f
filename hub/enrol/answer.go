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

// badAsk is the error for an invalid request. The response to the machine contains the reason.
type badAsk struct{ why string }

// Error returns only the reason, without the prefix "enrol:".
func (e *badAsk) Error() string { return e.why }

// newBadAsk returns a badAsk with a formatted reason.
func newBadAsk(format string, a ...any) error { return &badAsk{fmt.Sprintf(format, a...)} }

var (
	// errNotMachine is the error for a request that does not come from an enrolled machine of this site.
	errNotMachine = errors.New("the machine is not enrolled at this hub, or was revoked")
	// errExpired is the error for every request with an expired certificate, except for a renewal.
	errExpired = errors.New("the machine's certificate has expired, renew the certificate")
)

// CodeHeader is the HTTP header that contains the code of a refusal. Programs distinguish refusals by this code.
const CodeHeader = "Portillon-Refused"

// writeAnswer writes v as JSON, or a refusal if err is not nil. The refusal contains the text of err only if this
// package created err. Other errors are only logged.
func writeAnswer(log *slog.Logger, w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v) // ignore the error, because the machine may have closed the connection
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
		log.Warn("request from a machine was refused", "path", r.URL.Path, "from", r.RemoteAddr, "code", code,
			"why", wire.OneLine(why, 300))
	} else {
		log.Error("request from a machine failed", "path", r.URL.Path, "err", err)
	}
	http.Error(w, why, status)
}

// readJSON decodes a JSON body into v, and rejects a body of more than wire.MaxJoin bytes.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxJoin))
	if err != nil {
		return newBadAsk("the request cannot be read, want at most %d bytes", wire.MaxJoin)
	}
	if err := wire.Decode(b, v); err != nil {
		return &badAsk{err.Error()}
	}
	return nil
}
