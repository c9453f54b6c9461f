package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"portillon/hub/apiclient"
	"portillon/policy"
)

// apiMember contains the fields of a member in the API that the tool prints.
type apiMember struct {
	ID      string     `json:"id"` // the member's pseudonym
	Name    string     `json:"name"`
	Emails  []string   `json:"emails"`
	Until   string     `json:"until"`   // last day of the membership; empty: no end
	Blocked bool       `json:"blocked"` // true: every card of the member is refused
	Cards   []apiCard  `json:"cards"`
	Badges  []apiBadge `json:"badges"`
	Note    string     `json:"note"` // for administrators
}

// cells returns the member as a row.
func (m apiMember) cells(l policy.Language) []string {
	state := cmp.Or(m.Until, say(l, "sans fin", "no end"))
	if m.Blocked {
		state = say(l, "bloqué", "blocked")
	}
	return []string{m.ID, m.Name, strings.Join(m.Emails, ", "), state}
}

// memberList runs «member list». The command reads all pages of the list.
func memberList(ctx context.Context, w stdio, args []string) error {
	var x remote
	query := url.Values{}
	_, err := parseFlags(w, "member list", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		for name, usage := range map[string]string{"text": "words of a name, an address or an external id",
			"machine": "who may use this machine",
			"badge":   "who holds this badge of the policy", "state": "active, blocked, lapsed"} {
			fs.Func(name, usage, func(s string) error { query.Set(name, s); return nil })
		}
	})
	if err != nil {
		return err
	}
	query.Set("limit", "500")
	return printList(ctx, &x, w, "/members", query, func(m apiMember) []string { return m.cells(*x.lang) })
}

// memberShow runs «member show».
func memberShow(ctx context.Context, w stdio, args []string) error {
	var x remote
	rest, err := parseFlags(w, "member show", args, 1, x.declare)
	if err != nil {
		return err
	}
	return x.ask(ctx, w, apiclient.Request{Method: http.MethodGet, Path: apiclient.Path("members", rest[0])},
		x.printMember(w))
}

// printMember prints the member in an answer, with cards and badges.
func (x *remote) printMember(w stdio) func(apiclient.Answer, *apiclient.Client) error {
	return func(a apiclient.Answer, c *apiclient.Client) error {
		var m apiMember
		if err := c.Read(a, &m); err != nil {
			return err
		}
		rows := [][]string{m.cells(*x.lang)}
		for _, card := range m.Cards {
			rows = append(rows, append([]string{say(*x.lang, "carte", "card")}, card.cells()...))
		}
		for _, b := range m.Badges {
			rows = append(rows, append([]string{"badge"}, b.cells(*x.lang)...))
		}
		if m.Note != "" {
			rows = append(rows, []string{"note", m.Note})
		}
		return table(w, rows)
	}
}

// fieldsOf parses fields such as name=Léa emails=a@b,c@d until=. A field without a value, such as until=, deletes the
// member's present value.
func fieldsOf(args []string) (map[string]any, error) {
	out := map[string]any{}
	known := []string{"name", "language", "emails", "subjects", "guardians", "until", "blocked", "external_id"}
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok || !slices.Contains(known, name) {
			return nil, wrong("%q is not a field of a member", arg).
				hinted("FIELD=VALUE, with one of %s; FIELD= removes the value", strings.Join(known, ", "))
		}
		switch {
		case value == "":
			out[name] = nil
		case name == "blocked":
			b, err := strconv.ParseBool(value)
			if err != nil {
				return nil, wrong("blocked: %q is neither true nor false", value)
			}
			out[name] = b
		case slices.Contains([]string{"emails", "subjects", "guardians"}, name):
			out[name] = strings.Split(value, ",")
		default:
			out[name] = value
		}
	}
	return out, nil
}

// memberAdd runs «member add».
// The fields are those of fieldsOf. The hub chooses an id unless --id is given.
func memberAdd(ctx context.Context, w stdio, args []string) error {
	var x remote
	var id string
	rest, err := parseFlags(w, "member add", args, -1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&id, "id", "", "the member's id; default: the hub chooses one")
	})
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return wrong("member add takes a name").hinted("portillon member add \"Léa Martin\" emails=lea@example.org --hub …")
	}
	fields, err := fieldsOf(rest[1:])
	if err != nil {
		return err
	}
	fields["name"] = rest[0]
	if id != "" {
		fields["id"] = id
	}
	return x.ask(ctx, w, apiclient.Request{Method: http.MethodPost, Path: "/members", JSON: fields}, x.printMember(w))
}

// memberSet runs «member set». The hub refuses the change if somebody else has changed the member meanwhile.
func memberSet(ctx context.Context, w stdio, args []string) error {
	var x remote
	rest, err := parseFlags(w, "member set", args, -1, x.declare)
	if err != nil {
		return err
	}
	if len(rest) < 2 {
		return wrong("member set takes a member and at least one field").
			hinted("portillon member set m-lea until=2027-09-30 --hub …")
	}
	fields, err := fieldsOf(rest[1:])
	if err != nil {
		return err
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	path := apiclient.Path("members", rest[0])
	version, err := versionOf(ctx, c, path)
	if err != nil {
		return err
	}
	q := apiclient.Request{Method: http.MethodPatch, Path: path, JSON: fields, Type: "application/merge-patch+json",
		Match: version}
	a, err := c.Do(ctx, q)
	if err != nil {
		return withExitCode(err)
	}
	return x.show(w, c, a, x.printMember(w))
}

// memberErase runs «member erase». The hub erases the person's data. The person's records stay at the hub under a
// pseudonym that nobody can trace to the person any more.
func memberErase(ctx context.Context, w stdio, args []string) error {
	var x remote
	var yes bool
	rest, err := parseFlags(w, "member erase", args, 1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.BoolVar(&yes, "yes", false, "erase the data; this cannot be undone")
	})
	if err != nil {
		return err
	}
	if !yes {
		return wrong("erasing %s cannot be undone", rest[0]).hinted("--yes erases")
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	path := apiclient.Path("members", rest[0])
	version, err := versionOf(ctx, c, path)
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodDelete, Path: path, Match: version})
	if err != nil {
		return withExitCode(err)
	}
	return x.show(w, c, a, x.printerOf(w, "%s effacé", "%s erased", rest[0]))
}

// apiPreview lists the changes that an import would make.
type apiPreview struct {
	ID        string     `json:"id"`        // for «apply»
	Added     []apiRow   `json:"added"`     // members whom the import adds to the hub
	Changed   []apiRow   `json:"changed"`   // members whose data the import changes
	Gone      []apiRow   `json:"gone"`      // members whom the list no longer contains
	Unchanged int        `json:"unchanged"` // number of members whom the import does not change
	Gains     []apiRight `json:"gains"`     // roles that members gain by the import
	Loses     []apiRight `json:"loses"`     // roles that members lose by the import
	Warnings  []string   `json:"warnings"`
	Confirm   bool       `json:"confirm"` // true: many members would be removed, which requires --confirm
}

// apiRow is a changed row of an import.
type apiRow struct {
	Row    int      `json:"row"` // line number in the list, from 1
	Member string   `json:"member"`
	Name   string   `json:"name"`
	Fields []string `json:"fields"` // the changed fields
}

// apiRight is a role that a member gains or loses.
type apiRight struct {
	Member  string `json:"member"`
	Name    string `json:"name"`
	Machine string `json:"machine"`
	Role    string `json:"role"`
	Why     string `json:"why"` // description of the changes that the import makes to this member
}

// changes returns the number of members that the import changes.
func (p apiPreview) changes() int { return len(p.Added) + len(p.Changed) + len(p.Gone) }

// printPreview prints the changes that an import would make.
func (x *remote) printPreview(w stdio, p apiPreview) error {
	l := *x.lang
	fmt.Fprintf(w.out, say(l, "%d ajoutés, %d modifiés, %d absents de la liste, %d inchangés\n",
		"%d added, %d changed, %d gone from the list, %d unchanged\n"),
		len(p.Added), len(p.Changed), len(p.Gone), p.Unchanged)
	var rows [][]string
	for _, part := range []struct {
		sign string
		rows []apiRow
	}{{"+", p.Added}, {"~", p.Changed}, {"-", p.Gone}} {
		for _, r := range part.rows {
			rows = append(rows, []string{part.sign, r.Member, r.Name, strings.Join(r.Fields, ", ")})
		}
	}
	rows = append(rows, rightRows(l, p.Gains, p.Loses)...)
	for _, s := range p.Warnings {
		rows = append(rows, []string{"!", s})
	}
	return table(w, rows)
}

// rightRows returns the roles that members gain and lose, as rows.
func rightRows(l policy.Language, gains, loses []apiRight) (rows [][]string) {
	for _, r := range gains {
		rows = append(rows, []string{say(l, "gagne", "gains"), cmp.Or(r.Name, r.Member), r.Machine, r.Role, r.Why})
	}
	for _, r := range loses {
		rows = append(rows, []string{say(l, "perd", "loses"), cmp.Or(r.Name, r.Member), r.Machine, r.Role, r.Why})
	}
	return rows
}

// importing contains the flags of «member import».
type importing struct {
	remote
	source         string            // a name for the list
	mapping        map[string]string // members' fields, by column header
	apply, confirm bool              // apply: carry out the import; confirm: value of --confirm
}

// memberImport runs «member import», which previews an import and, with --apply, carries out the import. A list is the
// complete state of one source: the import suspends the members of this source whom the list does not contain. The
// preview names all changes. If --apply is not given, the command changes no member.
func memberImport(ctx context.Context, w stdio, args []string) error {
	x := importing{mapping: map[string]string{}}
	rest, err := parseFlags(w, "member import", args, 1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&x.source, "source", "", "a name for the list that the file is a state of; default: list")
		fs.BoolVar(&x.apply, "apply", false, "change the directory as the preview says")
		fs.BoolVar(&x.confirm, "confirm", false,
			"with --apply: the many members that the list does not have any more are gone")
		fs.Func("map", "HEADER=FIELD: which field a column is; for each column whose header does not say it",
			func(s string) error {
				header, field, ok := strings.Cut(s, "=")
				if !ok {
					return fmt.Errorf("column %q is invalid, want HEADER=FIELD", s)
				}
				x.mapping[header] = field
				return nil
			})
	})
	if err != nil {
		return err
	}
	data, err := readUpload(rest[0])
	if err != nil {
		return err
	}
	return x.run(ctx, w, filepath.Base(rest[0]), data)
}

// run previews an import, and carries the import out if --apply is given. If --apply is not given and the preview
// contains changes, the exit code is 1.
func (x *importing) run(ctx context.Context, w stdio, name string, data []byte) error {
	c, err := x.client()
	if err != nil {
		return err
	}
	form, kind, err := formOf(name, data, x.mapping)
	if err != nil {
		return err
	}
	query := url.Values{}
	if x.source != "" {
		query.Set("source", x.source)
	}
	var p apiPreview
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodPost, Path: "/imports", Query: query, Body: form, Type: kind})
	if err == nil {
		err = c.Read(a, &p)
	}
	if err != nil {
		return withExitCode(err)
	}
	if x.apply {
		if p.Confirm && x.confirm {
			if _, err := c.Do(ctx, apiclient.Request{Method: http.MethodPost,
				Path: apiclient.Path("imports", p.ID, "confirm")}); err != nil {
				return withExitCode(err)
			}
		}
		if a, err = c.Do(ctx, apiclient.Request{Method: http.MethodPost,
			Path: apiclient.Path("imports", p.ID, "apply")}); err != nil {
			return withExitCode(err)
		}
	}
	err = x.show(w, c, a, func(apiclient.Answer, *apiclient.Client) error { return x.printPreview(w, p) })
	if err == nil && !x.apply && p.changes() > 0 {
		return errNo
	}
	return err
}

// memberExport runs «member export». The file contains personal data, so only the file's owner can read it.
func memberExport(ctx context.Context, w stdio, args []string) error {
	var x remote
	var format, out string
	var force bool
	_, err := parseFlags(w, "member export", args, 0, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&format, "format", "csv", "csv, xlsx or yaml (members.yaml)")
		fs.StringVar(&out, "o", "", "the file; default: print it")
		fs.BoolVar(&force, "force", false, "write over a file that exists")
	})
	if err != nil {
		return err
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodGet, Path: "/export", Query: url.Values{"format": {format}},
		Accept: "*/*"})
	if err != nil {
		return withExitCode(err)
	}
	return w.writePrivate(out, a.Body, force)
}
