package main

import (
	"context"
	"slices"
)

// verb is one command of the tool, such as "policy check".
type verb struct {
	name string // name of one or two words
	args string // arguments in the usage text; flags in brackets are optional, … stands for more flags
	does string // short description for the usage text
	run  func(context.Context, stdio, []string) error
}

// verbs returns all verbs in the order of usage. No name begins with another verb's name and a space.
func verbs() []verb {
	return slices.Concat(
		startVerbs(),
		policyVerbs(),
		badgeVerbs(),
		bundleVerbs(),
		machineVerbs(),
		cardVerbs(),
		memberVerbs(),
		recordVerbs(),
		deviceVerbs(),
		hubVerbs(),
		otherVerbs(),
	)
}

// startVerbs returns the verbs with which a person tries Portillon.
func startVerbs() []verb {
	return []verb{
		{"demo", "[--listen ADDR]", "a hub, three machines and their members, on simulated pins", demoVerb},
	}
}

// policyVerbs returns the verbs that read, test, sign and publish an access policy.
func policyVerbs() []verb {
	return []verb{
		{"policy check", "FILE", "check a policy for faults", policyCheck},
		{"policy test", "FILE", "run the examples in a policy", policyTest},
		{"policy fmt", "FILE [-w]", "write a policy in its canonical form, comments kept", policyFmt},
		{"policy schema", "", "the JSON Schema of a policy file, for editors", policySchema},
		{"policy who", "SITE [--machine M] [--at TIME]", "which members may do what", policyWho},
		{"policy diff", "OLD NEW [--site SITE]", "who gains and who loses what", policyDiff},
		{"policy sign", "SITE|FILE --key FILE [-o FILE]",
			"sign a policy with a separate policy key", policySign},
		{"policy explain", "FILE|SITE --machine M …",
			"a machine's answer to a member, and why: FILE --holds B,B…, SITE --member NAME", policyExplain},
		{"policy draft", "FILE --hub URL …",
			"have the hub check a policy, and show who would gain and lose what", policyDraft},
		{"policy publish", "FILE --of N --comment C --hub URL …", "sign and publish a policy at the hub", policyPublish},
		{"policy back", "--comment C --hub URL …", "publish the policy before the one in force again", policyBack},
		{"policy show", "--hub URL … [--number N]", "the policy in force at the hub", policyShow},
		{"policy versions", "--hub URL …", "the versions of the policy at the hub", policyVersions},
	}
}

// badgeVerbs returns the verbs that issue, verify and revoke Open Badges, and list the badges at the hub.
func badgeVerbs() []verb {
	return []verb{
		{"badge add", "FILE --hub URL … [--member ID]", "add a badge at the hub: JSON, JWT, baked PNG or SVG, ZIP", badgeAdd},
		{"badge list", "MEMBER --hub URL …", "a member's badges at the hub", badgeList},
		{"badge keygen", "-o FILE", "make an issuer's key", badgeKeygen},
		{"badge publish", "--key FILE --issuer ID",
			"what an issuer publishes about its keys: DID document, profile, JWKS", badgePublish},
		{"badge issue", "--key FILE …", "issue an Open Badge 3.0", badgeIssue},
		{"badge verify", "FILE --trust FILE", "verify a badge", badgeVerify},
		{"badge show", "FILE", "print what a badge says, verified or not", badgeShow},
		{"badge bake", "IMAGE --badge FILE -o FILE", "put a badge into a PNG or an SVG", badgeBake},
		{"badge status-list", "--key FILE --id URL -o LIST", "make a status list for the badges you issue", badgeStatusList},
		{"badge revoke", "LIST --key FILE --badge FILE", "revoke badges in your status list", badgeRevoke},
	}
}

// bundleVerbs returns the verbs that sign a site into a bundle, and read bundles.
func bundleVerbs() []verb {
	return []verb{
		{"bundle keygen", "SITE -o FILE", "make the key that signs a site's bundles", bundleKeygen},
		{"bundle build", "SITE --key FILE -o FILE", "verify a site and sign it into a bundle", bundleBuild},
		{"bundle verify", "FILE --pub KEY", "check a bundle as a machine does", bundleVerify},
		{"bundle show", "FILE", "print what a bundle holds, verified or not", bundleShow},
	}
}

// machineVerbs returns the verbs that query and control the daemon of a machine, and manage machines at the hub.
func machineVerbs() []verb {
	return []verb{
		{"machine ports", "", "the pins, buses and readers of this computer, for machine.yaml", machinePorts},
		{"machine status", "--socket FILE",
			"the state of this machine; --hub HUB.yaml: of all machines, as the hub sees them", machineStatus},
		{"machine tap", "--socket FILE CARD", "present a card by its number", machineTap},
		{"machine role", "--socket FILE ROLE", "change to another role of the member", machineRole},
		{"machine tag", "--socket FILE REASON",
			"tag the machine out; --hub FILE|URL --machine ID: through the hub", machineTag},
		{"machine tags", "--hub FILE", "the tags put on at the hub, and why one has not reached its machine", machineTags},
		{"machine untag", "--socket FILE [TAG]", "return the machine to service", machineUntag},
		{"machine replace", "MACHINE --hub FILE",
			"have the hub accept a machine's new journal, and restore tags, hours and practice", machineReplace},
		{"machine stop", "--socket FILE", "end the session; --hub URL --machine ID: through the hub", machineStop},
		{"machine list", "--hub URL …", "the machines of the hub and their state", machinesAtHub},
		{"machine add", "MACHINE --hub URL …", "add a machine to the hub", machineAdd},
		{"machine code", "MACHINE --hub URL …", "make a one-time code to enrol a machine", machineCode},
		{"machine revoke", "MACHINE --reason R --hub URL …", "revoke a machine's certificate and account", machineRevoke},
		{"machine log", "--socket FILE --kind KIND", "log an intervention under the maintainer's tap", machineLog},
	}
}

// cardVerbs returns the verbs that read, assign and personalise RFID cards, and change the site's card key.
func cardVerbs() []verb {
	return []verb{
		{"key show card", "--hub URL …",
			"the state of a change of card key: which cards and machines still need the old key", cardKeyShow},
		{"key rotate card", "--reason R --hub URL …",
			"give the site a new card key, after a machine was lost", cardKeyRotate},
		{"key end card", "--yes --hub URL …", "delete the old card key: cards that still need it stop working", cardKeyEnd},
		{"card taps", "--hub URL …", "the last taps of cards that belong to nobody", cardTaps},
		{"card assign", "MEMBER --tap ID|--number N --hub URL …", "give a card to a member", cardAssign},
		{"card block", "MEMBER CARD --hub URL …", "block a card", cardBlock},
		{"card lost", "MEMBER CARD --hub URL …", "report a card lost", cardLost},
		{"card activate", "MEMBER CARD --hub URL …", "make a blocked or lost card work again", cardActivate},
		{"card find", "CODE --hub HUB.yaml|--socket FILE",
			"where and when the unknown card with this code was tapped", cardFind},
		{"card learn", "MEMBER --site SITE --socket FILE",
			"add the next unknown card that is tapped to a member; --hub HUB.yaml --machine ID: through the hub", cardLearn},
		{"card forms", "NUMBER", "a card's number as other readers give it, and as members.yaml takes it", cardForms},
		{"card keygen", "-o FILE", "make a site's key for cards that prove themselves (AES)", cardKeygen},
		{"card check", "--reader SPEC --key FILE", "have a card prove the site's key and its own number", cardCheck},
		{"card personalise", "--reader SPEC --key FILE", "give a new card the site's keys", cardPersonalise},
		{"reader test", "SPEC|MACHINE.yaml",
			"show what a reader sends, the number in every form, and the lines for the files", readerTest},
	}
}

// memberVerbs returns the verbs that manage the members at the hub.
func memberVerbs() []verb {
	return []verb{
		{"member list", "--hub URL … [--text T] [--machine M]", "the members at the hub", memberList},
		{"member show", "MEMBER --hub URL …", "a member with cards and badges", memberShow},
		{"member add", "NAME [FIELD=VALUE …] --hub URL …", "add a member", memberAdd},
		{"member set", "MEMBER FIELD=VALUE … --hub URL …", "change fields of a member: until=2027-09-30", memberSet},
		{"member import", "FILE --hub URL … [--apply]",
			"what a list of members would change at the hub; --apply changes it", memberImport},
		{"member export", "--hub URL … [--format csv|xlsx|yaml]", "the members as a file", memberExport},
		{"member erase", "MEMBER --yes --hub URL …", "erase a person's data", memberErase},
		{"member add-card", "CODE MEMBER --site SITE --hub HUB.yaml|--socket FILE",
			"add the unknown card with this code to a member of members.yaml", memberAddCard},
	}
}

// recordVerbs returns the verbs that read journals, audit logs, reports and evidence.
func recordVerbs() []verb {
	return []verb{
		{"journal verify", "FILE", "check that a machine's journal is complete and unchanged", journalVerify},
		{"journal salvage", "FILE -o NEW", "write what is left of a damaged journal as a new one", journalSalvage},
		{"journal export", "FILE [--from N]", "print a journal's records, a line of JSON each", journalExport},
		{"audit verify", "FILE --key KEY|FILE",
			"check an exported audit log of a hub against the hub's public key", auditVerify},
		{"report uses", "--from D --to D --hub URL …", "who used what between two days", reportUses},
		{"report weeks", "--from D --to D --hub URL …", "hours by machine and week", reportWeeks},
		{"report refusals", "--from D --to D --hub URL …", "refusals by machine and reason", reportRefusals},
		{"evidence list", "HUB.yaml --site SITE", "every member's progress towards badges earned by work", evidenceList},
		{"evidence show", "HUB.yaml --site SITE --member ID --badge B",
			"which records count, which do not, and why", evidenceShow},
		{"evidence export", "HUB.yaml --site SITE --member ID --badge B -o FILE",
			"a signed file to issue the badge from", evidenceExport},
	}
}

// deviceVerbs returns the verbs that set up a Raspberry Pi, and find its faults.
func deviceVerbs() []verb {
	return []verb{
		{"setup", "[--wiring NAME|FILE] [--machine ID] …",
			"set this Pi up beside a machine, step by step, and test it", setupVerb},
		{"firmware render", "MACHINE.yaml", "the lines of config.txt for this wiring", firmwareRender},
		{"firmware sheet", "MACHINE.yaml [--lang L] [-o FILE]", "the page for this machine's electrician", firmwareSheet},
		{"firmware apply", "MACHINE.yaml [--dry-run] [--yes]",
			"edit config.txt and cmdline.txt for this wiring", firmwareApply},
		{"doctor", "MACHINE.yaml", "find what is wrong with this Pi, and how to repair it", doctorVerb},
	}
}

// hubVerbs returns the verbs that sign in at a hub and configure its broker.
func hubVerbs() []verb {
	return []verb{
		{"hub token", "NAME --hub URL -o FILE",
			"sign in at the hub and make an API token for the verbs with --hub URL", hubToken},
		{"hub mosquitto-conf", "HUB.yaml [-o DIR]", "mosquitto's settings and access list for a site", hubMosquittoConf},
	}
}

// otherVerbs returns the verbs that describe this program.
func otherVerbs() []verb {
	return []verb{
		{"version", "", "the version of this program", versionVerb},
	}
}
