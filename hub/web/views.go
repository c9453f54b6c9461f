package web

import (
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

// views are the templates of one language. For each page, views contains a template, which includes the layout and
// the shared parts.
type views struct {
	tongue
	pages map[string]*template.Template
}

// shared are the files with templates that every page may use.
var shared = [...]string{"templates/layout.html", "templates/parts.html"}

// parse parses all templates for one language.
func (p *Pages) parse(lang string) (*views, error) {
	v := &views{tongue: tongue{lang: lang, words: p.words, zone: p.zone, now: p.o.Now},
		pages: map[string]*template.Template{}}
	base, err := template.New("layout.html").Funcs(p.funcs(v.tongue)).ParseFS(files, shared[:]...)
	if err != nil {
		return nil, err
	}
	// Parse each page into a copy of the layout, because all pages define templates with the same names.
	list, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if f == shared[0] || f == shared[1] {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, f)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		v.pages[strings.TrimSuffix(path.Base(f), ".html")] = t
	}
	return v, nil
}

// funcs returns the functions that templates may call.
func (p *Pages) funcs(l tongue) template.FuncMap {
	return template.FuncMap{
		"t": l.t, "count": l.count, "known": l.known, "number": l.number,
		"author": l.author, "machineFault": l.machineFault, "text": l.of, "decimal": l.decimal,
		"clock": l.clock, "day": l.day, "fullday": l.fullDay,
		"date": l.date, "moment": l.moment, "lapsed": l.lapsed, "length": l.length,
		"since": l.since,
		"hours": l.hours,
		"month": l.month, "monthOf": l.monthOf, "monthName": l.monthName,
		"menu":    p.menu,
		"asset":   p.assets.path,
		"audited": func(text string) *translated { return p.translate(l, text) },
		"said":    func(text string) string { return p.faults.In(l.lang, text) },
		"foreign": func(text string) bool { return p.isForeign(l.lang, text) },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"machine": func(id policy.MachineID) string { return p.machineName(l, id) },
		"badge":   func(id policy.BadgeID) string { return p.badgeName(l, id) },
		"issuer":  p.issuerName,
		"may":     func(a actor.Actor, act actor.Act) bool { return a.May(act, actor.Target{}) == nil },
		"mayAt": func(a actor.Actor, act actor.Act, m policy.MachineID) bool {
			return a.May(act, actor.Target{Machine: m}) == nil
		},
		"trouble": func() string {
			if p.o.Trouble == nil {
				return ""
			}
			return p.o.Trouble()
		},
		"dict":  dict,
		"list":  func(v ...any) []any { return v },
		"join":  strings.Join,
		"head":  func(rows []directory.Row) []directory.Row { return rows[:min(len(rows), maxChanges)] },
		"minus": func(a, b int) int { return a - b },
		// seconds converts a duration for the function length.
		"seconds": func(d time.Duration) int64 { return int64(d / time.Second) },
	}
}

// isForeign reports whether a sentence is in English on a page of another language, as sentences of libraries and
// machines may be. A text without a space is an example value in any language. A text with a letter that English does
// not have is not English.
func (p *Pages) isForeign(lang, text string) bool {
	if lang == "en" || !strings.Contains(text, " ") || strings.ContainsAny(text, "éèàêçùîô«’\u00a0") {
		return false
	}
	_, _, ok := p.faults.French(text)
	return !ok
}

// machineName returns the policy's name of a machine, or the machine's id if the policy does not name the machine.
func (p *Pages) machineName(l tongue, id policy.MachineID) string {
	if p.o.MachineName != nil {
		if s := l.of(p.o.MachineName(id)); s != "" {
			return s
		}
	}
	return string(id)
}

// badgeName returns the policy's name of a badge, or the badge's id if the policy does not name the badge.
func (p *Pages) badgeName(l tongue, id policy.BadgeID) string {
	if p.o.BadgeName != nil {
		if s := l.of(p.o.BadgeName(id)); s != "" {
			return s
		}
	}
	return string(id)
}

// issuerName returns the policy's name for the issuer of a badge. For an invalid badge, issuerName returns the
// issuer's name that the badge contains.
func (p *Pages) issuerName(b directory.Badge) string {
	if p.o.IssuerName != nil && b.Verdict == "valid" {
		if s := p.o.IssuerName(b.Issuer); s != "" {
			return s
		}
	}
	return b.Issuer
}

// dict returns a map of keys and values that alternate in pairs. Templates use such a map to pass several values to
// another template.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: key %d is a %T, want a string", i/2, pairs[i])
		}
		m[k] = pairs[i+1]
	}
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: got %d arguments, want an even number", len(pairs))
	}
	return m, nil
}
