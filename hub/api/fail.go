package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/hub/httpd"
)

// refusal is the error for a request that the API refuses before a service is called.
type refusal struct {
	status int
	kind   string
	detail httpd.Text
}

// Error returns the English text, for the log.
func (r *refusal) Error() string { return r.detail.EN }

// noRoute returns the error for a path without a route: status 404.
func noRoute() error {
	return &refusal{http.StatusNotFound, "no-route",
		httpd.Text{FR: "l’API n’a rien à cette adresse : voir " + Prefix + "/openapi.json",
			EN: "the API has nothing at this address: see " + Prefix + "/openapi.json"}}
}

// noService returns the error for a route whose service does not exist in this hub: status 501.
func noService() error {
	return &refusal{http.StatusNotImplemented, "not-available", httpd.Text{FR: "ce hub n’offre pas ce service",
		EN: "the hub does not offer this"}}
}

// methodNotAllowed returns the error for an unknown method: status 405. allow is the value of the Allow header, which
// lists the methods of the path.
func methodNotAllowed(allow string) error {
	return &refusal{http.StatusMethodNotAllowed, "method", httpd.Text{FR: "méthodes possibles : " + allow,
		EN: "methods: " + allow}}
}

// notAcceptable returns the error for a client that accepts no media type of the route: status 406. types are the media
// types of the route's responses.
func notAcceptable(types []string) error {
	s := strings.Join(types, ", ")
	return &refusal{http.StatusNotAcceptable, "format", httpd.Text{FR: "formats possibles : " + s, EN: "formats: " + s}}
}

// wrongType returns the error for an unsupported body: status 415. types are the accepted values of the header, or
// empty if the route accepts no body.
func wrongType(types, header string) error {
	if types == "" {
		return &refusal{http.StatusUnsupportedMediaType, "content-type",
			httpd.Text{FR: "cette demande n’a pas de corps", EN: "this request has no body"}}
	}
	return &refusal{http.StatusUnsupportedMediaType, "content-type",
		httpd.Text{FR: header + " attendu : " + types, EN: "want " + header + ": " + types}}
}

// versionMissing returns the error for a change without If-Match: status 428 (RFC 6585, section 3). Without If-Match,
// the change could overwrite another person's change.
func versionMissing() error {
	return &refusal{http.StatusPreconditionRequired, "version-missing", httpd.Text{
		FR: "If-Match doit nommer la version à modifier : l’ETag de la lecture",
		EN: "If-Match must name the version to change: the ETag of what was read"}}
}

// versionUnknown returns the error for an If-Match that is not a version of the hub: status 412.
func versionUnknown() error {
	return &refusal{http.StatusPreconditionFailed, "stale", httpd.Text{
		FR: `If-Match n’est pas un ETag d’ici, comme "7"`, EN: `If-Match is no ETag of the hub, as "7"`}}
}

// badToken returns the error for an API token that is unknown, expired or revoked: status 401.
func badToken() error {
	return &refusal{http.StatusUnauthorized, "token", httpd.Text{FR: "jeton inconnu, expiré ou retiré",
		EN: "the token is unknown, has ended or was revoked"}}
}

// texts writes errors as responses, and translates the messages of services into the language of the response.
type texts struct {
	log        *slog.Logger
	retryAfter func(error) int
	status     func(error) int

	words *fault.Words
}

// fail writes an error as the response, and logs internal errors.
func (s *texts) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(w, r, err)
	if p.Status >= 500 && p.Status != http.StatusNotImplemented {
		s.log.Error("request failed", "request", p.Instance, "err", err)
	}
	httpd.WriteProblem(w, r, p)
}

// problem returns the problem details for an error (RFC 9457), and sets the headers that belong to the problem.
func (s *texts) problem(w http.ResponseWriter, r *http.Request, err error) httpd.Problem {
	var (
		denied   *actor.Denied
		missing  *fault.NotFound
		conflict *fault.Conflict
		invalid  *fault.Invalid
		large    *http.MaxBytesError
		own      *refusal
	)
	// The order of the cases matters: an error of this package may wrap an error that a later case would also match.
	switch {
	case errors.As(err, &own):
		if own.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="portillon", error="invalid_token"`)
		}
		return httpd.NewProblem(r, own.status, own.kind, own.detail)
	case errors.As(err, &denied) && denied.SignIn():
		w.Header().Set("WWW-Authenticate", `Bearer realm="portillon"`)
		return httpd.NewProblem(r, http.StatusUnauthorized, "sign-in",
			httpd.Text{FR: "se connecter d’abord", EN: "sign in first"})
	case errors.As(err, &denied):
		act := string(denied.Act)
		return httpd.NewProblem(r, http.StatusForbidden, "denied", httpd.Text{FR: "il manque le droit " + act,
			EN: "the right " + act + " is missing"})
	case errors.As(err, &missing):
		return httpd.NewProblem(r, http.StatusNotFound, "not-found", httpd.Text{
			FR: fmt.Sprintf("%s « %s » : inconnu", missing.What, clip(missing.ID)), EN: fmt.Sprintf("there is no %s %q",
				missing.What, clip(missing.ID))})
	case errors.As(err, &conflict):
		return httpd.NewProblem(r, http.StatusPreconditionFailed, "stale", httpd.Text{
			FR: fmt.Sprintf("%s « %s » a changé : version %d en vigueur, %d demandée", conflict.What, conflict.ID,
				conflict.Have, conflict.Got),
			EN: conflict.Error()})
	case errors.As(err, &invalid):
		p := httpd.NewProblem(r, http.StatusUnprocessableEntity, "invalid", httpd.Text{
			FR: fmt.Sprintf("%d champ(s) à corriger", len(invalid.Faults)), EN: fmt.Sprintf("%d field(s) to mend",
				len(invalid.Faults))})
		p.Faults = s.words.Fields(langOf(httpd.Language(r)), invalid.Faults[:min(len(invalid.Faults), maxFaults)])
		return p
	case errors.As(err, &large):
		return httpd.NewProblem(r, http.StatusRequestEntityTooLarge, "too-large", httpd.Text{
			FR: fmt.Sprintf("au plus %d octets", large.Limit), EN: fmt.Sprintf("at most %d bytes", large.Limit)})
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return httpd.NewProblem(r, http.StatusServiceUnavailable, "too-slow",
			httpd.Text{FR: "demande abandonnée", EN: "the request was given up"})
	}
	// The remaining errors are errors of package enrol and package account.
	if p, ok := machineProblem(r, err); ok {
		return p
	}
	if p, ok := s.accountProblem(w, r, err); ok {
		return p
	}
	return httpd.Internal(r)
}

// machineProblem returns the problem for a command that a machine did not execute, and false for other errors.
func machineProblem(r *http.Request, err error) (httpd.Problem, bool) {
	var silent *enrol.Unreachable
	var refused *enrol.Refused
	switch {
	case errors.As(err, &silent):
		return httpd.NewProblem(r, http.StatusServiceUnavailable, "machine-silent", httpd.Text{
			FR: fmt.Sprintf("la machine %s ne répond pas", silent.Machine), EN: silent.Error()}), true
	case errors.As(err, &refused):
		return httpd.NewProblem(r, http.StatusConflict, "machine-refuses", httpd.Text{
			FR: fmt.Sprintf("la machine %s refuse : %s", refused.Machine, refused.Why), EN: refused.Error()}), true
	}
	return httpd.Problem{}, false
}

// accountProblem returns the problem for an error of package account, and false for other errors.
func (s *texts) accountProblem(w http.ResponseWriter, r *http.Request, err error) (httpd.Problem, bool) {
	if s.status == nil {
		return httpd.Problem{}, false
	}
	if s.retryAfter != nil {
		if after := s.retryAfter(err); after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(after))
		}
	}
	switch status := s.status(err); status {
	case 0:
		return httpd.Problem{}, false
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return httpd.NewProblem(r, status, "throttled", httpd.Text{FR: "réessayer plus tard", EN: "try again later"}), true
	case http.StatusUnauthorized:
		return s.problem(w, r, badToken()), true
	default:
		return httpd.NewProblem(r, status, "account", httpd.Text{FR: "demande refusée par les comptes",
			EN: clip(err.Error())}), true
	}
}

// maxFaults is the maximum number of faults in a response, because an import of 10,000 lines may have a fault in each
// line.
const maxFaults = 1000

// invalidOf returns *fault.Invalid with the faults, or nil if the list is empty.
func invalidOf(faults []fault.Field) error {
	if len(faults) == 0 {
		return nil
	}
	return &fault.Invalid{Faults: faults}
}

// repeatedName returns the text of the fault for a JSON field name that occurs twice in an object.
func repeatedName() httpd.Text { return httpd.Text{FR: "donné deux fois", EN: "given twice"} }

// tooLong returns the text of the fault for a value above its size limit.
func tooLong() httpd.Text { return httpd.Text{FR: "trop long", EN: "too long"} }

// clip cuts a text of the request at 80 bytes, for a response that quotes the text.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Refuse writes the response for a request that another handler refused before the API was called.
func (s *API) Refuse(w http.ResponseWriter, r *http.Request, err error) { s.texts.fail(w, r, err) }

// authenticate returns the user of the request's token, or the user of the session if the request has no token. If the
// request has neither a token nor a session, authenticate returns the zero Actor, which every service rejects.
func (s *API) authenticate(r *http.Request, session func(*http.Request) (actor.Actor, error)) (a actor.Actor,
	err error) {
	address := httpd.Address(r.Context()).String()
	if given := r.Header.Values("Authorization"); len(given) > 0 {
		text, ok := bearerToken(given)
		if !ok {
			return actor.Actor{}, badToken()
		}
		a, err = s.o.Accounts.Tokens.FromToken(r.Context(), text, address)
		var denied *actor.Denied
		var missing *fault.NotFound
		if errors.As(err, &denied) || errors.As(err, &missing) || err == nil && a.Account == "" {
			return actor.Actor{}, badToken()
		}
	} else if session != nil {
		a, err = session(r)
	}
	if err != nil {
		return actor.Actor{}, err
	}
	a.Request, a.Address = httpd.ID(r.Context()), address
	return a, nil
}

// bearerToken returns the token in an Authorization header (RFC 6750, section 2.1). bearerToken returns false for
// another scheme, for more than one header, and for a token longer than maxToken.
func bearerToken(given []string) (string, bool) {
	scheme, text, _ := strings.Cut(given[0], " ")
	return text, len(given) == 1 && strings.EqualFold(scheme, "Bearer") && text != "" && len(text) <= maxToken
}
