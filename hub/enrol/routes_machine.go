package enrol

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"regexp"
	"strings"

	"portillon/policy"
	"portillon/wire"
)

// machineHandler handles a request of an enrolled machine.
type machineHandler func(http.ResponseWriter, *http.Request, policy.MachineID)

// machineRoutes serves the routes for enrolled machines. The Listener checks the certificate before it calls a route.
type machineRoutes struct {
	log        *slog.Logger
	keys       cardKeys
	fetches    *fetchLog
	bundle     http.Handler                                          // Options.Bundle
	credential func(ctx context.Context, sha string) ([]byte, error) // Options.Credential
	returns    *returns
	// The field manifest is Options.ReturnedManifest, and the field policy is Options.ReturnedPolicy.
	manifest, policy func(context.Context, policy.MachineID, []byte) error
}

// handlers returns a map from each route to the route's handler. Each route requires the certificate of an enrolled
// machine.
func (s *machineRoutes) handlers() map[string]machineHandler {
	return map[string]machineHandler{
		"GET " + wire.JoinPath + "manifest":           s.getBundle,
		"GET " + wire.JoinPath + "chunks/{sha}":       s.getBundle,
		"GET " + wire.JoinPath + "chunks/{sha}/parts": s.getBundle,

		"POST " + wire.JoinPath + "chunks/{sha}/parts": s.getBundle,
		"POST " + wire.JoinPath + "returned/policy":    s.returns.handler(wire.MaxReturnedPolicy, s.policy),
		"POST " + wire.JoinPath + "returned/manifest":  s.returns.handler(wire.MaxSigned, s.manifest),
		"GET " + wire.JoinPath + "credentials/{sha}":   s.getCredential,
		"GET " + wire.JoinPath + "card-keys":           s.getCardKeys,
	}
}

// getBundle serves the manifest and the chunks of the current bundle.
func (s *machineRoutes) getBundle(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
	if s.bundle == nil {
		http.NotFound(w, r)
		return
	}
	s.fetches.beforeFetch(r.Context(), id)
	http.StripPrefix(strings.TrimSuffix(wire.JoinPath, "/"), s.bundle).ServeHTTP(w, r)
}

var sha = regexp.MustCompile(`^[0-9a-f]{64}$`)

// getCredential serves the badge whose SHA-256 is in the path.
func (s *machineRoutes) getCredential(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
	name := r.PathValue("sha")
	if s.credential == nil || !sha.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	s.fetches.beforeFetch(r.Context(), id)
	b, err := s.credential(r.Context(), name)
	if err == nil && wire.Hash(b) != name {
		err = errors.New("enrol: the credential " + name + " is damaged")
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		writeAnswer(s.log, w, r, nil, err)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		w.Write(b)
	}
}

// getCardKeys sends the site's card keys to a machine.
func (s *machineRoutes) getCardKeys(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
	all, err := s.keys.all()
	if err == nil {
		err = s.keys.recordSentKey(r.Context(), id, checkValue(all.Keys[0]))
	}
	writeAnswer(s.log, w, r, all, err)
}
