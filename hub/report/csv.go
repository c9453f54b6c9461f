package report

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"portillon/hub/actor"
	"portillon/policy"
)

// UsesCSV writes the sessions that began in a range to w, as a CSV file in UTF-8 with CRLF line ends and times in the
// site's time zone. The file begins with a byte order mark, by which spreadsheet programs recognise the encoding. The
// separator is a semicolon in French, where the comma is the decimal separator, and a comma in other languages. If the
// actor may not see names, columns about members are omitted. If UsesCSV returns an error, the file is incomplete.
func (s *Service) UsesCSV(ctx context.Context, a actor.Actor, r Range, w io.Writer) error {
	v, err := s.newView(ctx, a, r)
	if err != nil {
		return err
	}
	l := policy.French
	if s.o.Language != nil {
		l = s.o.Language(ctx)
	}
	// Write the byte order mark, then one page of sessions after another, so that memory use does not depend on the range.
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if l == policy.French {
		out.Comma = ';'
	}
	if err := out.Write(v.header(l)); err != nil {
		return err
	}
	for after, more := (place{began: math.MinInt64}), true; more; {
		uses, next, err := s.readPage(ctx, v, after, maxPage)
		if err != nil {
			return err
		}
		for _, u := range uses {
			if err := out.Write(v.line(u, l)); err != nil {
				return err
			}
		}
		if more = next != ""; more {
			if after, err = parsePlace(next); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// header returns the column titles in the language of the file.
func (v view) header(l policy.Language) []string {
	columns := []policy.Text{{FR: "Machine", EN: "Machine"}}
	if v.names {
		columns = append(columns, policy.Text{FR: "Membre", EN: "Member"}, policy.Text{FR: "Nom", EN: "Name"})
	}
	columns = append(
		columns,
		policy.Text{FR: "Rôle", EN: "Role"},
		policy.Text{FR: "Début", EN: "Start"},
		policy.Text{FR: "Fin", EN: "End"},
		policy.Text{
			FR: "Durée (s)",
			EN: "Duration (s)",
		},
		policy.Text{FR: "Fin par", EN: "Ended by"},
		policy.Text{FR: "Heure sûre", EN: "Time certain"},
	)
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.In(l)
	}
	return out
}

// line returns the cells of one session, in the order of the column titles.
func (v view) line(u Use, l policy.Language) []string {
	const form = "2006-01-02 15:04:05"
	end, certain := "", policy.Text{FR: "oui", EN: "yes"}
	if !u.To.IsZero() {
		end = u.To.In(v.zone).Format(form)
	}
	if u.Untrusted {
		certain = policy.Text{FR: "non", EN: "no"}
	}
	out := []string{string(u.Machine)}
	if v.names {
		out = append(out, string(u.Member), u.Name)
	}
	out = append(out, u.Role, u.From.In(v.zone).Format(form), end, fmt.Sprint(u.Seconds), u.End, certain.In(l))
	for i := range out {
		out[i] = escapeFormula(out[i])
	}
	return out
}

// escapeFormula returns a cell whose text no spreadsheet program interprets as a formula (OWASP, CSV Injection). A
// formula begins with one of the characters below. Some programs also accept leading blanks, or the full-width form of
// the character. A cell that may be a formula gets a leading apostrophe.
func escapeFormula(cell string) string {
	bare := strings.TrimLeftFunc(
		cell,
		func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) },
	)
	if bare != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(bare)[0]) ||
		cell != "" && strings.ContainsRune("\t\r\n\x00", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
