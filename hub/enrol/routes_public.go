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

// publicRoutes serves the routes for computers that are not enrolled yet, and for machines with an expired certificate.
// Responses with secrets require a one-time code or a signature of the machine's key.
type publicRoutes struct {
	site     policy.SiteID
	identity wire.HubIdentity
	signer   note.Signer // signs the time
	now      func() time.Time
	log      *slog.Logger
	tries    *rate.Limiter // limits how many requests with a secret the hub handles per second
	codes    *Codes
	joins    *joins
}

// triesASecond and triesBurst limit the rate of attempts with a code, because each attempt costs some milliseconds of
// PBKDF2.
const triesASecond, triesBurst = 2, 20

// handlers returns a map from each route to the route's handler.
func (s *publicRoutes) handlers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET " + wire.JoinPath + "site":   s.getSite,
		"GET " + wire.JoinPath + "time":   s.getTime,
		"POST " + wire.JoinPath + "code":  s.postCode,
		"POST " + wire.JoinPath + "join":  s.postJoin,
		"POST " + wire.JoinPath + "renew": s.postRenew,
	}
}

// getSite returns the hub's public keys. The machine compares the keys with the hash in its enrolment code.
func (s *publicRoutes) getSite(w http.ResponseWriter, r *http.Request) {
	writeAnswer(s.log, w, r, s.identity, nil)
}

var nonceText = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

// getTime returns the hub's time, signed together with the machine's nonce.
func (s *publicRoutes) getTime(w http.ResponseWriter, r *http.Request) {
	nonce := r.URL.Query().Get("nonce")
	if !nonceText.MatchString(nonce) {
		writeAnswer(s.log, w, r, nil, newBadAsk("nonce: want 16 to %d hexadecimal digits in lower case", wire.MaxNonce))
		return
	}
	signed, err := wire.SignTime(wire.HubTime{Site: s.site, Nonce: nonce, Time: s.now().UTC()}, s.signer)
	if err != nil {
		writeAnswer(s.log, w, r, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(signed)
}

// readSecret reads a request that contains a secret. readSecret refuses the request if the rate limit is exceeded.
func (s *publicRoutes) readSecret(w http.ResponseWriter, r *http.Request, v any) error {
	if !s.tries.AllowN(s.now(), 1) {
		return newBadAsk("too many codes are tried at this hub: wait a minute")
	}
	return readJSON(w, r, v)
}

// postCode responds with the id of the machine for which a code was created. postCode does not use up the code.
func (s *publicRoutes) postCode(w http.ResponseWriter, r *http.Request) {
	var ask wire.CodeAsk
	if err := s.readSecret(w, r, &ask); err != nil {
		writeAnswer(s.log, w, r, nil, err)
		return
	}
	code, err := s.codes.find(r.Context(), ask.Secret)
	writeAnswer(s.log, w, r, wire.CodeAnswer{Site: s.site, Machine: code.machine, Replace: code.replace}, err)
}

// postJoin enrols the computer that sends a valid code.
func (s *publicRoutes) postJoin(w http.ResponseWriter, r *http.Request) {
	var ask wire.JoinAsk
	err := s.readSecret(w, r, &ask)
	if err != nil {
		writeAnswer(s.log, w, r, nil, err)
		return
	}
	channel, err := r.TLS.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
	if err != nil {
		writeAnswer(s.log, w, r, nil, err)
		return
	}
	out, err := s.joins.join(r.Context(), ask, channel)
	writeAnswer(s.log, w, r, out, err)
}

// postRenew issues a machine's next certificate. The machine signs the request with its key, because its current
// certificate may have expired.
func (s *publicRoutes) postRenew(w http.ResponseWriter, r *http.Request) {
	var ask wire.RenewAsk
	if err := readJSON(w, r, &ask); err != nil {
		writeAnswer(s.log, w, r, nil, err)
		return
	}
	channel, err := r.TLS.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
	if err != nil {
		writeAnswer(s.log, w, r, nil, err)
		return
	}
	out, err := s.joins.renew(r.Context(), ask, channel)
	writeAnswer(s.log, w, r, out, err)
}
