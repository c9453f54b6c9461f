package httpd

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// These are the limits of a connection. An upload of 16 MiB at 2 Mbit/s takes 70 s.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	writeTimeout      = 2 * time.Minute // handlers of event streams extend this deadline
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10 // maximum size of the headers in bytes, to which net/http adds 4 KiB
	readyTimeout      = 5 * time.Second
)

// Server returns a server for h with the hub's limits. The caller listens and shuts the server down.
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
		s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug) // mostly TLS handshakes of port scanners that failed
	}
	return s
}

// Health answers GET /healthz (the process runs) and GET /readyz (ready returned nil), and passes other requests to
// next. Health logs the error of ready. If the error has a method Reason, the response includes the reason.
func Health(ready func(context.Context) error, log *slog.Logger, next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := ready(ctx); err != nil {
			if log != nil {
				log.Warn("hub is not ready to serve requests", "request", ID(ctx), "err", err)
			}
			text := "not ready"
			var known interface{ Reason() string }
			if errors.As(err, &known) {
				text += ": " + known.Reason()
			}
			writeText(w, http.StatusServiceUnavailable, text+"\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	})
	mux.Handle("/", next)
	return mux
}

// writeText writes a response of plain text.
func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	w.Write([]byte(text))
}
