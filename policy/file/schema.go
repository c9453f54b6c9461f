package file

import (
	"encoding/json"
	"maps"

	"portillon/policy"
	"portillon/yamlfile"
)

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. What it cannot say (that a badge is listed,
// that hours can be read) Parse says.
func Schema() []byte {
	s := object(required("portillon", "site", "timezone", "issuers", "badges", "machines"), thing{
		"portillon":    thing{"const": 1, "description": "the version of the file's form"},
		"site":         say("the id of the site, in lower-case letters", ref("slug")),
		"language":     oneOf("the language that badge names are quoted in", "fr", "en"),
		"timezone":     text("a name of the IANA list, as Europe/Paris: all hours are read in it"),
		"bindings":     oneOf("signed: a policy key that machines pin apart also signs members' addresses, cards and restrictions", "signed", "unsigned"),
		"status-grace": say("how long a badge counts whose issuer cannot be asked whether it was withdrawn", ref("duration")),
		"membership":   say("how the end of a membership counts, which members.yaml has as until:", membershipPart()),
		"holidays":     say("what PH means in hours: 2026-12-25, or 12-25 for every year", list(thing{"type": "string", "pattern": holidayForm}, 0, maxHolidays)),
		"issuers":      say("whose badges count, and their keys: a signature by any other key is nobody's", mapOf(ref("issuer"))),
		"badges":       say("the badges that this file names, exactly as issued", mapOf(ref("badge"))),
		"roles":        say("the roles that the site uses, least powerful first", list(ref("role"), 1, len(policy.Roles()))),
		"defaults":     say("what holds wherever a machine or a grant says nothing else", object(nil, with(machineRules(), "session", say("what holds for a session", ref("session"))))),
		"machines":     say("the machines, and who may do what at each", mapOf(ref("machine"))),
		"tests":        say("examples that must hold: portillon policy test runs them", list(ref("test"), 0, 0)),
		"never":        say("what must never be, whoever holds what: portillon policy test looks for a case against each", list(ref("never"), 0, 0)),
		"evidence":     say("what earns the next badge, by work that the machines have recorded", mapOf(ref("evidence"))),
		"panel": say("what the screens beside the machines show", object(nil, thing{
			"names": oneOf("what they call members: first (Léa), initial (Léa M.), full, or letters (L. M.)", "first", "initial", "full", "letters"),
			"look":  oneOf("ink on paper, or paper on ink", "auto", "light", "dark")})),
	})
	s["$schema"], s["title"], s["$defs"] = "https://json-schema.org/draft/2020-12/schema", "Portillon: policy.yaml", defs()
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // our own words
	}
	return append(b, '\n')
}

type thing = map[string]any

func defs() thing {
	out := valueParts()
	for _, more := range []thing{badgeParts(), machineParts(), exampleParts()} {
		maps.Copy(out, more)
	}
	return out
}

// valueParts are the forms of single values. They have no description of their own, for it would take the place of what
// a key says.
func valueParts() thing {
	length := thing{"type": "string", "pattern": yamlfile.DurationForm, "minLength": 1}
	return thing{
		"slug":     thing{"type": "string", "pattern": yamlfile.SlugForm},
		"length":   length,
		"duration": with(maps.Clone(length), "not", thing{"pattern": "^[0dhms]*$"}), // positive
		"limit":    thing{"anyOf": []any{ref("duration"), thing{"const": "none"}}},
		"hours":    thing{"type": "string", "minLength": 1, "maxLength": maxHours},
		"moment":   thing{"type": "string", "pattern": momentForm},
		"minute":   thing{"type": "string", "pattern": minuteForm},
		"role":     oneOf("", roleWords(policy.Roles())...),
		"line":     thing{"type": "string", "pattern": `\S`, "maxLength": maxLine},
		"name": thing{"anyOf": []any{ref("line"), with(object(nil, thing{"fr": say("in French", ref("line")), "en": say("in English", ref("line"))}),
			"minProperties", 1)}},
		"card": oneOf("", "number", "aes"),
	}
}

func object(required []string, properties thing) thing {
	o := thing{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		o["required"] = required
	}
	return o
}

func required(keys ...string) []string { return keys }

// with adds keys and their values, in pairs.
func with(t thing, pairs ...any) thing {
	for i := 0; i+1 < len(pairs); i += 2 {
		t[pairs[i].(string)] = pairs[i+1]
	}
	return t
}

func ref(name string) thing { return thing{"$ref": "#/$defs/" + name} }

// say gives a key its description, which editors show beside it.
func say(what string, t thing) thing { return with(t, "description", what) }

func text(what string) thing { return thing{"type": "string", "description": what} }

func yes(what string) thing { return thing{"type": "boolean", "description": what} }

func whole(what string, least, most int) thing {
	return thing{"type": "integer", "minimum": least, "maximum": most, "description": what}
}

// list is one of at least so many things; most may be 0 where the reader sets no bound.
func list(of thing, least, most int) thing {
	l := thing{"type": "array", "items": of}
	if least > 0 {
		l["minItems"] = least
	}
	if most > 0 {
		l["maxItems"] = most
	}
	return l
}

func orList(of thing, most int) thing { return thing{"anyOf": []any{of, list(of, 1, most)}} }

func mapOf(of thing) thing {
	return thing{"type": "object", "propertyNames": ref("slug"), "additionalProperties": of}
}

// either says that one key of these must stand there.
func either(o thing, keys ...string) thing {
	var forms []any
	for _, k := range keys {
		forms = append(forms, thing{"required": required(k)})
	}
	return with(o, "anyOf", forms)
}

func oneOf(what string, all ...string) thing {
	t := thing{"enum": all}
	if what != "" {
		t["description"] = what
	}
	return t
}

func codeWords() []string {
	var out []string
	for _, c := range policy.Codes() {
		out = append(out, string(c))
	}
	return out
}
