package web

import (
	"bytes"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
)

// importPages serves the pages that import and export lists of members.
type importPages struct {
	directory Directory
}

// routes returns the pages of the import and the export.
func (p *importPages) routes() []route {
	return []route{
		{"GET /members/import", p.importPage}, {"POST /members/import", p.preview},
		{"POST /members/import/apply", p.apply}, {"POST /members/import/columns", p.remap},
		{"POST /members/import/sources/{name}", p.fetchList},
		{"GET /members/export", p.export},
	}
}

// importForm returns the form in which a user selects the file of an import.
func importForm() form {
	return form{ID: "import", Action: "/members/import", Submit: "import.preview", Upload: true, Fields: []field{
		{Name: "file", Kind: "file", Label: "import.file", Hint: "import.file.hint", Required: true}}}
}

// importPage answers GET /members/import.
func (p *importPages) importPage(q *request) error {
	if err := q.actor.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	return p.showImport(q, 200, importForm(), nil)
}

// preview answers POST /members/import with the changes that an import would make. The response to the POST is the
// page itself, without a redirect, because preview stores nothing in the directory.
func (p *importPages) preview(q *request) error {
	name, data, err := q.file("file")
	if err != nil {
		return err
	}
	var pre directory.Preview
	if name == "" {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "file", Wrong: "no file was chosen"}}}
	} else {
		pre, err = p.directory.Imports.Preview(ctxOf(q), q.actor, directory.Import{Name: name, Data: data})
	}
	if faults := invalid(err); faults != nil {
		return p.showImport(q, 422, importForm().refuse(faults), nil)
	}
	if err != nil {
		return err
	}
	return q.render(200, "preview", "members", "import.title", previewPage{Preview: pre})
}

// apply answers POST /members/import/apply.
func (p *importPages) apply(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if v.Get("gone") == "yes" {
		if _, err := p.directory.Imports.Confirm(ctxOf(q), q.actor, v.Get("preview")); err != nil {
			return err
		}
	}
	if _, err := p.directory.Imports.Apply(ctxOf(q), q.actor, v.Get("preview")); err != nil {
		return err
	}
	return q.redirect("/members", "imported")
}

// export answers GET /members/export with a file of all members. export completes the file before it sends the first
// byte, so that an error leads to an error page instead of a partial file.
func (p *importPages) export(q *request) error {
	types := map[string]string{"csv": "text/csv; charset=utf-8", "yaml": "application/yaml",
		"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
	format := q.r.URL.Query().Get("format")
	if types[format] == "" {
		return errNoPage
	}
	var b bytes.Buffer
	if err := p.directory.Exports.Export(ctxOf(q), q.actor, format, &b); err != nil {
		return err
	}
	return q.download("members."+format, types[format], b.Bytes())
}
