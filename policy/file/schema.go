package file

import (
	"encoding/json"

	"portillon/policy"
)

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. What it cannot say (that a badge is listed, that hours can
// be read) Parse says.
func Schema() []byte {
	s := thing{"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Portillon: policy.yaml", "$defs": defs()}
	for k, v := range object(required("portillon", "site", "timezone", "issuers", "badges", "machines"), thing{
		"portillon":    thing{"const": 1, "description": "the version of the file's form"},
		"site":         ref("slug"),
		"language":     oneOf("the language that badge names are quoted in", "fr", "en"),
		"timezone":     text("a name of the IANA list, as Europe/Paris: all hours are read in it"),
		"status-grace": ref("duration"),
		"holidays":     list(thing{"type": "string", "pattern": `^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$`, "description": "2026-12-25, or 12-25 for every year: what PH means in hours"}),
		"issuers":      mapOf(ref("issuer")),
		"badges":       mapOf(ref("badge")),
		"roles":        list(ref("role")),
		"defaults":     object(nil, with(machineRules(), "session", ref("session"))),
		"machines":     mapOf(ref("machine")),
		"tests":        list(ref("test")),
		"never":        list(ref("never")),
		"evidence":     mapOf(ref("evidence")),
		"panel": object(nil, thing{"names": oneOf("how much of members' names the panels show", "first", "initial", "full", "letters"),
			"look": oneOf("ink on paper, or paper on ink", "auto", "light", "dark")}),
	}) {
		s[k] = v
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // our own words
	}
	return append(b, '\n')
}

type thing = map[string]any

func defs() thing {
	return thing{
		"slug":     thing{"type": "string", "pattern": "^[a-z0-9-]{1,64}$"},
		"duration": thing{"type": "string", "pattern": `^([0-9]+[dhms])+$`, "description": "a length of time: 90s, 10m, 2h, 180d"},
		"limit":    thing{"anyOf": []any{ref("duration"), thing{"const": "none"}}},
		"hours":    text(`OpenStreetMap's opening_hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off"`),
		"moment":   text(`at the site: "2026-11-23T10:00"`),
		"role":     oneOf("least powerful first", roleWords(policy.Roles())...),
		"name":     thing{"anyOf": []any{thing{"type": "string"}, object(nil, thing{"fr": thing{"type": "string"}, "en": thing{"type": "string"}})}},
		"issuer":   object(required("keys"), thing{"name": thing{"type": "string"}, "id": text("issuer.id as it stands in the badges"), "keys": list(thing{"type": "string"})}),
		"badge": object(required("name", "issuer", "achievement"), thing{"name": ref("name"), "issuer": ref("slug"),
			"achievement": text("achievement.id; matched without its query")}),
		"need": thing{"anyOf": []any{ref("slug"), object(required("badge"), thing{"badge": ref("slug"), "within": ref("duration"), "used-within": ref("duration"),
			"hours": thing{"type": "integer", "minimum": 1}, "assurance": oneOf("the weakest that counts", "signed", "hosted", "attested")}),
			object(required("all"), thing{"all": list(ref("need"))}), object(required("any"), thing{"any": list(ref("need"))})}},
		"session": object(nil, thing{"max": ref("limit"), "idle": ref("limit"), "warn": ref("limit"), "extend": ref("limit")}),
		"grant": object(required("role", "needs"), thing{"role": ref("role"), "needs": ref("need"), "supervisor": ref("need"), "learners": thing{"type": "integer", "minimum": 1, "description": "how many sessions a supervisor may answer for at this machine: each machine counts for itself and has one at a time, so it stops nobody yet"},
			"hours": ref("hours"), "booked": thing{"type": "boolean"}, "quota": object(nil, thing{"day": ref("duration"), "week": ref("duration")}), "session": ref("session")}),
		"machine": object(required("name", "grants"), with(machineRules(), "name", ref("name"), "grants", list(ref("grant")), "bookings",
			list(object(required("from", "to", "for"), thing{"from": ref("moment"), "to": ref("moment"), "for": ref("slug")})),
			"interventions", mapOf(ref("name")), "vouch", mapOf(ref("name")), "maintenance", list(ref("upkeep")))),
		"upkeep": object(required("kind"), thing{"kind": ref("slug"), "hours": thing{"type": "integer", "minimum": 1, "description": "of running"},
			"days": thing{"type": "integer", "minimum": 1}, "block": thing{"type": "boolean", "description": "tag the machine out once it is due"}}),
		"test": object(required("at", "machine", "holds", "expect"), thing{"name": thing{"type": "string"}, "at": ref("moment"), "machine": ref("slug"), "holds": list(ref("held")),
			"supervisor-holds": list(ref("held")), "last-used": ref("moment"), "logged": thing{"type": "integer"}, "clock": oneOf("", "trusted", "untrusted"),
			"tagged": thing{"type": "boolean"}, "fault": thing{"type": "boolean"}, "as": ref("role"), "member": ref("slug"), "card": ref("card"),
			"used":      object(nil, thing{"day": ref("duration"), "week": ref("duration")}),
			"answering": thing{"type": "integer"}, "bundle-age": ref("duration"), "expect": oneOf("", "allow", "deny", "await"), "role": ref("role"),
			"because": oneOf("", codeWords()...)}),
		"held": thing{"anyOf": []any{ref("slug"), object(required("badge"), thing{"badge": ref("slug"), "issued": ref("moment"), "expires": ref("moment"), "revoked": thing{"type": "boolean"}})}},
		"card": oneOf("what a card must prove: its number can be copied", "number", "aes"),
		"never": object(required("role"), thing{"name": thing{"type": "string"}, "role": orList(ref("role")), "without": orList(ref("slug")), "on": orList(ref("slug")), "at": ref("hours"),
			"alone": thing{"type": "boolean"}}),
		"evidence": object(required("interventions", "kinds"), thing{"interventions": thing{"type": "integer", "minimum": 1}, "kinds": list(ref("slug")), "within": ref("duration"),
			"endorsed-by": ref("slug")}),
	}
}

// machineRules are what a machine may say, and defaults for all of them.
func machineRules() thing {
	return thing{"when-idle": oneOf("busy machines finish the job, or stop with the session", "off", "finish-job"), "cooldown": ref("duration"),
		"mode": oneOf("warn lets every member in, and records what enforcement would have answered", "enforce", "warn"), "card": ref("card"),
		"clock":  object(required("pass"), thing{"pass": list(oneOf("rules that are passed over while the clock is not trusted", "hours", "ages", "ends"))}),
		"bundle": thing{"anyOf": []any{thing{"const": "any"}, object(required("fresh", "then"), thing{"fresh": ref("duration"), "then": list(ref("role"))})}}}
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

func text(what string) thing { return thing{"type": "string", "description": what} }

func list(of thing) thing { return thing{"type": "array", "items": of} }

func orList(of thing) thing { return thing{"anyOf": []any{of, list(of)}} }

func mapOf(of thing) thing {
	return thing{"type": "object", "propertyNames": ref("slug"), "additionalProperties": of}
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
