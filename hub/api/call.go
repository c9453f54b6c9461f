package api

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/httpd"
	"portillon/policy"
)

// call is one request to a route.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	route *Route
	actor actor.Actor
	lang  policy.Language
	query url.Values
}

// The context ctx is done when the client closes the connection.
func (c *call) ctx() context.Context { return c.r.Context() }

// Limits of the values in a request.
const (
	maxID     = 200 // maximum bytes of an id in a path
	maxParam  = 300 // maximum bytes of a query parameter
	maxToken  = 300 // maximum bytes of an API token
	maxCursor = 700 // maximum bytes of a cursor
	usualPage = 50
	maxPage   = 500
)

// check rejects a request whose query, path, content type or size is invalid for the route.
func (c *call) check() error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	// Check the length of each id in the path.
	for _, name := range pathParameters(c.route.Path) {
		if v := c.r.PathValue(name); len(v) > maxID || v == "" {
			return &fault.NotFound{What: name, ID: v[:min(len(v), 40)]}
		}
	}
	if c.r.Header.Get("Content-Encoding") != "" {
		return wrongType("identity", "Content-Encoding")
	}
	// Limit the size of the body, and check its type.
	limit := c.route.MaxBody
	if limit == 0 {
		limit = usualBody
	}
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, limit)
	types := c.route.Types
	if types == nil && c.route.Body != nil {
		types = []string{jsonType}
	}
	if types == nil {
		return c.rejectBody()
	}
	got, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(types, got) || !utf8Charset(params) {
		if c.route.Method == http.MethodPatch {
			c.w.Header().Set("Accept-Patch", strings.Join(types, ", "))
		}
		return wrongType(strings.Join(types, ", "), "Content-Type")
	}
	return nil
}

// utf8Charset reports whether the charset is absent or UTF-8.
func utf8Charset(params map[string]string) bool {
	return params["charset"] == "" || strings.EqualFold(params["charset"], "utf-8")
}

// rejectBody rejects a body if the route reads no body, because a client might believe that the body had an effect.
func (c *call) rejectBody() error {
	if c.route.Method == http.MethodGet {
		return nil
	}
	n, err := io.ReadFull(c.r.Body, make([]byte, 1))
	if n > 0 {
		return wrongType("", "Content-Type")
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// checkQuery returns *fault.Invalid with all unknown, repeated and overlong parameters, so that the client can correct
// all parameters in one step.
func (c *call) checkQuery() error {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return c.invalid("query", "", httpd.Text{FR: "paramètres illisibles", EN: "the parameters cannot be read"})
	}
	var faults []fault.Field
	for name, values := range q {
		switch {
		case !slices.Contains(c.route.Query, name):
			faults = append(faults, unknownField(clip(name), c.route.Query, c.lang))
		case len(values) > 1:
			faults = append(faults, fault.Field{Field: name, Wrong: repeatedName().In(c.lang)})
		case len(values[0]) > maxParam && name != "cursor":
			faults = append(faults, fault.Field{Field: name, Given: clip(values[0]), Wrong: tooLong().In(c.lang)})
		}
	}
	c.query = q
	return invalidOf(faults)
}

// pathParameters returns the names of the parameters in a path: "/members/{member}" has the parameter member.
func pathParameters(path string) (out []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			out = append(out, strings.TrimSuffix(name, "}"))
		}
	}
	return out
}

// id returns the value of the parameter {name} in the path. The method check has already limited the length of the
// value.
func (c *call) id(name string) string { return c.r.PathValue(name) }

// member returns the id of the member in the path.
func (c *call) member() policy.MemberID { return policy.MemberID(c.id("member")) }

// machine returns the id of the machine in the path.
func (c *call) machine() policy.MachineID { return policy.MachineID(c.id("machine")) }

// memberTarget returns the member in the path as the target of a permission.
func (c *call) memberTarget() actor.Target { return actor.Target{Member: c.member()} }

// invalid returns *fault.Invalid for one value, in the language of the request. right names the values that would be
// accepted.
func (c *call) invalid(field, given string, wrong httpd.Text, right ...string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: clip(given), Wrong: wrong.In(c.lang),
		Right: strings.Join(right, ", ")}}}
}

// decodeBody decodes the JSON body of the request into a value, with the strict rules of the function decode.
func (c *call) decodeBody(into any) error {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return err
	}
	return decode(data, into, c.lang)
}

// version returns the version in If-Match. The request changes only this version of the resource.
func (c *call) version() (int64, error) {
	given := c.r.Header.Values("If-Match")
	if len(given) == 0 {
		return 0, versionMissing()
	}
	text := strings.TrimSpace(strings.Join(given, ","))
	if number, ok := strings.CutPrefix(text, `"`); ok {
		if v, err := strconv.ParseInt(strings.TrimSuffix(number, `"`), 10, 64); err == nil && etag(v) == text && v >= 0 {
			return v, nil
		}
	}
	if text == "*" { // refuse "*", because the request would then change a version that the client has not read
		return 0, versionMissing()
	}
	return 0, versionUnknown() // a weak or unknown ETag matches no version (RFC 9110, section 13.1.1)
}

// page returns the requested page of a list: the cursor of the previous page, and the maximum number of items.
func (c *call) page() (after string, limit int, err error) {
	limit = usualPage
	if s := c.query.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxPage {
			return "", 0, c.invalid("limit", s, httpd.Text{FR: "ce n’est pas un nombre de 1 à 500",
				EN: "want a number from 1 to 500"}, "1…500")
		}
	}
	if s := c.query.Get("cursor"); s != "" {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil || len(s) > maxCursor || base64.RawURLEncoding.EncodeToString(b) != s {
			return "", 0, c.invalid("cursor", s, httpd.Text{FR: "ce n’est pas un curseur de cette liste",
				EN: "no cursor of this list"},
				"next")
		}
		after = string(b)
	}
	return after, limit, nil
}

// pageAnswer returns the response with one page of a list and the URL of the next page.
func pageAnswer[T any](c *call, items []T, next string) answer {
	out := list[T]{Items: items}
	if out.Items == nil {
		out.Items = []T{}
	}
	if next != "" {
		q := url.Values{}
		for name := range c.query {
			q.Set(name, c.query.Get(name))
		}
		q.Set("cursor", base64.RawURLEncoding.EncodeToString([]byte(next)))
		out.Next = c.r.URL.EscapedPath() + "?" + q.Encode()
		c.w.Header().Set("Link", "<"+out.Next+`>; rel="next"`)
	}
	return answer{body: out}
}

// readUpload reads the uploaded file, and the other fields of the form if the body is a form. The file is the whole
// body or the part "file" of the form.
func (c *call) readUpload() (name string, data []byte, fields map[string]string, err error) {
	// ignore the error, because the method check has already parsed the content type
	kind, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if kind != formType {
		data, err = io.ReadAll(c.r.Body)
		name = c.query.Get("name")
		if err == nil && len(data) == 0 {
			err = c.invalid("file", "", httpd.Text{FR: "le fichier est vide", EN: "the file is empty"})
		}
		return name, data, nil, err
	}
	fields = map[string]string{}
	form := multipart.NewReader(c.r.Body, params["boundary"])
	for range maxParts {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", nil, nil, c.formFault(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			return "", nil, nil, c.formFault(err)
		}
		switch field := part.FormName(); {
		case field == "file" && data == nil:
			name, data = part.FileName(), b
		case field != "file" && fields[field] == "" && len(b) <= maxParam*10:
			fields[field] = string(b)
		default:
			return "", nil, nil, c.invalid(clip(field), "", repeatedName())
		}
	}
	if len(data) == 0 {
		return "", nil, nil, c.invalid("file", "", httpd.Text{FR: "il manque le fichier", EN: "the file is missing"})
	}
	return clip(name), data, fields, nil
}

const (
	formType = "multipart/form-data"
	maxParts = 8
)

// formFault converts an error of reading a form to *fault.Invalid. The error for a body that is too large stays
// unchanged, so that the response is 413.
func (c *call) formFault(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return c.invalid("file", "", httpd.Text{FR: "formulaire illisible", EN: "the form cannot be read"})
}
