package file

import (
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// defined returns a form that the schema has under $defs.
func defined(name string) form { return form{schema: ref(name)} }

// mappingForm returns the form of a mapping that the schema has under $defs.
func mappingForm(name string) form { return form{schema: ref(name), below: name} }

// inline returns the form of a mapping that the schema repeats wherever the mapping is used.
func inline[T any](t table[T]) form {
	m := t.mapping()
	return form{schema: m.object(), below: t.name}
}

// listForm returns the form of a list of least to most entries. most is 0 if the reader has no upper limit.
func listForm(of form, least, most int) form {
	return form{schema: list(of.schema, least, most), below: of.below}
}

// oneOrList returns the form of one value, or of a list of values that is not empty.
func oneOrList(of form, most int) form { return form{schema: orList(of.schema, most), below: of.below} }

// byID returns the form of a mapping of ids to values of one form.
func byID(of string) form { return form{schema: mapOf(ref(of)), below: of, ids: true} }

// itemsForm returns the form of a mapping of ids to names that panels offer as choices.
func itemsForm() form {
	return form{schema: with(mapOf(ref("name")), "maxProperties", MaxItems), below: "name", ids: true}
}

// patternForm returns the form of a text that matches a regular expression.
func patternForm(pattern string) form {
	return form{schema: thing{"type": "string", "pattern": pattern}}
}

// textForm returns the form of any text.
func textForm() form { return form{schema: thing{"type": "string"}} }

// slugValue reads an id.
func slugValue() value[string] {
	return value[string]{defined("slug"), func(_ *reader, n yamlfile.Node) string { return n.Slug() }}
}

// lineValue reads a name in one language.
func lineValue() value[string] {
	return value[string]{defined("line"), func(_ *reader, n yamlfile.Node) string { return line(n) }}
}

// nameValue reads a name in one or two languages.
func nameValue() value[policy.Text] {
	return value[policy.Text]{mappingForm("name"), (*reader).words}
}

// urlValue reads an id of a credential (see absolute).
func urlValue() value[string] {
	return value[string]{textForm(), func(_ *reader, n yamlfile.Node) string { return absolute(n) }}
}

// badgeRef reads the id of a badge of the file.
func badgeRef() value[policy.BadgeID] {
	return value[policy.BadgeID]{defined("slug"), func(r *reader, n yamlfile.Node) policy.BadgeID {
		return policy.BadgeID(r.badgeIDs.ref(n, "badge"))
	}}
}

// issuerRef reads the id of an issuer of the file.
func issuerRef() value[policy.IssuerID] {
	return value[policy.IssuerID]{defined("slug"), func(r *reader, n yamlfile.Node) policy.IssuerID {
		return policy.IssuerID(r.issuerIDs.ref(n, "issuer"))
	}}
}

// machineRef reads the id of a machine of the file.
func machineRef() value[policy.MachineID] {
	return value[policy.MachineID]{defined("slug"), func(r *reader, n yamlfile.Node) policy.MachineID {
		return policy.MachineID(r.machineIDs.ref(n, "machine"))
	}}
}

// flagValue reads true or false.
func flagValue() value[bool] {
	return value[bool]{form{schema: thing{"type": "boolean"}}, func(_ *reader, n yamlfile.Node) bool { return n.Bool() }}
}

// wholeValue reads a whole number from least to most.
func wholeValue(least, most int) value[int] {
	return value[int]{
		form{schema: thing{"type": "integer", "minimum": least, "maximum": most}},
		func(_ *reader, n yamlfile.Node) int { return n.Int(least, most) },
	}
}

// choice reads one of a few words. For another word it reports a fault and returns "".
func choice(words ...string) value[string] {
	return value[string]{
		form{schema: oneOf(words...)},
		func(_ *reader, n yamlfile.Node) string { return n.OneOf(words...) },
	}
}

// durationValue reads a duration above zero.
func durationValue() value[time.Duration] {
	return value[time.Duration]{defined("duration"), func(_ *reader, n yamlfile.Node) time.Duration { return positive(n) }}
}

// lengthValue reads a duration that may be zero.
func lengthValue() value[time.Duration] {
	return value[time.Duration]{defined("length"), func(_ *reader, n yamlfile.Node) time.Duration { return n.Duration() }}
}

// limitValue reads a duration above zero, or none for no limit.
func limitValue() value[time.Duration] {
	return value[time.Duration]{defined("limit"), func(_ *reader, n yamlfile.Node) time.Duration {
		if n.IsScalar() && n.Str() == "none" {
			return 0
		}
		return positive(n)
	}}
}

// daysValue reads a number of whole days.
func daysValue() value[time.Duration] {
	return value[time.Duration]{
		patternForm(daysForm),
		func(_ *reader, n yamlfile.Node) time.Duration { return wholeDays(n) },
	}
}

// hoursValue reads opening hours.
func hoursValue() value[*policy.Hours] {
	return value[*policy.Hours]{defined("hours"), func(r *reader, n yamlfile.Node) *policy.Hours {
		return hours(n, r.m.Holidays)
	}}
}

// momentValue reads a day or a time, local to the site.
func momentValue() value[time.Time] { return value[time.Time]{defined("moment"), (*reader).moment} }

// minuteValue reads a time, local to the site.
func minuteValue() value[time.Time] { return value[time.Time]{defined("minute"), (*reader).minute} }

// roleValue reads any role.
func roleValue() value[policy.Role] {
	return value[policy.Role]{defined("role"), func(_ *reader, n yamlfile.Node) policy.Role { return role(n) }}
}

// siteRoleValue reads a role that the site uses.
func siteRoleValue() value[policy.Role] {
	return value[policy.Role]{defined("role"), (*reader).siteRole}
}

// siteRolesValue reads a list of roles that the site uses.
func siteRolesValue() value[[]policy.Role] {
	return value[[]policy.Role]{
		listForm(defined("role"), 0, len(policy.Roles())),
		func(r *reader, n yamlfile.Node) (out []policy.Role) {
			for _, x := range entries(n, len(r.siteRoles())) {
				if role := r.siteRole(x); role != policy.NoRole {
					out = append(out, role)
				}
			}
			return out
		},
	}
}

// cardValue reads the strength that a card must prove.
func cardValue() value[policy.CardStrength] {
	return value[policy.CardStrength]{defined("card"), func(_ *reader, n yamlfile.Node) policy.CardStrength {
		out, _ := policy.ParseCardStrength(n.OneOf("number", "aes")) // OneOf has already reported an unknown word
		return out
	}}
}
