package enrol

import (
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/time/rate"

	"portillon/policy"
	"portillon/wire"
)

// publicRoutes serves computers that are not enrolled yet, and machines with an expired certificate. It returns public
// facts without authentication, and everything else only for a one-time code or a signature of the machine's own key.
type publicRoutes struct {
	site     policy.SiteID
	identity wire.HubIdentity
	signer   note.Signer // signs the time
	now      func() time.Time
	log      *slog.Logger
	tries    *rate.Limiter // limits requests that contain a secret
	codes    *Codes
	joins    *joins
}

// triesASecond and triesBurst limit how many codes may be tried per second, because each attempt costs some
// milliseconds of PBKDF2.
const triesASecond, triesBurst = 2, 20

// table returns the public routes.
func (s *publicRoutes) table() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET " + wire.JoinPath + "site":   s.getSite,
		"GET " + wire.JoinPath + "time":   s.getTime,
		"POST " + wire.JoinPath + "code":  s.postCode,
		"POST " + wire.JoinPath + "join":  s.postJoin,
		"POST " + wire.JoinPath + "renew": s.postRenew,
	}
}

// getSite answers with the keys of the hub, which the machine compares with those in its code.
func (s *publicRoutes) getSite(w http.ResponseWriter, r *http.Request) {
	answer(s.log, w, r, s.identity, nil)
}

var nonceText = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

// getTime answers with the hub's time, signed together with the machine's nonce.
func (s *publicRoutes) getTime(w http.ResponseWriter, r *http.Request) {
	nonce := r.URL.Query().Get("nonce")
	if !nonceText.MatchString(nonce) {
		answer(s.log, w, r, nil, bad("nonce: want 16 to %d hexadecimal digits in lower case", wire.MaxNonce))
		return
	}
	signed, err := wire.SignTime(wire.HubTime{Site: s.site, Nonce: nonce, Time: s.now().UTC()}, s.signer)
	if err != nil {
		answer(s.log, w, r, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(signed)
}

// readSecret reads a request that contains a secret, within the rate limit.
func (s *publicRoutes) readSecret(w http.ResponseWriter, r *http.Request, v any) error {
	if !s.tries.AllowN(s.now(), 1) {
		return bad("too many codes are tried at this hub: wait a minute")
	}
	return read(w, r, v)
}

// postCode returns the machine that a code is for. The code remains unused.
func (s *publicRoutes) postCode(w http.ResponseWriter, r *http.Request) {
	var ask wire.CodeAsk
	if err := s.readSecret(w, r, &ask); err != nil {
		answer(s.log, w, r, nil, err)
		return
	}
	code, err := s.codes.open(r.Context(), ask.Secret)
	answer(s.log, w, r, wire.CodeAnswer{Site: s.site, Machine: code.machine, Replace: code.replace}, err)
}

// postJoin enrols a machine.
func (s *publicRoutes) postJoin(w http.ResponseWriter, r *http.Request) {
	var ask wire.JoinAsk
	err := s.readSecret(w, r, &ask)
	if err != nil {
		answer(s.log, w, r, nil, err)
		return
	}
	channel, err := r.TLS.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
	if err != nil {
		answer(s.log, w, r, nil, err)
		return
	}
	out, err := s.joins.join(r.Context(), ask, channel)
	answer(s.log, w, r, out, err)
}

// postRenew issues a machine's next certificate. The machine proves its key; its current certificate may have expired.
func (s *publicRoutes) postRenew(w http.ResponseWriter, r *http.Request) {
	var ask wire.RenewAsk
	if err := read(w, r, &ask); err != nil {
		answer(s.log, w, r, nil, err)
		return
	}
	channel, err := r.TLS.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
	if err != nil {
		answer(s.log, w, r, nil, err)
		return
	}
	out, err := s.joins.renew(r.Context(), ask, channel)
	answer(s.log, w, r, out, err)
}
