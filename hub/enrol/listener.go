package enrol

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"portillon/wire"
)

// Listener serves machines over TLS (wire.JoinPath). Every computer may use the public routes. For all other routes, a
// computer must present the client certificate of an enrolled machine.
type Listener struct {
	log      *slog.Logger
	server   func(*tls.ClientHelloInfo) (*tls.Certificate, error) // the hub's certificate
	public   *publicRoutes
	machines *machineRoutes
	certs    certificates
	conns    *conns
}

func newListener(o Options, table machineTable, force *enforcer, keys cardKeys, codes *Codes) *Listener {
	certs := certificates{table: table, authority: o.Authority, known: &force.known}
	return &Listener{
		log: o.Log, server: o.Server, certs: certs, conns: &force.conns,
		public: &publicRoutes{
			site: o.Site.ID(), signer: o.Signer, now: o.Now, log: o.Log, codes: codes,
			identity: wire.HubIdentity{Pins: o.Pins, Name: o.Name, Broker: o.Broker, Format: wire.Format},
			tries:    rate.NewLimiter(triesASecond, triesBurst),
			joins: &joins{table: table, authority: o.Authority, pins: o.Pins, broker: o.Broker, codes: codes, keys: keys,
				certs: certs, force: force, log: o.Log},
		},
		machines: &machineRoutes{
			log: o.Log, keys: keys, fetches: newFetchLog(o), bundle: o.Bundle, credential: o.Credential,
			returns: newReturns(o.Now, o.Log), manifest: o.ReturnedManifest, policy: o.ReturnedPolicy,
		},
	}
}

// Handler serves all routes. Handler works only on TLS connections of Serve, because behind a proxy the hub would not
// receive the machine's certificate.
func (l *Listener) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, h := range l.public.handlers() {
		mux.HandleFunc(path, h)
	}
	for path, h := range l.machines.handlers() {
		mux.HandleFunc(path, l.machineOnly(h))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if r.TLS == nil || r.TLS.Version < tls.VersionTLS13 {
			http.Error(w, "connection does not use TLS 1.3, want TLS 1.3", http.StatusUpgradeRequired)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// TLS returns the listener's TLS configuration. Every client may connect, and the server requests a client certificate
// but does not require it. Session tickets are disabled, so that a machine presents its certificate on each connection.
func (l *Listener) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: l.server, ClientAuth: tls.RequestClientCert,
		SessionTicketsDisabled: true}
}

// handshakeTime is the timeout for the TLS handshake and for the header of a request. handshakeTime equals the timeout
// of the machines (cmd/internal/hublink), because a hub with a shorter timeout would abort handshakes that machines
// then repeat.
const handshakeTime = 15 * time.Second

// Serve serves machines on a TCP listener until ctx ends.
func (l *Listener) Serve(ctx context.Context, plain net.Listener) error {
	h := &http.Server{Handler: l.Handler(), TLSConfig: l.TLS(),
		// The log level is debug, because any computer can cause a failed handshake.
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: handshakeTime, ReadTimeout: 2 * handshakeTime,
		WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		// Disable HTTP/2, so that each connection belongs to one machine.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ConnContext:  withConn}
	failed := make(chan error, 1)
	go func() { failed <- h.ServeTLS(plain, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Wait at most two seconds for running requests, and then close their connections.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if h.Shutdown(ending) != nil {
		h.Close()
	}
	<-failed
	return nil
}

// connKey is the context key of a request's connection.
type connKey struct{}

// withConn stores a connection in the context of each request on this connection. machineOnly reads the connection from
// the context and registers it.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// machineOnly calls next only for requests with the certificate of an enrolled machine that has not expired.
func (l *Listener) machineOnly(next machineHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			writeAnswer(l.log, w, r, nil, errNotMachine)
			return
		}
		cert := r.TLS.PeerCertificates[0]
		id, expired, err := l.certs.machineOf(r.Context(), cert)
		if err == nil && expired {
			err = errExpired
		}
		if err != nil {
			writeAnswer(l.log, w, r, nil, err)
			return
		}
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			defer l.conns.add(id, c)()
			// The machine may have been revoked after the first check and before its connection was registered.
			if _, _, err := l.certs.machineOf(r.Context(), cert); err != nil {
				writeAnswer(l.log, w, r, nil, err)
				return
			}
		}
		next(w, r, id)
	}
}
