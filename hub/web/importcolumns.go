package web

import (
	"fmt"

	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/policy"
)

// previewPage is the page of a preview.
type previewPage struct {
	directory.Preview
	Until string // last day of membership of all rows, as it was entered
	// Fetched reports that the hub fetched the list: hub.yaml has the last day of membership.
	Fetched bool
}

// longestHeader limits the column names that the page's form sends, in bytes: the form must stay within its limit.
const longestHeader = 200

// Fields returns the fields that a column may be read as, in the order of the select; "-" is none.
func (p previewPage) Fields() []string { return append([]string{"-"}, directory.Fields()...) }

// Editable returns the columns whose field can be changed.
func (p previewPage) Editable() (out []directory.Header) {
	for _, h := range p.Headers {
		if len(h.Header) <= longestHeader {
			out = append(out, h)
		}
	}
	return out
}

// AsksUntil reports whether the page asks for a last day of membership, because no column has one.
func (p previewPage) AsksUntil() bool {
	for _, h := range p.Headers {
		if h.Field == "until" {
			return false
		}
	}
	return len(p.Headers) > 0 && !p.Fetched
}

// SomeLeft returns the rows left out that the page lists.
func (p previewPage) SomeLeft() []memberlist.Left { return p.Left[:min(len(p.Left), maxChanges)] }

// Same reports whether the import changes no member.
func (p previewPage) Same() bool { return len(p.Added)+len(p.Changed)+len(p.Gone) == 0 }

// remap answers POST /members/import/columns: the preview with other fields for the columns of the list.
func (p *importPages) remap(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	by := directory.Mapping{Columns: map[string]string{}}
	for i := 0; v.Has(fmt.Sprintf("header.%d", i)); i++ {
		by.Columns[v.Get(fmt.Sprintf("header.%d", i))] = v.Get(fmt.Sprintf("field.%d", i))
	}
	if day := v.Get("until"); day != "" {
		if by.Until, err = policy.ParseDate(day); err != nil {
			return &fault.Invalid{Faults: []fault.Field{{Field: "until", Given: day,
				Wrong: "this is no day of the calendar", Right: "2027-09-30"}}}
		}
	}
	pre, err := p.directory.Imports.Remap(ctxOf(q), q.actor, v.Get("preview"), by)
	if err != nil {
		return err
	}
	return q.render(200, "preview", "members", "import.title", previewPage{Preview: pre, Until: v.Get("until")})
}
