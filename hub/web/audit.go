package web

import (
	"strconv"
	"strings"

	"portillon/hub/fault"
)

// readAudited parses audit.txt, which contains the texts that services write to the audit log, in both languages.
func readAudited() (*fault.Words, error) {
	text, err := files.ReadFile("audit.txt")
	if err != nil {
		return nil, err
	}
	return fault.Parse(string(text))
}

// lists describes the texts of the audit log that contain a list. The key is the text's code in audit.txt. The value
// has the prefix of the message keys for the list's elements, and the separator between the elements.
var lists = map[string]struct{ prefix, between string }{
	"changed": {"audit.field.", ", "}, "added-account": {"", ", "}, "removed-account": {"", ", "},
	"changed-account": {"", ", "}, "token-made": {"act.", " "},
}

// translated is a text in the language of the page. Foreign is true for a text without a translation, such as an entry
// that another release wrote.
type translated struct {
	Text    string
	Foreign bool
}

// translate translates an entry of the audit log to the language of the page; nil: the entry is empty.
func (p *Pages) translate(l tongue, text string) *translated {
	if text == "" {
		return nil
	}
	if l.lang != "fr" {
		return &translated{Text: text}
	}
	french, code, ok := p.auditWords.French(text)
	list, isList := lists[code]
	if !ok || !isList {
		return &translated{french, !ok && strings.Contains(text, " ")}
	}
	values := p.auditWords.Values(text)
	for i, v := range values {
		if code == "token-made" && i > 0 {
			break // translate only the first value, because the second value is a date
		}
		words := strings.Split(v, list.between)
		for j, w := range words {
			if list.prefix != "" {
				words[j] = l.known(list.prefix, w)
			} else {
				words[j] = l.described(w)
			}
		}
		values[i] = strings.Join(words, ", ")
	}
	return &translated{Text: p.auditWords.With(code, values)}
}

// described translates the text about one property of an account, such as «name "x"», «role owner» or «mentor of
// laser».
func (l tongue) described(text string) string {
	word, rest, _ := strings.Cut(text, " ")
	if given, err := strconv.Unquote(rest); err == nil {
		rest = l.t("fault.given", given)
	}
	switch of, is := strings.CutPrefix(rest, "of "); {
	case word == "name":
		return l.t("audit.name", rest)
	case word == "member" && !is:
		return l.t("audit.member", rest)
	case word == "role":
		return l.t("audit.role", l.known("role.", rest))
	case is:
		return l.t("account.at", of, l.known("role.", word))
	case text == "disabled":
		return l.t("account.disabled")
	}
	return text
}
