package site

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"portillon/openbadge"
)

// owner is the place in s.Members of the one member that a badge counts for; -1: it counts for none. places are those
// of whom it may be (recipients.among). conflict names the members that it could be, where members.yaml does not
// decide.
//
// Whoever shares an address with others (a child on a parent's) holds a badge that names that address only if it also
// names a subject that is theirs alone, or if their own badges: line names its file.
func (s *Site) owner(x *recipients, f File, b *openbadge.Badge, places func() []int) (at int, conflict []string) {
	if i := x.byLine(f.Name, b); i >= 0 { // it decides, whoever else the recipient is
		return i, nil
	}
	var all, bySubject, byLine []int
	for _, i := range places() {
		m := &s.Members[i]
		if b.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) {
			all = append(all, i)
		}
	}
	if len(all) == 1 { // nobody else could hold it
		return all[0], nil
	}
	for _, i := range all {
		m := &s.Members[i]
		if b.IsFor(openbadge.Recipient{Subjects: m.Subjects}) {
			bySubject = append(bySubject, i)
		}
		if slices.Contains(m.Badges, f.Name) {
			byLine = append(byLine, i)
		}
	}
	for _, found := range [][]int{byLine, bySubject, all} {
		if len(found) == 1 {
			return found[0], nil
		}
	}
	for _, i := range all {
		conflict = append(conflict, fmt.Sprintf("%s (%s)", s.Members[i].Name, s.Members[i].ID))
	}
	return -1, conflict
}

// tidy removes what nobody sees around and in a name or an address: blanks of all kinds become one blank, those at the
// ends go. It refuses what would show another text than it holds.
func tidy(s string) (string, error) {
	for _, r := range s {
		switch {
		case r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\ufeff' || r == '\u00ad':
			return "", fmt.Errorf("it holds the invisible character U+%04X; type it again by hand", r)
		case unicode.Is(unicode.Bidi_Control, r):
			return "", fmt.Errorf("it holds the direction control U+%04X; type it again by hand", r)
		case unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r':
			return "", fmt.Errorf("it holds the control character U+%04X; type it again by hand", r)
		case r == unicode.ReplacementChar:
			return "", fmt.Errorf("it is not valid UTF-8; save the file as UTF-8")
		}
	}
	return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " "), nil
}
