package web

import (
	"bytes"
	"fmt"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
)

func importForm() form {
	return form{ID: "import", Action: "/members/import", Submit: "import.preview", Upload: true, Fields: []field{
		{Name: "file", Kind: "file", Label: "import.file", Hint: "import.file.hint", Required: true}}}
}

func (p *Pages) importPage(q *request) error {
	if err := q.actor.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	return q.render(200, "import", "members", "import.title", importForm())
}

// preview shows what an import would change. It changes nothing, so its page is the answer to the POST.
func (p *Pages) preview(q *request) error {
	name, data, err := q.file("file")
	if err != nil {
		return err
	}
	var pre directory.Preview
	if name == "" {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "file", Wrong: "no file was chosen"}}}
	} else {
		pre, err = p.Directory.Preview(ctxOf(q), q.actor, directory.Import{Name: name, Data: data})
	}
	if faults := invalid(err); faults != nil {
		return q.render(422, "import", "members", "import.title", importForm().refuse(faults))
	}
	if err != nil {
		return err
	}
	return q.render(200, "preview", "members", "import.title", pre)
}

func (p *Pages) apply(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if v.Get("gone") == "yes" {
		if _, err := p.Directory.Confirm(ctxOf(q), q.actor, v.Get("preview")); err != nil {
			return err
		}
	}
	if _, err := p.Directory.Apply(ctxOf(q), q.actor, v.Get("preview")); err != nil {
		return err
	}
	return q.to("/members", "imported")
}

// export answers with all members as a file. It is made whole before the first byte is sent, so that a failure is an
// error page and not half a file.
func (p *Pages) export(q *request) error {
	types := map[string]string{"csv": "text/csv; charset=utf-8", "yaml": "application/yaml",
		"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
	format := q.r.URL.Query().Get("format")
	if types[format] == "" {
		return errNoPage
	}
	var b bytes.Buffer
	if err := p.Directory.Export(ctxOf(q), q.actor, format, &b); err != nil {
		return err
	}
	return q.download("members."+format, types[format], b.Bytes())
}

func (q *request) download(name, kind string, data []byte) error {
	h := q.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Content-Length", fmt.Sprint(len(data)))
	if _, err := q.w.Write(data); err != nil {
		q.p.Log.Debug("file not delivered", "file", name, "request", q.reqID, "err", err)
	}
	return nil
}
