package api

import (
	"io"
	"net/http"
	"slices"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/httpd"
)

const xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

// importAPI serves the routes for importing and exporting lists of members as files.
type importAPI struct {
	texts     *texts
	directory Directory
}

// routes returns the routes of imports and of the export. An import is previewed, confirmed if many members are missing
// from the list, and then applied.
func (s *importAPI) routes() []Route {
	return []Route{
		{Method: "POST", Path: "/imports", Act: actor.WriteMembers, Query: []string{"name", "source", "until"},
			MaxBody: uploadBody,
			Answer:  directory.Preview{},
			Types:   []string{formType, "text/csv", xlsxType, "application/yaml", "application/octet-stream"},
			handle:  s.previewImport},
		{Method: "POST", Path: "/imports/{import}/columns", Act: actor.WriteMembers, Body: importColumns{},
			Answer: directory.Preview{}, handle: s.remapImport},
		{Method: "POST", Path: "/imports/{import}/confirm", Act: actor.WriteMembers, Answer: directory.Preview{},
			handle: s.confirmImport},
		{Method: "POST", Path: "/imports/{import}/apply", Act: actor.WriteMembers, Answer: directory.Preview{},
			handle: s.applyImport},
		{Method: "GET", Path: "/export", Act: actor.ReadMembers, Query: []string{"format"}, Produces: exportTypes(),
			handle: s.exportMembers},
	}
}

// exportTypes returns the media types of an export, in the order of its formats: csv, xlsx, yaml.
func exportTypes() []string {
	return []string{"text/csv; charset=utf-8", xlsxType, "application/yaml"}
}

// previewImport reads a list of members and returns the changes that the list would cause. Only applyImport makes the
// changes. A form may have a field "mapping", a JSON object that maps the file's column names to the hub's fields.
func (s *importAPI) previewImport(c *call) (answer, error) {
	if err := c.checkUploadPermission(actor.WriteMembers); err != nil {
		return answer{}, err
	}
	name, data, fields, err := c.readUpload()
	if err != nil {
		return answer{}, err
	}
	in := directory.Import{Name: name, Data: data, Source: c.query.Get("source")}
	if in.Until, err = c.optionalDay("until", c.query.Get("until")); err != nil {
		return answer{}, err
	}
	if text := fields["mapping"]; text != "" {
		if err := decode([]byte(text), &in.Mapping, c.lang); err != nil {
			return answer{}, err
		}
	}
	p, err := s.directory.Imports.Preview(c.ctx(), c.actor, in)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: s.texts.translatePreview(c.lang, p)}, nil
}

// confirmImport confirms that the many members who are missing from the list have left the site.
func (s *importAPI) confirmImport(c *call) (answer, error) {
	p, err := s.directory.Imports.Confirm(c.ctx(), c.actor, c.id("import"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: s.texts.translatePreview(c.lang, p)}, nil
}

// applyImport makes the previewed changes in one transaction. The request is refused if the directory changed after the
// preview.
func (s *importAPI) applyImport(c *call) (answer, error) {
	p, err := s.directory.Imports.Apply(c.ctx(), c.actor, c.id("import"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: s.texts.translatePreview(c.lang, p)}, nil
}

// exportMembers streams all members as a file. The default format is CSV.
func (s *importAPI) exportMembers(c *call) (answer, error) {
	formats := []string{"csv", "xlsx", "yaml"}
	format := c.query.Get("format")
	if format == "" {
		format = "csv"
	}
	i := slices.Index(formats, format)
	if i < 0 {
		return answer{}, c.invalid("format", format, httpd.Text{FR: "format inconnu", EN: "unknown format"}, formats...)
	}
	name := "members." + format
	return answer{mime: exportTypes()[i], file: name, stream: func(w io.Writer) error {
		return s.directory.Exports.Export(c.ctx(), c.actor, format, w)
	}}, nil
}
