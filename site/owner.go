package site

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"portillon/openbadge"
)

// owner returns the index in s.Members of the member who received a badge; -1: there is none. places returns the
// indexes of the members who may be the recipient (recipients.among). If members.yaml does not decide between several
// members, conflict names them.
//
// If several members share an address, such as a child and a parent, a badge that names this address belongs to a
// member only if it also names a subject of that member alone, or if the member's badges: line names the file.
func (s *Site) owner(x *recipients, f File, b *openbadge.Badge, places func() []int) (at int, conflict []string) {
	if i := x.byLine(f.Name, b); i >= 0 { // check the badges: line first, because it has priority over addresses
		return i, nil
	}
	var all, bySubject, byLine []int
	for _, i := range places() {
		m := &s.Members[i]
		if b.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) {
			all = append(all, i)
		}
	}
	if len(all) == 1 { // exactly one member may be the recipient
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

// tidyText normalises a name or an address: it replaces blanks of all kinds with one space, and removes blanks at the
// ends. tidyText returns an error for characters that would make the text look different from its content.
func tidyText(s string) (string, error) {
	for _, r := range s {
		switch {
		case r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\ufeff' || r == '\u00ad':
			return "", fmt.Errorf("the text holds the invisible character U+%04X; type it again by hand", r)
		case unicode.Is(unicode.Bidi_Control, r):
			return "", fmt.Errorf("the text holds the direction control U+%04X; type it again by hand", r)
		case unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r':
			return "", fmt.Errorf("the text holds the control character U+%04X; type it again by hand", r)
		case r == unicode.ReplacementChar:
			return "", fmt.Errorf("the text is not valid UTF-8; save the file as UTF-8")
		}
	}
	return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " "), nil
}
