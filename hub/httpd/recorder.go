package httpd

import (
	"net/http"
	"runtime/debug"
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // 1xx are followed by the answer
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

// Unwrap lets http.ResponseController reach the connection: Flush and deadlines, for events.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// maxStack bounds a stack in the log.
const maxStack = 8 << 10

// stack is the stack of this goroutine, at most maxStack bytes, for the log.
func stack() string {
	s := debug.Stack()
	return string(s[:min(len(s), maxStack)])
}
