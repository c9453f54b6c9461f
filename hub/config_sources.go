package hub

import (
	"time"

	"portillon/hub/memberlist"
	"portillon/hub/membersource"
	"portillon/policy"
	"portillon/yamlfile"
)

// SourceConfig is a list of members that the hub fetches from another program every night.
//
//	sources:
//	  helloasso:                          # name of the list; members keep the name of the list that added them
//	    kind: helloasso                   # or fab-manager, membermatters
//	    organization: fablab-brest        # HelloAsso: as in the address of the form
//	    form: adhesion-2026
//	    client-id: 9fdc2222
//	    until: 2027-08-31                 # last day of the memberships: HelloAsso and MemberMatters have none
//	    secret-file: helloasso.secret     # the client secret, the token or the API key, on the first line
//	    at: "03:30"                       # local time of the nightly run
//	    may-lose: 2                       # members who may lose access in one night without an administrator; 0
//	  atelier:
//	    kind: membermatters
//	    url: https://members.lab.example
//	    private: true                     # the program has a private address, on the site's own network
//	    cards: dec                        # import card numbers, written in decimal (or hex); else they are left out
//	    secret-file: members.secret
type SourceConfig struct {
	Name         string
	From         membersource.Config
	Until        policy.Date
	Hour, Minute int
	MayLose      int
}

// maxSources limits the lists of a site.
const maxSources = 10

// sources parses the key sources.
func (p parser) sources(n yamlfile.Node) (out []SourceConfig) {
	if !n.Present() {
		return nil
	}
	for _, e := range n.Pairs() {
		e.KeyNode.Slug()
		out = append(out, p.source(e.Key, e.Value.Required()))
	}
	if len(out) > maxSources {
		n.Fault("", "%d sources, at most %d", len(out), maxSources)
	}
	return out
}

// source parses one list.
func (p parser) source(name string, n yamlfile.Node) SourceConfig {
	n.Only("kind", "url", "private", "organization", "form", "client-id", "secret-file", "cards", "until", "at",
		"may-lose")
	kinds := make([]string, 0, 3)
	for _, k := range membersource.Kinds() {
		kinds = append(kinds, string(k))
	}
	kind := memberlist.Program(n.Get("kind").Required().OneOf(kinds...))
	c := SourceConfig{Name: name, Hour: 3, Minute: 30, From: membersource.Config{Kind: kind,
		URL:          n.Get("url").Str(),
		SecretFile:   p.file(n.Get("secret-file").Required()),
		Organization: n.Get("organization").Str(),
		Form:         n.Get("form").Str(),
		ClientID:     n.Get("client-id").Str(),
		Cards:        n.Get("cards").Str(),
	}}
	if n.Get("private").Present() {
		c.From.Private = n.Get("private").Bool()
	}
	if n.Get("may-lose").Present() {
		c.MayLose = n.Get("may-lose").Int(0, 10_000)
	}
	if at := n.Get("at"); at.Present() {
		t, err := time.Parse("15:04", at.Str())
		if err != nil {
			at.Fault(`a time as "03:30"`, "%.40q is no time of day", at.Str())
		}
		c.Hour, c.Minute = t.Hour(), t.Minute()
	}
	if until := n.Get("until"); until.Present() || kind == memberlist.HelloAsso {
		var err error
		if c.Until, err = policy.ParseDate(until.Required().Str()); err != nil && until.Present() {
			until.Fault("a day as 2027-08-31", "%.40q is no day", until.Str())
		}
	}
	if err := c.From.Check(); err != nil && kind != "" && c.From.SecretFile != "" {
		n.Fault("", "%v", err)
	}
	return c
}
