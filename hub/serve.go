package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"portillon/hub/broker"
	"portillon/wire"
)

// loopback answers HTTP on loopback.
type loopback struct {
	fleet     *fleet
	connector *connector
	bundles   *bundleStore

	http net.Listener // nil: chunks are not served
}

// serve answers HTTP on loopback until ctx ends.
func (lo *loopback) serve(ctx context.Context) error {
	s := &http.Server{
		Handler:           lo.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(lo.http) }()
	select {
	case err := <-failed:
		return fmt.Errorf("http: %w", err)
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if s.Shutdown(bye) != nil {
		s.Close()
	}
	<-failed
	return nil
}

// handler serves GET /manifest, GET /chunks/<sha256> and its parts (package chunks), GET /machines (how each machine
// stands, as JSON) and GET /broker (what the broker inside stores, and what it refused to each account). It answers
// only requests addressed to loopback by name, so that no page in a browser can have its own name resolve to it.
func (lo *loopback) handler() http.Handler {
	mux := http.NewServeMux()
	lo.bundles.serveBundle(mux)
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(lo.fleet.list()) // the reader may be gone
	})
	mux.HandleFunc("GET /broker", lo.getBroker)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !addressed(r.Host) {
			http.Error(w, "this is for loopback only", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serveBundle adds what machines fetch.
func (bs *bundleStore) serveBundle(mux *http.ServeMux) {
	mux.HandleFunc("GET /manifest", bs.getManifest)
	mux.HandleFunc("GET /chunks/{sha}", bs.chunks.GetChunk)
	mux.HandleFunc("GET /chunks/{sha}/parts", bs.chunks.GetOutline)
	mux.HandleFunc("POST /chunks/{sha}/parts", bs.chunks.PostParts)
}

// addressed reports whether a request's Host is this computer: a page in a browser could otherwise reach the listener
// under a name of its own (DNS rebinding).
func addressed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// getManifest answers GET /manifest.
func (bs *bundleStore) getManifest(w http.ResponseWriter, r *http.Request) {
	manifest, _ := bs.current()
	if manifest == nil {
		http.Error(w, "there is no bundle yet", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", `"`+wire.Hash(manifest)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(manifest))
}

// BrokerStatus is what the broker inside stores and refuses.
type BrokerStatus struct {
	Stored   broker.Stored          `json:"stored"`
	Accounts []broker.AccountStatus `json:"accounts"`
}

// getBroker answers GET /broker: what the broker inside stores, and its accounts.
func (lo *loopback) getBroker(w http.ResponseWriter, _ *http.Request) {
	if lo.connector.broker == nil {
		http.Error(w, "the broker is outside", http.StatusNotFound)
		return
	}
	stored, err := lo.connector.broker.Stored()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(BrokerStatus{stored, lo.connector.broker.Accounts()}) // the reader may be gone
}
