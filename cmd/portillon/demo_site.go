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

// demoSite is a snapshot of the site's policy and members at the hub.
type demoSite struct {
	policy  *policy.Policy     // the policy in force
	members []directory.Member // all members, in the hub's order
}

// site reads the policy in force and all members from the hub.
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

// name returns a member's name, or the id of an unknown member.
func (s demoSite) name(id policy.MemberID) string {
	if m, ok := s.member(id); ok {
		return m.Name
	}
	return string(id)
}

// member finds a member by id.
func (s demoSite) member(id policy.MemberID) (directory.Member, bool) {
	i := slices.IndexFunc(s.members, func(m directory.Member) bool { return m.ID == id })
	if i < 0 {
		return directory.Member{}, false
	}
	return s.members[i], true
}

// stranger is the id of the button that presents an unknown card.
const stranger policy.MemberID = "stranger"

// strangerCard returns the number of unknown card n. Once that card is assigned to a member, the button presents the
// next unknown card.
func strangerCard(n int) string { return fmt.Sprintf("FFFFFF%02X", n) }

// maxStrangers is the maximum number of unknown cards of a demo.
const maxStrangers = 200

// numberOf returns the number of a member's first card, or "" if the member has no card. If somebody has assigned a
// card at the hub by its tap, the hub stores only the HMAC of the card's number. Such a card must be one of the demo's
// unknown cards, so numberOf compares the HMAC with the HMACs of the unknown cards.
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

// unknownNumber returns the number of the first unknown card that is not assigned to a member.
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

// hashOf returns the hash of a card's number that the hub stores: HMAC-SHA-256 under the site's card key.
func (d *demo) hashOf(number string) string {
	b, err := hex.DecodeString(number)
	if err != nil {
		return ""
	}
	h := hmac.New(sha256.New, d.cardKey)
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

// cards returns a button for each member's card, and last a button for the unknown card.
func (d *demo) cards(s demoSite) (out []demoCard) {
	for _, m := range s.members {
		out = append(out, demoCard{ID: m.ID, Name: m.Name, Badges: s.badgesOf(m), Card: d.numberOf(m) != ""})
	}
	unknown := policy.Text{FR: "Carte inconnue", EN: "Unknown card"}
	return append(out, demoCard{ID: stranger, Name: "?", Badges: unknown, Card: true})
}

// badgesOf lists those of a member's badges that the policy names, and says for each unusable badge what is wrong.
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

// badgeState returns the text that follows the name of an unusable badge, such as that it has expired.
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
