package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"portillon/openbadge"
	"portillon/policy"
)

// badgeShow runs «badge show», which prints the content of a badge without verification. The exit code is 2 if the file
// cannot be read as a badge. The flag --json prints the parsed badge instead of text.
func badgeShow(_ context.Context, w stdio, args []string) error {
	var asJSON bool
	var at string
	var lang *policy.Language
	rest, err := parseFlags(w, "badge show", args, 1, func(fs *flag.FlagSet) {
		fs.BoolVar(&asJSON, "json", false, "print it as JSON")
		fs.StringVar(&at, "at", "", "the time (RFC 3339) for which it is said whether it has ended; default: now")
		lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	now, err := timeFlag("--at", at, time.Now())
	if err != nil {
		return err
	}
	data, err := os.ReadFile(rest[0])
	if err != nil {
		return wrong("%w", err)
	}
	v := openbadge.Verify(data, openbadge.Options{})
	if v.Badge == nil {
		return wrong("%s: %s", rest[0], v.Why())
	}
	if asJSON {
		return printJSON(w.out, v.Badge)
	}
	page{w.out, *lang, now}.badge(v)
	fmt.Fprintln(w.out, say(*lang, "\nnon vérifié : portillon badge verify", "\nnot verified: portillon badge verify"))
	return nil
}

// page prints a badge for a person. page prints all texts of the badge unchanged, and nobody has verified that they are
// true.
type page struct {
	out  io.Writer
	lang policy.Language // language of labels and dates
	at   time.Time       // current time, which tells whether the badge has expired
}

// labelWidth is the width of the widest label in runes: modèle de badge.
const labelWidth = 15

// line prints a label and a text. A text longer than 96 runes continues on the next lines. An empty text prints
// nothing.
func (p page) line(fr, en, text string) {
	if text = strings.TrimSpace(plain(text)); text == "" {
		return
	}
	label := say(p.lang, fr, en)
	for i, part := range wrapped(text, 96) {
		if i > 0 {
			label = ""
		}
		fmt.Fprintf(p.out, "%s%s %s\n", label, strings.Repeat(" ", max(0, labelWidth-len([]rune(label)))), part)
	}
}

// wrapped breaks a text between words into lines of at most width runes. A word that is longer than width is on a line
// of its own.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// badge prints all fields of a badge that have a value.
func (p page) badge(v openbadge.Verdict) {
	b := v.Badge
	p.line("badge", "badge", b.AchievementName)
	p.line("émetteur", "issuer", b.IssuerName)
	p.line("", "", b.IssuerID)
	p.line("pour", "for", b.Subject)
	for _, i := range b.Identifiers {
		p.line("pour", "for", p.identity(i))
	}
	p.dates(b)
	if b.Description != b.AchievementName {
		p.line("description", "description", b.Description)
	}
	p.line("critères", "criteria", b.Criteria)
	for _, e := range b.Evidence {
		p.line("preuve", "evidence", joined(": ", e.Name, joined(" ", e.Narrative, e.Description)))
		p.line("", "", e.ID)
	}
	for _, e := range b.Status {
		p.line("statut", "status", p.status(e))
		p.line("", "", e.List)
	}
	p.line("modèle de badge", "achievement", b.AchievementID)
	p.line("numéro", "id", b.ID)
	p.line("format", "format", p.form(v))
}

// joined joins the parts that are not empty into one text.
func joined(by string, parts ...string) string {
	var there []string
	for _, s := range parts {
		if s != "" {
			there = append(there, s)
		}
	}
	return strings.Join(there, by)
}

// dates prints on which day the badge becomes valid and on which day it expires.
func (p page) dates(b *openbadge.Badge) {
	if b.ValidFrom.IsZero() {
		return
	}
	from := day(p.lang, b.ValidFrom)
	if b.ValidFrom.After(p.at) {
		from += say(p.lang, " : pas encore valable", ": not valid yet")
	}
	p.line("depuis", "from", from)
	if b.ValidUntil.IsZero() {
		p.line("valable", "until", say(p.lang, "sans date de fin", "no end date"))
		return
	}
	p.line("jusqu’au", "until", day(p.lang, b.ValidUntil)+p.remaining(b.ValidUntil))
}

// remaining returns a text about the remaining validity, or about the time since the badge has expired.
func (p page) remaining(until time.Time) string {
	days := int(until.Sub(p.at).Hours() / 24)
	switch {
	case p.at.After(until) && days == 0:
		return say(p.lang, " : expiré aujourd’hui", ": expired today")
	case p.at.After(until):
		return fmt.Sprintf(say(p.lang, " : expiré depuis %d %s", ": expired %d %s ago"), -days, p.days(-days))
	case days == 0:
		return say(p.lang, " (moins d’un jour)", " (less than a day)")
	}
	return fmt.Sprintf(say(p.lang, " (encore %d %s)", " (%d %s left)"), days, p.days(days))
}

// days returns the noun for n days, singular or plural.
func (p page) days(n int) string {
	if n == 1 {
		return say(p.lang, "jour", "day")
	}
	return say(p.lang, "jours", "days")
}

// identity returns the recipient: an address, or the hash of an address.
func (p page) identity(i openbadge.Identity) string {
	kind := i.Type
	if kind == "emailAddress" || kind == "email" {
		kind = say(p.lang, "adresse e-mail", "e-mail address")
	}
	if i.Hashed {
		kind += say(p.lang, ", hachée :", ", hashed:")
	}
	return kind + " " + i.Hash
}

// status returns the kind of the badge's revocation list.
func (p page) status(e openbadge.StatusEntry) string {
	switch e.Type {
	case openbadge.RevocationListType:
		return say(p.lang, "liste de révocation de 1EdTech", "1EdTech revocation list")
	case openbadge.BitstringEntryType:
		return fmt.Sprintf(say(p.lang, "liste de statuts (%s), place %d", "status list (%s), place %d"), e.Purpose, e.Index)
	}
	return e.Type
}

// form returns the format of the badge, and of the image from which the badge was extracted.
func (p page) form(v openbadge.Verdict) string {
	form := v.Form
	switch form {
	case "ob3 json":
		form = say(p.lang, "Open Badges 3.0, JSON signé", "Open Badges 3.0, signed JSON")
	case "ob3 jwt":
		form = "Open Badges 3.0, VC-JWT"
	case "ob2 json":
		form = say(p.lang, "Open Badges 2.0, hébergé", "Open Badges 2.0, hosted")
	case "ob2 jws":
		form = say(p.lang, "Open Badges 2.0, JSON signé (JWS)", "Open Badges 2.0, signed JSON (JWS)")
	}
	if v.Baked != "" {
		form += say(p.lang, ", dans une image ", ", in an image: ") + strings.ToUpper(v.Baked)
	}
	return form
}
