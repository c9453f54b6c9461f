package api

import (
	"net/http"

	"portillon/hub/directory"
	"portillon/hub/httpd"
	"portillon/policy"
)

// importColumns is the body of POST /imports/{import}/columns.
type importColumns struct {
	Columns map[string]string `json:"columns"`         // header → field, or "-" for none
	Until   string            `json:"until,omitempty"` // last day of membership of all rows
}

// remapImport reads the list of a preview again with other fields for its columns, and returns the new preview.
func (s *importAPI) remapImport(c *call) (answer, error) {
	var in importColumns
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	until, err := c.optionalDay("until", in.Until)
	if err != nil {
		return answer{}, err
	}
	p, err := s.directory.Imports.Remap(c.ctx(), c.actor, c.id("import"), directory.Mapping{Columns: in.Columns,
		Until: until})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: s.texts.translatePreview(c.lang, p)}, nil
}

// optionalDay reads a day such as 2027-09-30; an empty text is no day.
func (c *call) optionalDay(field, text string) (policy.Date, error) {
	if text == "" {
		return policy.Date{}, nil
	}
	d, err := policy.ParseDate(text)
	if err != nil {
		return d, c.invalid(field, text, httpd.Text{FR: "jour invalide", EN: "not a day"}, "2027-09-30")
	}
	return d, nil
}
