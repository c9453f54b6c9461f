package api

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/httpd"
)

// Route is one operation of the API.
type Route struct {
	Method, Path string
	// Act is the permission that the service checks. The API does not check Act, because each service does. The field
	// Act serves for documentation and for the table in hub/testdata/authorisation-api.txt. If Act is empty, the route
	// requires no permission.
	Act    actor.Act
	Query  []string // names of the query parameters that the route accepts
	Body   any      // a value of the type into which the JSON body is decoded; nil: no JSON body
	Answer any      // a value of the type that the JSON response encodes; nil: no JSON response
	// IfMatch is true if the request must name the version that it changes.
	IfMatch bool
	// Types are the accepted content types of the body. If Types is nil, the type is application/json for a route with
	// a Body.
	Types []string
	// Produces are the content types of the response besides JSON.
	Produces []string
	MaxBody  int64 // maximum size of the body in bytes; 0: 64 KiB

	handle func(*call) (answer, error)
}

const (
	usualBody  = 64 << 10
	policyBody = 1 << 20  // package policy/file rejects larger policies
	uploadBody = 16 << 20 // a ZIP of pictures with badges, or an XLSX list of members, may have this size
)

// answer is the result of a handler, from which the API writes the response.
type answer struct {
	status   int // HTTP status; 0: 200, or 204 if the response has no body
	body     any // encoded as JSON
	version  int64
	location string
	mime     string                    // content type of the body that stream writes
	file     string                    // file name under which browsers save the body; empty: no download
	stream   func(w io.Writer) error   // writes a response body of unknown length, in place of body
	take     func(http.ResponseWriter) // writes the whole response, with headers, for event streams
}

// list is the JSON form of one page of a list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // URL of the next page; empty on the last page
}

// listAnswer returns the response with a complete list. An empty list is [] in JSON, not null.
func listAnswer[T any](items []T) answer {
	if items == nil {
		items = []T{}
	}
	return answer{body: list[T]{Items: items}}
}

// serve finds the route for the method of a request, runs the route and writes the response. The response to HEAD is
// the response to GET without the body (RFC 9110, section 9.3.2).
func (s *API) serve(w http.ResponseWriter, r *http.Request, methods map[string]*Route) {
	allow := allowHeader(methods)
	// The response to OPTIONS only lists the methods.
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	route := methods[method]
	if route == nil {
		w.Header().Set("Allow", allow)
		s.texts.fail(w, r, methodNotAllowed(allow))
		return
	}
	// Set the route for the access log, and the language for services.
	httpd.SetRoute(r.Context(), route.Method+" "+Prefix+route.Path)
	c := &call{w: w, r: r, route: route, lang: httpd.Language(r)}
	httpd.SetLanguage(r.Context(), c.lang)
	out, err := s.run(c)
	if err == nil {
		err = s.writeAnswer(c, out)
	}
	if err != nil {
		s.texts.fail(w, r, err)
	}
}

// allowHeader returns the value of the Allow header: the methods of a path.
func allowHeader(methods map[string]*Route) string {
	names := slices.Sorted(maps.Keys(methods))
	if methods[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	return strings.Join(append(names, http.MethodOptions), ", ")
}

// run authenticates the client, checks the request, and calls the handler.
func (s *API) run(c *call) (answer, error) {
	a, err := s.authenticate(c.r, s.o.Session)
	if err != nil {
		return answer{}, err
	}
	c.actor = a
	httpd.SetAccount(c.r.Context(), a.Account)
	if err := c.check(); err != nil {
		return answer{}, err
	}
	return c.route.handle(c)
}

// writeAnswer writes the result of a handler as the response. If writeAnswer returns an error, nothing has been written
// yet.
func (s *API) writeAnswer(c *call, out answer) error {
	h := c.w.Header()
	if out.take != nil {
		out.take(c.w)
		return nil
	}
	// Set the headers first, because each case below writes the status.
	if out.location != "" {
		h.Set("Location", Prefix+out.location)
	}
	if out.version != 0 {
		tag := etag(out.version)
		h.Set("ETag", tag)
		if c.route.Method == http.MethodGet && c.r.Header.Get("If-None-Match") == tag {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	if out.stream != nil {
		return s.writeStream(c, out)
	}
	if out.body == nil {
		c.w.WriteHeader(statusOr(out.status, http.StatusNoContent))
		return nil
	}
	// Encode the body completely before the status is sent, so that an error can still be reported.
	if !accepts(c.r, jsonType) {
		return notAcceptable(append([]string{jsonType}, c.route.Produces...))
	}
	// Encode into memory, so that an error can still change the status of the response.
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out.body); err != nil {
		return err
	}
	h.Set("Content-Type", jsonType)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	c.w.WriteHeader(statusOr(out.status, http.StatusOK))
	c.w.Write(b.Bytes())
	return nil
}

// statusOr returns an answer's status, or the status usual if the handler set no status.
func statusOr(status, usual int) int {
	if status == 0 {
		return usual
	}
	return status
}

// writeStream sends a response of unknown length. After the first byte, an error aborts the connection, so that a
// client does not mistake a partial file for a complete file.
func (s *API) writeStream(c *call, out answer) error {
	w := &lateWriter{begin: func() {
		h := c.w.Header()
		h.Set("Content-Type", out.mime)
		if out.file != "" {
			h.Set("Content-Disposition", "attachment; filename="+strconv.Quote(out.file))
		}
		c.w.WriteHeader(statusOr(out.status, http.StatusOK))
	}, to: c.w}
	err := out.stream(w)
	switch {
	case err == nil:
		w.start()
		return nil
	case !w.begun:
		return err
	}
	s.o.Log.Error("response aborted after the first byte", "request", httpd.ID(c.r.Context()), "route", c.route.Path,
		"err", err)
	panic(http.ErrAbortHandler)
}

// lateWriter sends the headers only when the first byte of the body is written.
type lateWriter struct {
	begin func()
	begun bool
	to    io.Writer
}

// The first call of start sends the headers.
func (w *lateWriter) start() {
	if !w.begun {
		w.begun = true
		w.begin()
	}
}

// Write implements io.Writer.
func (w *lateWriter) Write(b []byte) (int, error) {
	w.start()
	return w.to.Write(b)
}

const jsonType = "application/json"

// etag returns the ETag header for a version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// accepts reports whether the client's Accept header includes a content type (RFC 9110, section 12.5.1). A quality of 0
// excludes a type.
func accepts(r *http.Request, mime string) bool {
	given := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(given) == "" {
		return true
	}
	main, _, _ := strings.Cut(mime, "/")
	main, _, _ = strings.Cut(main, ";")
	bare, _, _ := strings.Cut(mime, ";")
	for part := range strings.SplitSeq(given, ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if name != bare && name != main+"/*" && name != "*/*" {
			continue
		}
		if q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=0"); found && strings.Trim(q, ".0") == "" {
			continue
		}
		return true
	}
	return false
}

// prefers reports whether the client's Accept header names exactly this content type.
func prefers(r *http.Request, mime string) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		name, _, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), mime) {
			return accepts(r, mime)
		}
	}
	return false
}

// pathFor returns a path of the API with escaped ids.
func pathFor(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}
