package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"portillon/hub/directory"
	"portillon/openbadge"
	"portillon/policy"
)

// demoSite is the site as its hub has it at one moment.
type demoSite struct {
	policy  *policy.Policy
	members []directory.Member
}

// site reads the policy in force and the members.
func (d *demo) site(ctx context.Context) (s demoSite, err error) {
	if s.policy, err = d.hub.Policy(ctx); err != nil {
		return s, err
	}
	page := directory.Page{Limit: 500}
	for {
		some, next, err := d.hub.Directory().Members.List(ctx, demoActor, directory.Filter{}, page)
		if err != nil {
			return s, err
		}
		if s.members = append(s.members, some...); next == "" {
			return s, nil
		}
		page.After = next
	}
}

// name is what the demo's page calls a member.
func (s demoSite) name(id policy.MemberID) string {
	if m, ok := s.member(id); ok {
		return m.Name
	}
	return string(id)
}

func (s demoSite) member(id policy.MemberID) (directory.Member, bool) {
	i := slices.IndexFunc(s.members, func(m directory.Member) bool { return m.ID == id })
	if i < 0 {
		return directory.Member{}, false
	}
	return s.members[i], true
}

// stranger is the id of the button with a card that nobody has.
const stranger policy.MemberID = "stranger"

// strangerCard is the number of the nth unknown card that is tapped. Once one is given to a member, the next is.
func strangerCard(n int) string { return fmt.Sprintf("FFFFFF%02X", n) }

// maxStrangers bounds how many unknown cards a demo has.
const maxStrangers = 200

// numberOf is what a reader would read of a member's card: the first that has a number. Of a card that was assigned
// at the hub the hub knows the HMAC alone, and it is one of those that the demo tapped. Empty: the member has none.
func (d *demo) numberOf(m directory.Member) string {
	for _, c := range m.Cards {
		hash, assigned := strings.CutPrefix(c.Number, "hmac:")
		if !assigned {
			return c.Number
		}
		for n := range maxStrangers {
			if d.hashOf(strangerCard(n)) == hash {
				return strangerCard(n)
			}
		}
	}
	return ""
}

// unknownNumber is the number of the first unknown card that no member has.
func (d *demo) unknownNumber(s demoSite) string {
	known := map[string]bool{}
	for _, m := range s.members {
		for _, c := range m.Cards {
			known[strings.TrimPrefix(c.Number, "hmac:")] = true
		}
	}
	for n := range maxStrangers {
		if number := strangerCard(n); !known[number] && !known[d.hashOf(number)] {
			return number
		}
	}
	return strangerCard(maxStrangers)
}

// hashOf is a card's number as the hub keeps it of a card that was assigned: HMAC-SHA-256 under the site's card key.
func (d *demo) hashOf(number string) string {
	b, err := hex.DecodeString(number)
	if err != nil {
		return ""
	}
	h := hmac.New(sha256.New, d.cardKey)
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

// cards are the buttons of the demo's page, the unknown card last.
func (d *demo) cards(s demoSite) (out []demoCard) {
	for _, m := range s.members {
		out = append(out, demoCard{ID: m.ID, Name: m.Name, Badges: s.badgesOf(m), Card: d.numberOf(m) != ""})
	}
	unknown := policy.Text{FR: "Carte inconnue", EN: "Unknown card"}
	return append(out, demoCard{ID: stranger, Name: "?", Badges: unknown, Card: true})
}

// badgesOf is what stands on a member's card in the demo: the badges that count as one of the policy's, and what has
// become of them.
func (s demoSite) badgesOf(m directory.Member) policy.Text {
	var fr, en []string
	for _, b := range m.Badges {
		badge, ok := s.policy.Badge(b.Local)
		if !ok {
			continue
		}
		a, z := badgeState(b)
		fr, en = append(fr, badge.Name.FR+a), append(en, badge.Name.EN+z)
	}
	if len(fr) == 0 {
		return policy.Text{FR: "aucun badge", EN: "no badge"}
	}
	return policy.Text{FR: strings.Join(fr, " · "), EN: strings.Join(en, " · ")}
}

// badgeState says what stands behind the name of a badge that does not count.
func badgeState(b directory.Badge) (fr, en string) {
	if b.Verdict == openbadge.Valid.String() {
		return "", ""
	}
	for _, c := range b.Checks {
		switch c.Outcome {
		case "expired":
			return " (expiré)", " (expired)"
		case "revoked":
			return " (retiré)", " (revoked)"
		}
	}
	return " (ne compte pas)", " (does not count)"
}
