package directory

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	"portillon/rfid"
	"portillon/site"
)

// hmacPrefix is the prefix of the stored number of a card that was enrolled by its code: the hub knows only the HMAC
// of such a card's number (see package site).
const hmacPrefix = "hmac:"

// Cards assigns cards to members, and lists the cards of all members.
type Cards struct {
	core *core
}

// AddCard assigns a card to a member. The number has a form that rfid.ParseCard accepts, or is "hmac:" followed by 64
// digits. Of the other fields, AddCard uses only State (empty: active) and Note. The actor needs actor.WriteCards about
// this member. The error is *fault.Invalid if the number cannot be parsed or a member already has the card.
func (s *Cards) AddCard(ctx context.Context, a actor.Actor, id policy.MemberID, card Card) (Card, error) {
	if err := a.May(actor.WriteCards, about(id)); err != nil {
		return Card{}, err
	}
	if err := parseCard(&card); err != nil {
		return Card{}, err
	}
	err := s.core.write(ctx, a, actor.WriteCards, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		card.Since = c.now.UTC().Truncate(time.Millisecond)
		if err := c.addCard(ctx, r, &card); err != nil {
			return "", "", err
		}
		return auditName(id), "card added", c.save(ctx, r)
	})
	if err != nil {
		return Card{}, err
	}
	return card, nil
}

// parseCard parses a card's number as a person typed it, and sets the fields of the card. The faults do not quote the
// number, because anyone who knows the number can copy the card.
func parseCard(c *Card) error {
	var faults []fault.Field
	number, part, err := site.ParseCardEntry(c.Number)
	if err != nil {
		faults = append(faults, fault.Field{Field: "number", Wrong: err.Error(), Right: rfid.CardFormats})
	}
	if c.State == "" {
		c.State = Active
	}
	if f, ok := checkState(c.State); !ok {
		faults = append(faults, f)
	}
	if utf8.RuneCountInString(c.Note) > maxNote || !isPlain(c.Note) {
		faults = append(faults, fault.Field{Field: "note", Wrong: "the note is too long, or has control characters",
			Right: "at most 4000 characters"})
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	c.Number, c.Part, c.Last = number, part, lastDigits(number)
	return nil
}

// checkState reports whether s is a state of a card. If s is not a state of a card, checkState returns the fault.
func checkState(s CardState) (fault.Field, bool) {
	if slices.Contains([]CardState{Active, Lost, Blocked, Replaced}, s) {
		return fault.Field{}, true
	}
	return fault.Field{Field: "state", Given: clip(string(s), 100), Wrong: "unknown state",
		Right: "active, lost, blocked or replaced"}, false
}

// addCard writes a card of a member. addCard returns an error if a member already has the card, or if the member has
// too many cards.
func (c *change) addCard(ctx context.Context, r *record, card *Card) error {
	if len(r.Cards) >= maxCards {
		return &fault.Invalid{Faults: []fault.Field{{Field: "number", Wrong: fmt.Sprintf("the member has %d cards",
			len(r.Cards)),
			Right: fmt.Sprintf("at most %d: remove old ones", maxCards)}}}
	}
	owner, err := c.ownerOf(ctx, card.Number)
	if err != nil {
		return err
	}
	if owner != "" {
		return &fault.Invalid{Faults: []fault.Field{{Field: "number",
			Wrong: "the card belongs to a member already: " + string(owner),
			Right: "a card that nobody has"}}}
	}
	card.ID = newID("c-")
	r.Cards = append(r.Cards, *card)
	return c.insertCard(ctx, r.ID, card)
}

// insertCard writes the row of a card, after the member's other cards.
func (c *change) insertCard(ctx context.Context, id policy.MemberID, card *Card) error {
	_, err := c.Exec(ctx, `INSERT INTO card (site, id, member, place, number, part, state, since, note)
		VALUES ($1, $2, $3, (SELECT COALESCE(MAX(place), 0) + 1 FROM card WHERE site = $1 AND member = $3), $4, $5, $6,
			$7, $8)`,
		card.ID, string(id), card.Number, toInt(card.Part), string(card.State), millis(card.Since), card.Note)
	return err
}

// ownerOf returns the member who has a card; empty: no member. If the hub has the card key, ownerOf also finds a card
// that is stored as an HMAC by its number, and a card that is stored as a number by its HMAC. To find a number by its
// HMAC, ownerOf calculates the HMAC of each card, which takes some milliseconds for 10,000 cards.
func (c *change) ownerOf(ctx context.Context, number string) (policy.MemberID, error) {
	h := c.core.hashing
	owner, err := c.ownerOfNumber(ctx, number)
	if err != nil || owner != "" || h.hash == nil {
		return owner, err
	}
	hash, enrolled := strings.CutPrefix(number, hmacPrefix)
	if !enrolled {
		b, err := hex.DecodeString(number)
		if err != nil {
			return "", err
		}
		// number is a card number: search its HMAC under the current card key, then under the previous key.
		owner, err = c.ownerOfNumber(ctx, hmacPrefix+h.hash(b))
		if err != nil || owner != "" || h.oldMark() == "" {
			return owner, err
		}
		return c.ownerOfNumber(ctx, hmacPrefix+h.oldHash(b))
	}
	// number is an HMAC: search a card whose number has this HMAC.
	rows, err := c.Query(ctx, `SELECT member, number FROM card WHERE site = $1`)
	err = forEachRow(rows, err, func(rows *sql.Rows) error {
		var id, other string
		if err := rows.Scan(&id, &other); err != nil {
			return err
		}
		b, err := hex.DecodeString(other)
		if err == nil && (h.hash(b) == hash || h.oldMark() != "" && h.oldHash(b) == hash) {
			owner = policy.MemberID(id)
		}
		return nil
	})
	return owner, err
}

// ownerOfNumber returns the member who has the card that is stored with exactly this number; empty: no member.
func (c *change) ownerOfNumber(ctx context.Context, number string) (owner policy.MemberID, err error) {
	rows, err := c.Query(ctx, `SELECT member FROM card WHERE site = $1 AND number = $2`, number)
	err = forEachRow(rows, err, func(rows *sql.Rows) error { return rows.Scan(&owner) })
	return owner, err
}

// SetCard changes the state and the note of a member's card. Without actor.ReadNotes, an actor cannot change an
// existing note, but may write a note if the card has none. The actor needs actor.WriteCards about this member. The
// error is *fault.NotFound if the member has no such card.
func (s *Cards) SetCard(ctx context.Context, a actor.Actor, id policy.MemberID, cardID string, state CardState,
	note string) error {
	if err := a.May(actor.WriteCards, about(id)); err != nil {
		return err
	}
	if f, ok := checkState(state); !ok {
		return &fault.Invalid{Faults: []fault.Field{f}}
	}
	if utf8.RuneCountInString(note) > maxNote || !isPlain(note) {
		return &fault.Invalid{Faults: []fault.Field{{Field: "note",
			Wrong: "the note is too long, or has control characters", Right: "at most 4000 characters"}}}
	}
	return s.core.write(ctx, a, actor.WriteCards, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		at := slices.IndexFunc(r.Cards, func(x Card) bool { return x.ID == cardID })
		if at < 0 {
			return "", "", &fault.NotFound{What: "card", ID: clip(cardID, 64)}
		}
		card := &r.Cards[at]
		if state != card.State {
			card.Since = c.now
		}
		// If the actor may not see notes, keep the existing note.
		if err := a.May(actor.ReadNotes, about(id)); err != nil {
			if note != "" && card.Note != "" && note != card.Note {
				return "", "", err
			}
			note = cmp.Or(note, card.Note)
		}
		_, err = c.Exec(ctx, `UPDATE card SET state = $4, since = $5, note = $6 WHERE site = $1 AND member = $2 AND id = $3`,
			string(id), cardID, string(state), millis(card.Since), note)
		if err != nil {
			return "", "", err
		}
		return auditName(id), fmt.Sprintf("card %s is %s", cardID, state), c.save(ctx, r)
	})
}

// RemoveCard removes a card from a member. A removed card is unknown to the site, so that an administrator can assign
// the card to another member. If a stranger may have the card, callers should set the card's state to lost instead.
// The actor needs actor.WriteCards about this member.
func (s *Cards) RemoveCard(ctx context.Context, a actor.Actor, id policy.MemberID, cardID string) error {
	if err := a.May(actor.WriteCards, about(id)); err != nil {
		return err
	}
	return s.core.write(ctx, a, actor.WriteCards, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		if !slices.ContainsFunc(r.Cards, func(x Card) bool { return x.ID == cardID }) {
			return "", "", &fault.NotFound{What: "card", ID: clip(cardID, 64)}
		}
		if _, err := c.Exec(ctx, `DELETE FROM card WHERE site = $1 AND member = $2 AND id = $3`, string(id),
			cardID); err != nil {
			return "", "", err
		}
		return auditName(id), fmt.Sprintf("card %s removed", cardID), c.save(ctx, r)
	})
}
