package enrol

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// MachineHandler serves the machines' listener (wire.JoinPath). It needs TLS of its own, as Server has it: a proxy
// before it would hide who asks.
func (s *Service) MachineHandler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range s.forAnybody() {
		mux.HandleFunc(path, h)
	}
	for path, h := range s.forMachines() {
		mux.HandleFunc(path, s.machineOnly(h))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if r.TLS == nil || r.TLS.Version < tls.VersionTLS13 {
			http.Error(w, "this needs TLS 1.3", http.StatusUpgradeRequired)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// forAnybody are the routes for computers that are no machine yet, or whose certificate has expired: what is public,
// and requests that a code or the machine's key proves.
func (s *Service) forAnybody() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET " + wire.JoinPath + "site":   s.getSite,
		"GET " + wire.JoinPath + "time":   s.getTime,
		"POST " + wire.JoinPath + "code":  s.postCode,
		"POST " + wire.JoinPath + "join":  s.postJoin,
		"POST " + wire.JoinPath + "renew": s.postRenew,
	}
}

// machineHandler answers an enrolled machine.
type machineHandler func(http.ResponseWriter, *http.Request, policy.MachineID)

// forMachines are the routes that need the certificate of an enrolled machine.
func (s *Service) forMachines() map[string]machineHandler {
	return map[string]machineHandler{
		"GET " + wire.JoinPath + "manifest":           s.getBundle,
		"GET " + wire.JoinPath + "chunks/{sha}":       s.getBundle,
		"GET " + wire.JoinPath + "chunks/{sha}/parts": s.getBundle,

		"POST " + wire.JoinPath + "chunks/{sha}/parts": s.getBundle,
		"POST " + wire.JoinPath + "returned/policy":    s.returned(wire.MaxReturnedPolicy, s.o.ReturnedPolicy),
		"POST " + wire.JoinPath + "returned/manifest":  s.returned(wire.MaxSigned, s.o.ReturnedManifest),
		"GET " + wire.JoinPath + "credentials/{sha}":   s.getCredential,
		"GET " + wire.JoinPath + "card-keys":           s.getCardKeys,
	}
}

// TLS is how the machines' listener speaks: every client may come, and shows its certificate if it has one.
func (s *Service) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: s.o.Server, ClientAuth: tls.RequestClientCert,
		SessionTicketsDisabled: true} // each connection shows its certificate anew
}

// handshakeTime is how long TLS and the head of a request may take: as long as a machine waits for them
// (cmd/internal/hublink). After a change of one member all machines come at once; a hub that gave up before them would
// have its work done for nothing, and get it again.
const handshakeTime = 15 * time.Second

// Serve answers machines on a plain listener until ctx ends.
func (s *Service) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s.MachineHandler(), TLSConfig: s.TLS(),
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug), // anybody can begin a handshake
		ReadHeaderTimeout: handshakeTime, ReadTimeout: 2 * handshakeTime,
		WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1: one connection, one machine
		ConnContext:  withConn}
	failed := make(chan error, 1)
	go func() { failed <- h.ServeTLS(l, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if h.Shutdown(bye) != nil {
		h.Close()
	}
	<-failed
	return nil
}

// closer is a connection that can be cut.
type closer interface{ Close() error }

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// conns are the connections of machines with a request under way.
type conns struct {
	mu sync.Mutex
	of map[policy.MachineID]map[closer]bool
}

func (c *conns) add(id policy.MachineID, conn closer) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id] == nil {
		c.of[id] = map[closer]bool{}
	}
	c.of[id][conn] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.of[id], conn)
	}
}

// cut ends the connections of a machine.
func (c *conns) cut(id policy.MachineID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.of[id] {
		conn.Close()
	}
}

// machineOnly lets through who shows a certificate of an enrolled machine.
func (s *Service) machineOnly(next machineHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			s.answer(w, r, nil, errNotMachine)
			return
		}
		id, expired, err := s.certificateOf(r.Context(), r.TLS.PeerCertificates[0])
		if err == nil && expired {
			err = errExpired
		}
		if err != nil {
			s.answer(w, r, nil, err)
			return
		}
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			defer s.conns.add(id, c)()
			// It may have been revoked between the look at the database and the note of its connection.
			if _, _, err := s.certificateOf(r.Context(), r.TLS.PeerCertificates[0]); err != nil {
				s.answer(w, r, nil, err)
				return
			}
		}
		next(w, r, id)
	}
}

var errExpired = errors.New("the certificate has expired: renew it")

// CodeHeader names the kind of a refusal, so that a program can tell them apart.
const CodeHeader = "Portillon-Refused"

// answer writes JSON, or why there is none.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v) // the asker may be gone
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
		s.o.Log.Warn(
			"machine request refused",
			"path",
			r.URL.Path,
			"from",
			r.RemoteAddr,
			"code",
			code,
			"why",
			wire.OneLine(why, 300),
		)
	} else {
		s.o.Log.Error("machine request failed", "path", r.URL.Path, "err", err)
	}
	http.Error(w, why, status)
}

func (s *Service) getSite(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, wire.HubIdentity{Pins: s.o.Pins, Name: s.o.Name, Broker: s.o.Broker, Format: wire.Format}, nil)
}

var nonceText = regexp.MustCompile(`^[0-9a-f]{16,64}$`)

func (s *Service) getTime(w http.ResponseWriter, r *http.Request) {
	nonce := r.URL.Query().Get("nonce")
	if !nonceText.MatchString(nonce) {
		s.answer(w, r, nil, bad("nonce: want 16 to %d hexadecimal digits in lower case", wire.MaxNonce))
		return
	}
	signed, err := wire.SignTime(wire.HubTime{Site: s.o.Site.ID(), Nonce: nonce, Time: s.o.Now().UTC()}, s.o.Signer)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(signed)
}

// read reads a bounded JSON body.
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

// tried reads a request that holds a secret, within the limit of tries.
func (s *Service) tried(w http.ResponseWriter, r *http.Request, v any) error {
	if !s.limit.AllowN(s.o.Now(), 1) {
		return bad("too many codes are tried at this hub: wait a minute")
	}
	return read(w, r, v)
}

func (s *Service) postCode(w http.ResponseWriter, r *http.Request) {
	var ask wire.CodeAsk
	if err := s.tried(w, r, &ask); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	code, err := s.openCode(r.Context(), ask.Secret)
	s.answer(w, r, wire.CodeAnswer{Site: s.o.Site.ID(), Machine: code.machine, Replace: code.replace}, err)
}

func (s *Service) postJoin(w http.ResponseWriter, r *http.Request) {
	var ask wire.JoinAsk
	err := s.tried(w, r, &ask)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	channel, err := r.TLS.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	out, err := s.join(r.Context(), ask, channel)
	s.answer(w, r, out, err)
}

func (s *Service) postRenew(w http.ResponseWriter, r *http.Request) {
	var ask wire.RenewAsk
	if err := read(w, r, &ask); err != nil {
		s.answer(w, r, nil, err)
		return
	}
	channel, err := r.TLS.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
	if err != nil {
		s.answer(w, r, nil, err)
		return
	}
	out, err := s.renew(r.Context(), ask, channel)
	s.answer(w, r, out, err)
}

// getBundle serves the manifest and chunks of the bundle in force.
func (s *Service) getBundle(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
	if s.o.Bundle == nil {
		http.NotFound(w, r)
		return
	}
	s.note(r.Context(), id)
	http.StripPrefix(strings.TrimSuffix(wire.JoinPath, "/"), s.o.Bundle).ServeHTTP(w, r)
}

// noteWait is how long a machine waits until it is noted that it fetches a bundle.
const noteWait = time.Second

// note remembers whose data a machine fetched, before it gets them. Where the database takes no changes or is slow, the
// machine gets them all the same, and the next request notes it.
func (s *Service) note(ctx context.Context, id policy.MachineID) {
	if s.o.Version == nil {
		return
	}
	v := s.o.Version()
	s.mu.Lock()
	known := s.noted[id] >= v || s.noting[id]
	if !known && v > 0 {
		s.noting[id] = true
	}
	s.mu.Unlock()
	if known || v == 0 {
		return
	}
	done := make(chan struct{})
	go func() { // ends at the latest with the lock's timeout (store)
		defer close(done)
		err := s.noteFetched(context.WithoutCancel(ctx), id, v)
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.noting, id); err == nil {
			s.noted[id] = max(s.noted[id], v)
			return
		}
		s.o.Log.Warn("fetched bundle not noted", "machine", id, "bundle", v, "err", err)
	}()
	t := time.NewTimer(noteWait)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

var sha = regexp.MustCompile(`^[0-9a-f]{64}$`)

// getCredential serves a badge by the hash of its bytes.
func (s *Service) getCredential(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
	name := r.PathValue("sha")
	if s.o.Credential == nil || !sha.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	s.note(r.Context(), id)
	b, err := s.o.Credential(r.Context(), name)
	if err == nil && wire.Hash(b) != name {
		err = errors.New("enrol: the credential " + name + " is damaged")
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		s.answer(w, r, nil, err)
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		w.Write(b)
	}
}
