package file

import "portillon/policy"

func badgeParts() thing {
	return thing{
		"issuer": object(required("keys"), thing{
			"name": say("whose it is, for those who read this file", ref("line")),
			"id":   text("issuer.id as it stands in the badges, where it is not the DID of the key"),
			"keys": say("only these count: did:key, did:web, the https address of a profile or a JWKS, or a public key in PEM", list(thing{"type": "string"}, 1, maxKeys)),
			"status-issuers": say("who may sign the status lists of its badges, besides itself: ids of issuers; without it, nobody else",
				list(ref("slug"), 0, maxNamed)),
		}),
		"badge": object(required("name", "issuer", "achievement"), thing{
			"name":        say("as it is quoted to members", ref("name")),
			"issuer":      say("who issues it: an id of issuers", ref("slug")),
			"achievement": text("achievement.id, matched on the path; a query is ignored"),
			"accepts": say("badges of other issuers that count as this one, for learners, users and hosts unless roles: says otherwise",
				list(ref("accept"), 1, maxAccepts)),
		}),
		"accept": object(required("issuer", "achievement"), thing{
			"issuer":      say("who issues it: an id of issuers, whose keys stand there", ref("slug")),
			"achievement": text("achievement.id of that issuer's badge, matched on the path"),
			"with":        say("it counts only with this badge of ours besides: an id of badges", ref("slug")),
			"roles": say("the roles of grants in which it counts, and mentor for whoever answers for a session; without it: learner, user, host",
				orList(ref("role"), len(policy.Roles()))),
		}),
		"need": thing{"anyOf": []any{ref("slug"), object(required("badge"), thing{
			"badge":       say("an id of badges", ref("slug")),
			"within":      say("issued at most so long ago", ref("duration")),
			"used-within": say("the member was at this machine at most so long ago", ref("duration")),
			"hours":       whole("hours at this machine so far", 1, maxNeedHours),
			"assurance":   oneOf("the weakest that counts", "signed", "hosted", "attested")}),
			object(required("all"), thing{"all": say("each of these is needed", list(ref("need"), 1, 0))}),
			object(required("any"), thing{"any": say("one of these is needed", list(ref("need"), 1, 0))})}},
		"evidence": with(object(required("interventions", "kinds"), thing{
			"interventions": whole("how many the member has logged", 1, maxInterventions),
			"kinds":         say("the interventions that count", list(ref("slug"), 1, maxKinds)),
			"within":        say("logged at most so long ago", ref("duration")),
			"spread":        whole("on how many different days, at the site", 1, maxInterventions),
			"endorsed-by":   say("the badge of whoever confirms the work", ref("slug")),
			"endorsed":      oneOf("at-the-time asks them to confirm each intervention at the machine, with their card and a touch", "at-the-time"),
		}), "dependentRequired", thing{"endorsed": required("endorsed-by")}),
	}
}

// machineRules are what a machine may say, and defaults for all of them.
func machineRules() thing {
	return thing{
		"when-idle": oneOf("off stops with the session; finish-job ends what has begun, then stops", "off", "finish-job"),
		"cooldown":  say("how long the extraction runs on after the session; 0s for not at all", ref("length")),
		"mode":      oneOf("warn lets every member in, and records what enforcement would have answered", "enforce", "warn"),
		"card":      say("what a card must prove: its number can be copied, an aes card proves a key", ref("card")),
		"clock": say("what holds after a power cut, before the clock is set", object(required("pass"), thing{
			"pass": say("the rules that are passed over: hours, ages of badges, their ends", list(oneOf("", "hours", "ages", "ends"), 0, len(clockWords)))})),
		"bundle": say("what holds at a machine without news of the site, or any for as if it had them", thing{"anyOf": []any{thing{"const": "any"}, object(required("fresh", "then"), thing{
			"fresh": say("how long after the last news all roles hold", ref("duration")),
			"then":  say("the roles that still hold afterwards: those who look after the machine", list(ref("role"), 0, 5))})}}),
	}
}

func machineParts() thing {
	return thing{
		"session": object(nil, thing{
			"max":    say("the longest session, or none for no limit", ref("limit")),
			"idle":   say("it ends when the machine has done nothing for so long", ref("limit")),
			"warn":   say("so long before the end the panel warns", ref("limit")),
			"extend": say("how much more the panel offers before the end", ref("limit")),
		}),
		"grant": with(object(required("role", "needs"), thing{
			"role":       say("what it gives", ref("role")),
			"needs":      say("the badge that it asks for, or all: or any: of several", ref("need")),
			"supervisor": say("what the mentor holds who taps in and answers for the session", ref("need")),
			"learners":   whole("how many sessions one mentor answers for at most; each machine counts for itself, and has one", 1, maxLearners),
			"hours":      say(`when it holds, as OpenStreetMap writes it: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off"`, ref("hours")),
			"booked":     yes("only for the member who has booked the machine at that time"),
			"quota": say("how much of the machine's time a member may use", with(object(nil, thing{
				"day": say("in a day, at most 24h", ref("duration")), "week": say("in a week", ref("duration"))}), "minProperties", 1)),
			"session": say("the limits of a session; what it does not say is as under defaults", ref("session")),
		}), "dependentRequired", thing{"learners": required("supervisor")}),
		"machine": object(required("name", "grants"), with(machineRules(),
			"name", say("as panels and people call it", ref("name")),
			"grants", say("who may do what, and with which badges", list(ref("grant"), 1, 0)),
			"bookings", say("when the machine is a member's, in the order of time; a booking system may write them", list(ref("booking"), 0, 0)),
			"interventions", say("what is logged at the machine, in the order of the panel's buttons", with(mapOf(ref("name")), "maxProperties", MaxItems)),
			"vouch", say("what a mentor may say, after a session, that the learner did well", with(mapOf(ref("name")), "maxProperties", MaxItems)),
			"maintenance", say("what is due after so much running or so many days", list(ref("upkeep"), 0, maxUpkeep)))),
		"booking": object(required("from", "to", "for"), thing{
			"from": say(`when it begins: "2026-11-24T14:00"`, ref("minute")), "to": say("when it ends", ref("minute")), "for": say("the member's id", ref("slug"))}),
		"upkeep": either(object(required("kind"), thing{
			"kind":  say("an id of interventions", ref("slug")),
			"hours": whole("of running, after which it is due", 1, maxRunning),
			"days":  whole("after which it is due", 1, maxDays),
			"block": yes("the machine is tagged out once it is due, until it is done"),
		}), "hours", "days"),
	}
}

func exampleParts() thing {
	return thing{
		"test": object(required("at", "machine", "holds", "expect"), thing{
			"name":             say("what the example is about", ref("line")),
			"at":               say(`when, at the site: "2026-11-23T10:00"`, ref("moment")),
			"machine":          say("where: an id of machines", ref("slug")),
			"holds":            say("the badges of whoever taps", list(ref("held"), 0, maxHolds)),
			"supervisor-holds": say("the badges of the mentor who has tapped in", list(ref("held"), 0, maxHolds)),
			"last-used":        say("when the member was last at this machine", ref("moment")),
			"logged":           whole("hours of the member at this machine so far", 0, maxRunning),
			"clock":            oneOf("whether the machine's clock is set", "trusted", "untrusted"),
			"tagged":           yes("somebody has tagged the machine out"),
			"fault":            yes("the machine reports a fault"),
			"as":               say("the role that the member has chosen at the panel", ref("role")),
			"member":           say("the member's id, where a booking matters", ref("slug")),
			"until": say("the last day of the member's membership; without it, it has no end",
				thing{"type": "string", "pattern": lastDayForm}),
			"card":       say("what the card proves", ref("card")),
			"card-state": oneOf("what the site says of the card", cardStates...),
			"used": say("time at this machine so far, for quotas", object(nil, thing{
				"day": say("used today", ref("length")), "week": say("used this week", ref("length"))})),
			"answering":  whole("how many learners the mentor answers for already", 0, maxLearners),
			"bundle-age": say("how old the machine's last news are", ref("length")),
			"expect":     oneOf("the answer; await: a second card is wanted", "allow", "deny", "await"),
			"role":       say("the role that the answer gives", ref("role")),
			"because":    oneOf("a reason that the answer gives", codeWords()...),
		}),
		"held": thing{"anyOf": []any{ref("slug"), object(required("badge"), thing{
			"badge":   say("an id of badges", ref("slug")),
			"issuer":  say("it is this issuer's badge that is held, which badge: accepts", ref("slug")),
			"issued":  say("when; without it, at the moment of the question", ref("moment")),
			"expires": say("when it ends; without it, never", ref("moment")),
			"revoked": yes("its issuer has withdrawn it")})}},
		"never": either(object(required("role"), thing{
			"name":    say("what the rule is about", ref("line")),
			"role":    say("nobody may have this role, or one of these", orList(ref("role"), 5)),
			"without": say("without this badge, or all of these", orList(ref("slug"), maxNamed)),
			"on":      say("at this machine, or at these; without it, at all", orList(ref("slug"), maxNamed)),
			"at":      say(`at these hours, as "Mo-Su 23:00-07:00"`, ref("hours")),
			"alone":   yes("only where no mentor answers for the session"),
		}), "without", "at"),
	}
}
