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

// badAsk refuses a request with a reason that the machine may read.
type badAsk struct{ why string }

// Error is the reason.
func (e *badAsk) Error() string { return e.why }

// bad makes a badAsk.
func bad(format string, a ...any) error { return &badAsk{fmt.Sprintf(format, a...)} }

var (
	// errNotMachine refuses a request that is not of an enrolled machine of this site.
	errNotMachine = errors.New("this is no enrolled machine of this hub, or it was revoked")
	// errExpired refuses everything but a renewal.
	errExpired = errors.New("the certificate has expired: renew it")
)

// CodeHeader names the kind of a refusal, so that a program can tell them apart.
const CodeHeader = "Portillon-Refused"

// answer writes v as JSON, or a refusal if err is not nil. A machine reads the reason of a refusal only if the error is
// one of this package's own; the reason of any other error is written only to the log.
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

// read decodes a JSON body of at most wire.MaxJoin bytes into v.
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
