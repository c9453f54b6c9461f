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

// loopback serves HTTP on loopback.
type loopback struct {
	fleet     *fleet
	connector *connector
	bundles   *bundleStore

	http net.Listener // nil: the hub serves no chunks on loopback
}

// serve serves HTTP on loopback until ctx ends.
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

// handler serves GET /manifest, GET /chunks/<sha256> and its parts (package chunks), GET /machines (the state of each
// machine as JSON) and GET /broker (the messages stored by the broker inside this program, and the actions that the
// broker denied to each account). The handler answers only requests whose Host header names loopback, so that no page
// in a browser can reach the listener under the page's own host name (DNS rebinding).
func (lo *loopback) handler() http.Handler {
	mux := http.NewServeMux()
	lo.bundles.serveBundle(mux)
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		json.NewEncoder(w).Encode(lo.fleet.list()) // ignore the error of a client that has disconnected
	})
	mux.HandleFunc("GET /broker", lo.getBroker)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !isLoopbackHost(r.Host) {
			http.Error(w, "wrong Host header, want localhost or 127.0.0.1 as host of the URL", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// serveBundle adds the routes that machines use to fetch a bundle.
func (bs *bundleStore) serveBundle(mux *http.ServeMux) {
	mux.HandleFunc("GET /manifest", bs.getManifest)
	mux.HandleFunc("GET /chunks/{sha}", bs.chunks.GetChunk)
	mux.HandleFunc("GET /chunks/{sha}/parts", bs.chunks.GetOutline)
	mux.HandleFunc("POST /chunks/{sha}/parts", bs.chunks.PostParts)
}

// isLoopbackHost reports whether a request's Host header names this computer. Without this check, a page in a browser
// could reach the listener under the page's own host name (DNS rebinding).
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// getManifest serves GET /manifest.
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

// BrokerStatus is the state of the broker inside this program: stored messages and denied actions.
type BrokerStatus struct {
	Stored   broker.Stored          `json:"stored"`
	Accounts []broker.AccountStatus `json:"accounts"`
}

// getBroker serves GET /broker: the messages stored by the broker inside this program, and its accounts.
func (lo *loopback) getBroker(w http.ResponseWriter, _ *http.Request) {
	if lo.connector.broker == nil {
		http.Error(w, "the hub uses a separate broker, whose state the hub does not know", http.StatusNotFound)
		return
	}
	stored, err := lo.connector.broker.Stored()
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(BrokerStatus{stored, lo.connector.broker.Accounts()}) // the client may have disconnected
}
