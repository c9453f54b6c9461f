package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"portillon/hub/fault"
)

var errForm = errors.New("form cannot be parsed")

// field is one field of a form, with the value that the user entered and the value's fault.
type field struct {
	Name     string
	Kind     string // one of text, email, password, date, file, area, select, pick
	Label    string // keys of messages
	Hint     string
	Value    string
	Before   shownValue
	Auto     string // value of the attribute autocomplete
	Required bool
	Rows     int
	Choices  []choice
	Faults   []fault.Field
	First    bool // true for the field that gets the focus: the first one with a fault, or one that a page chooses
}

// shownValue is a field's value as the page showed it. The browser sends this value together with the form (Sent), so
// that the hub can determine in a conflict which fields the user has changed.
type shownValue struct {
	Value string
	Sent  bool
}

// choice is an option of a field of kind select or pick. Label is a message key for select, and a text for pick.
type choice struct{ Value, Label string }

// form is a form on a page: empty, filled in, or returned with faults.
type form struct {
	ID      string
	Action  string
	Submit  string // key of the message on the form's button
	Version int64
	Fields  []field
	Faults  []fault.Field // faults that do not belong to a field
	Upload  bool
	Danger  bool
}

// Bad reports whether a field of the form has a fault.
func (f form) Bad() bool {
	for _, x := range f.Fields {
		if len(x.Faults) > 0 {
			return true
		}
	}
	return len(f.Faults) > 0
}

// withValues fills the values that the user sent into the fields, except passwords and files.
func (f form) withValues(given url.Values) form {
	f.Fields = append([]field(nil), f.Fields...)
	for i := range f.Fields {
		x := &f.Fields[i]
		if x.Kind == "password" || x.Kind == "file" || !given.Has(x.Name) {
			continue
		}
		x.Value = given.Get(x.Name)
		if given.Has("was." + x.Name) {
			x.Before.Value = given.Get("was." + x.Name)
		}
	}
	return f
}

// refuse adds each fault to the field that it names: "emails[1]" and "emails.1" name the field emails. refuse adds all
// other faults to the form.
func (f form) refuse(faults []fault.Field) form {
	f.Fields = append([]field(nil), f.Fields...)
	for _, x := range faults {
		// Find the field. The field's name in the fault may have an index, and may be singular or plural.
		name := strings.ToLower(x.Field)
		if i := strings.IndexAny(name, "[. "); i > 0 {
			name = name[:i]
		}
		at := -1
		for i := range f.Fields {
			if f.Fields[i].Name == name || f.Fields[i].Name == name+"s" || f.Fields[i].Name+"s" == name {
				at = i
			}
		}
		if at < 0 {
			f.Faults = append(f.Faults, x)
			continue
		}
		f.Fields[at].Faults = append(f.Fields[at].Faults, x)
	}
	// Mark the first field with a fault, so that the browser focuses it.
	for i := range f.Fields {
		f.Fields[i].First = false
	}
	for i := range f.Fields {
		if len(f.Fields[i].Faults) > 0 {
			f.Fields[i].First = true
			break
		}
	}
	return f
}

// values reads a form without a file. Browsers send the lines of a text area with CR and LF (HTML, section 4.10.21.3,
// "construct the entry list"); values converts them to LF, as in files.
func (q *request) values() (url.Values, error) {
	if err := q.r.ParseForm(); err != nil {
		return nil, formError(err)
	}
	for _, list := range q.r.PostForm {
		for i := range list {
			list[i] = strings.ReplaceAll(list[i], "\r\n", "\n")
		}
	}
	return q.r.PostForm, nil
}

// formError returns errForm for a malformed form. formError returns the error unchanged if the form is too large.
func formError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return fmt.Errorf("%w: %w", errForm, err)
}

// file returns the name and content of an uploaded file of a form, up to maxUpload bytes. If the user has chosen no
// file, the name is empty.
func (q *request) file(name string) (string, []byte, error) {
	if err := q.r.ParseMultipartForm(maxUpload); err != nil {
		return "", nil, formError(err)
	}
	f, h, err := q.r.FormFile(name)
	if errors.Is(err, http.ErrMissingFile) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, formError(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxUpload))
	if err != nil {
		return "", nil, formError(err)
	}
	return h.Filename, b, nil
}

// version returns the version of the data that the form showed. If the number is invalid, version returns 0, which
// every service rejects.
func version(v url.Values) int64 {
	n, err := strconv.ParseInt(v.Get("version"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// lines returns the non-empty lines of a text area.
func lines(s string) (out []string) {
	for _, l := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// invalid returns the faults of a *fault.Invalid error, and nil for any other error.
func invalid(err error) []fault.Field {
	var inv *fault.Invalid
	if errors.As(err, &inv) {
		return inv.Faults
	}
	return nil
}
