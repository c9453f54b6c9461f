package openbadge

import (
	"encoding/json"
	"strconv"

	"portillon/openbadge/internal/ld"
)

// Warning is a requirement of Open Badges 3.0 that a badge does not meet. Without Options.Strict, such a badge may
// still be valid.
type Warning struct {
	Code string `json:"code"` // one of WarningCodes
	Path string `json:"path"` // such as credentialSubject.achievement.criteria or evidence[0].type
	FR   string `json:"fr"`
	EN   string `json:"en"`
}

// warnings contains the texts of all kinds of Warning, in French and English. The codes never change, so programs may
// store them; the list of codes is complete.
var warnings = [...]bilingual{
	{"missing-property", "il manque une propriété obligatoire", "a required property is missing"},
	{"missing-type", "il manque le type obligatoire", "the required type is missing"},
	{
		"wrong-form",
		"la valeur n’a pas la forme que demande la norme",
		"the value does not have the form that the standard asks for",
	},
	{
		"no-recipient",
		"le badge ne dit pas à qui il est : ni id, ni identifier",
		"the badge does not say whose it is: neither id nor identifier",
	},
}

// WarningCodes returns the codes of all kinds of Warning.
func WarningCodes() []string {
	var out []string
	for _, w := range warnings {
		out = append(out, w.code)
	}
	return out
}

// maxWarnings is the maximum number of warnings for a badge. More warnings than this would not help the reader.
const maxWarnings = 20

// checkConformance compares a badge with the data model of Open Badges 3.0: 1EdTech's JSON schema of the
// AchievementCredential, and step 1 of the verification (section 8.4), which requires an id or an identifier of the
// subject. With Options.Strict, each warning becomes a reason for the verdict invalid.
func (q *inquiry) checkConformance(doc object) {
	c := conformance{}
	c.checkNode("", "AchievementCredential", doc)
	subject := singleObject(doc["credentialSubject"])
	if subject["id"] == nil && len(ld.List(subject["identifier"])) == 0 {
		c.warn("no-recipient", "credentialSubject")
	}
	q.Warnings = c.found
	if len(c.found) == 0 || !q.o.Strict {
		return
	}
	q.note("conformance", "not-conformant", "")
	for _, w := range c.found {
		s := wordsOf("not-conformant")
		q.State = Invalid
		q.Reasons = append(q.Reasons, Reason{s.code, s.fr, s.en, w.Path + ": " + w.Code})
	}
}

// conformance collects the warnings about one badge.
type conformance struct{ found []Warning }

// warn adds a warning for a path, up to maxWarnings.
func (c *conformance) warn(code, path string) {
	if len(c.found) >= maxWarnings {
		return
	}
	for _, w := range warnings {
		if w.code == code {
			c.found = append(c.found, Warning{code, path, w.fr, w.en})
		}
	}
}

// checkNode compares an object with a class of the data model.
func (c *conformance) checkNode(path, name string, o object) {
	class := classNamed(name)
	if typed := class.typ; typed != "" && !hasText(o["type"], typed) ||
		typed == "" && class.typed && len(ld.List(o["type"])) == 0 {
		c.warn("missing-type", childPath(path, "type"))
	}
	for _, p := range class.properties {
		v, at := o[p.name], childPath(path, p.name)
		switch list, isList := v.([]any); {
		case v == nil && p.required:
			c.warn("missing-property", at)
		case v == nil:
		case p.many == always && !isList, p.many == never && isList && len(list) != 1:
			c.warn("wrong-form", at)
		case isList && p.many != never:
			for i, x := range list {
				c.checkValue(at+"["+strconv.Itoa(i)+"]", p, x)
			}
		default:
			c.checkValue(at, p, ld.List(v)[0]) // JSON-LD treats one object and a list of one object alike
		}
	}
}

// childPath returns the path of a property, given the path of its object.
func childPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// checkValue compares one value with the form that its property requires.
func (c *conformance) checkValue(path string, p property, v any) {
	_, isText := v.(string)
	ok := false
	switch p.form {
	case aText:
		ok = isText || p.spoken && hasLanguage(v)
	case aTime:
		s, _ := v.(string)
		_, ok = parseStamp(s)
	case aBool:
		_, ok = v.(bool)
	case aNumber:
		_, ok = v.(json.Number)
	case aNode, aNodeOrAddress:
		o, isNode := v.(object)
		if isNode {
			c.checkNode(path, p.class, o)
		}
		ok = isNode || isText && p.form == aNodeOrAddress
	}
	if !ok {
		c.warn("wrong-form", path)
	}
}

// hasLanguage reports whether a value is a text with a language (Verifiable Credentials Data Model 2.0, section 11.1).
func hasLanguage(v any) bool {
	o, _ := v.(object)
	_, ok := o["@value"].(string)
	return ok
}
