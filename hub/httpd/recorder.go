package httpd

import (
	"net/http"
	"runtime/debug"
)

// recorder records the status and the length of a response.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // do not record a 1xx status, because the final status follows
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap gives http.ResponseController access to the connection, because event streams need Flush and deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// maxStack is the maximum length of a stack trace in the log, in bytes.
const maxStack = 8 << 10

// stack returns the current stack trace, cut at maxStack.
func stack() string {
	s := debug.Stack()
	return string(s[:min(len(s), maxStack)])
}
