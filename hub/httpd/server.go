package httpd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// The bounds of a connection. An upload of 16 MiB over 2 Mbit/s takes 70 s.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	writeTimeout      = 2 * time.Minute // an event stream moves its own deadline
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10 // net/http adds 4 KiB
	readyTimeout      = 5 * time.Second
)

// Server is a server for h with the hub's bounds. The caller listens, and shuts it down.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
	if log != nil {
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // broken handshakes of scanners, mostly
	}
	return s
}

// Health answers GET /healthz (the process runs) and GET /readyz (it can serve: ready returns nil), and passes on
// everything else. The reason goes to the log; of an error that has a Reason, the answer holds that too.
func Health(ready func(context.Context) error, log *slog.Logger, next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			if log != nil {
				log.Warn("hub not ready", "request", ID(ctx), "err", err)
			}
			text := "not ready"
			var known interface{ Reason() string }
			if errors.As(err, &known) {
				text += ": " + known.Reason()
			}
			plain(w, http.StatusServiceUnavailable, text+"\n")
			return
		}
		plain(w, http.StatusOK, "ready\n")
	})
	mux.Handle("/", next)
	return mux
}

// plain answers with a text.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(text))
}
