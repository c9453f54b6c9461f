package site

import (
	"errors"
	"fmt"
	"strings"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/rfid"
)

// New returns a site from its parts instead of a folder: the text of policy.yaml, and the contents of members.yaml,
// badges/, status/ and documents/. Build returns the same bundle for this site as for a folder with the same
// contents. If web is nil, the site has no documents.
func New(policyText []byte, members []Member, badges, status []File, web openbadge.Resolver) (*Site, error) {
	p, err := file.Parse("policy.yaml", policyText)
	if err != nil {
		return nil, err
	}
	if web == nil {
		web = &openbadge.Directory{}
	}
	return &Site{Policy: p, Members: members, Badges: badges, Status: status, Web: web, text: policyText}, nil
}

// Owner returns the index in s.Members of the member who received the verified badge in a file; -1: there is none. If
// several members may be the recipient and members.yaml does not decide between them, shared names these members. The
// first call of Owner indexes s.Members, which must not change afterwards. Owner must not be called concurrently.
func (s *Site) Owner(file string, b *openbadge.Badge) (at int, shared []string) {
	if s.recipients == nil {
		s.recipients = newRecipients(s.Members)
	}
	return s.owner(s.recipients, File{Name: file}, b, func() []int { return s.recipients.candidates(b) })
}

// Tidy removes redundant blanks from a name or an address. Tidy returns an error if the text has an invisible or
// control character.
func Tidy(s string) (string, error) { return tidyText(s) }

// CheckEmail returns an error if a tidied text is not an e-mail address.
func CheckEmail(s string) error {
	if local, domain, ok := strings.Cut(s, "@"); !ok || local == "" || domain == "" || strings.ContainsAny(s, " ,;<>") {
		return errors.New("this is no e-mail address")
	}
	return nil
}

// ParseCardEntry parses an entry of cards:. number is a number in hexadecimal, or "hmac:" followed by 64 digits. part
// is true if the number may be only a part of the card's number. Errors do not quote the number.
func ParseCardEntry(text string) (number string, part bool, err error) {
	if strings.HasPrefix(strings.TrimSpace(text), hmacPrefix) {
		number, ok := parseHMAC(text)
		if !ok {
			return "", false, errors.New("prefix \"hmac:\" must be followed by 64 hexadecimal digits")
		}
		return number, false, nil
	}
	if s := strings.TrimSpace(text); len(s) == 10 && strings.Trim(s, "0123456789") == "" {
		return "", false, errors.New("ten digits may be decimal or hexadecimal: write dec: or hex: before them")
	}
	c, err := rfid.ParseCard(text)
	return c.Number.Hex(), c.Part, err
}

// CardEntry returns a card in the form that ParseCardEntry parses.
func CardEntry(number string, part bool) string {
	u, err := rfid.ParseUID(number)
	b := u.Bytes()
	switch {
	case err != nil: // the number is an hmac: entry, which has no notation
		return number
	case part && len(b) == 3:
		return fmt.Sprintf("wiegand26:%d,%d", b[0], int(b[1])<<8|int(b[2]))
	case part && len(b) == 4:
		return fmt.Sprintf("dec:%010d", uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3]))
	case strings.Trim(number, "0123456789") == "":
		return "hex:" + number
	}
	return number
}

// FormatMembers returns the text of a members.yaml, from which ParseMembers reads the same members.
func FormatMembers(members []Member) []byte {
	var b strings.Builder
	b.WriteString("portillon: 1\nmembers:")
	if len(members) == 0 {
		b.WriteString(" []")
	}
	b.WriteString("\n")
	for _, m := range members {
		m.format(&b)
	}
	return []byte(b.String())
}

// format writes the member as an entry of members.yaml.
func (m *Member) format(b *strings.Builder) {
	fmt.Fprintf(b, "  - { id: %s, name: %s", quote(string(m.ID)), quote(m.Name))
	if m.Language != "" {
		fmt.Fprintf(b, ", language: %s", m.Language)
	}
	list := func(key string, values []string) {
		for i, v := range values {
			values[i] = quote(v)
		}
		if len(values) > 0 {
			fmt.Fprintf(b, ", %s: [%s]", key, strings.Join(values, ", "))
		}
	}
	list("emails", append([]string(nil), m.Emails...))
	list("subjects", append([]string(nil), m.Subjects...))
	list("badges", append([]string(nil), m.Badges...))
	if cards := m.cardEntries(); len(cards) > 0 {
		fmt.Fprintf(b, ", cards: [%s]", strings.Join(cards, ", "))
	}
	if m.Blocked {
		b.WriteString(", blocked: true")
	}
	if m.Until != (policy.Date{}) {
		fmt.Fprintf(b, ", until: %s", m.Until)
	}
	b.WriteString(" }\n")
}

// cardEntries returns the member's cards in the form of members.yaml, active cards first.
func (m *Member) cardEntries() (out []string) {
	parts := map[string]bool{}
	for _, p := range m.Parts {
		parts[p] = true
	}
	for _, c := range m.Cards {
		out = append(out, quote(CardEntry(c, parts[c])))
	}
	for _, c := range m.Inactive {
		entry := fmt.Sprintf("{ number: %s, state: %s", quote(CardEntry(c.Number, c.Part)), c.State)
		if c.Since != (policy.Date{}) {
			entry += ", since: " + c.Since.String()
		}
		out = append(out, entry+" }")
	}
	return out
}

// quote returns a text as a double-quoted scalar of YAML 1.2.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
