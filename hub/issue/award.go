package issue

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// Award is the decision to issue a badge to members.
type Award struct {
	Badge   policy.BadgeID    `json:"badge"`
	Members []policy.MemberID `json:"members"`
	Why     string            `json:"why"` // reason of the decision, which stays at the hub
	// Evidence becomes part of the badges, so that everybody who sees a badge can read it.
	Evidence Evidence  `json:"evidence,omitzero"`
	Until    time.Time `json:"until,omitzero"` // end of validity; zero: the badges have no end
}

// Evidence describes how members earned a badge.
type Evidence struct {
	Text string   `json:"text,omitempty"`
	URLs []string `json:"urls,omitempty"`
}

// Award issues a badge to members: to all of them or, with an error, to none. The actor needs actor.AwardBadges. The
// error is *fault.Invalid with all faults if a member cannot receive the badge.
func (s *Service) Award(ctx context.Context, a actor.Actor, w Award) ([]Issued, error) {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return nil, err
	}
	c, is, err := s.classes.find(ctx, w.Badge)
	if err != nil {
		return nil, err
	}
	now := s.o.now()
	if err := w.tidy(now); err != nil {
		return nil, err
	}
	recipients, err := s.recipients(ctx, w)
	if err != nil {
		return nil, err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	list, err := s.lists.open(ctx, is.Profile, len(recipients))
	if err != nil {
		return nil, err
	}
	ch := Change{Lists: map[string][]byte{list.draft.ID: list.data}}
	if ch.Documents, err = s.documents(ctx); err != nil {
		return nil, err
	}
	var out []Issued
	for _, r := range recipients {
		n := Issued{ID: newID(), Badge: w.Badge, Member: r.ID, Why: w.Why, Evidence: w.Evidence, At: now, Until: w.Until,
			By: a.Name, Entry: Entry{List: list.number}, Undoable: true}
		if n.Entry.Index, err = list.reserve(n.ID); err != nil {
			return nil, err
		}
		data, err := s.sign(n, r, c, is, list)
		if err != nil {
			return nil, fmt.Errorf("badge %s cannot be signed: %w", w.Badge, err)
		}
		sum := sha256.Sum256(data)
		n.Credential = hex.EncodeToString(sum[:])
		ch.Add = append(ch.Add, Credential{Member: r.ID, ID: n.Credential, Name: string(w.Badge) + "-" + n.ID, Data: data})
		out = append(out, n)
	}
	err = s.o.Apply(ctx, a, ch, func(tx *store.Tx) (string, error) {
		for i := range out {
			if err := out[i].insert(ctx, tx, a.Member, ch.Add[i].Data); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("badge %s issued to %d members", w.Badge, len(out)), list.save(ctx, tx, now)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// tidy removes spaces and repeated members, and returns *fault.Invalid with all faults of the decision.
func (w *Award) tidy(now time.Time) error {
	w.Why, w.Evidence.Text = strings.TrimSpace(w.Why), strings.TrimSpace(w.Evidence.Text)
	w.Members = slices.Clone(w.Members)
	slices.Sort(w.Members)
	w.Members = slices.Compact(w.Members)
	var faults []fault.Field
	if n := len(w.Members); n == 0 {
		faults = append(faults, fault.Field{Field: "members", Wrong: "no member was chosen"})
	} else if n > maxAtOnce {
		faults = append(faults, fault.Field{Field: "members", Wrong: fmt.Sprintf("%d members", n),
			Right: fmt.Sprintf("at most %d", maxAtOnce)})
	}
	if w.Why == "" {
		faults = append(faults, fault.Field{Field: "why", Wrong: "a reason is needed",
			Right: fmt.Sprintf("1 to %d bytes", maxWhy)})
	}
	faults = append(faults, checkText("why", w.Why, maxWhy)...)
	faults = append(faults, checkText("evidence", w.Evidence.Text, maxText)...)
	if n := len(w.Evidence.URLs); n > maxURLs {
		faults = append(faults, fault.Field{Field: "urls", Wrong: fmt.Sprintf("%d web addresses", n),
			Right: fmt.Sprintf("at most %d", maxURLs)})
	} else {
		for _, u := range w.Evidence.URLs {
			faults = append(faults, checkURL("urls", u)...)
		}
	}
	w.Until = w.Until.UTC().Truncate(time.Second)
	if !w.Until.IsZero() && (!w.Until.After(now) || w.Until.After(now.AddDate(maxYears, 0, 0))) {
		faults = append(faults, fault.Field{Field: "until", Given: w.Until.Format(time.DateOnly),
			Wrong: "the end of validity is in the past or too far away",
			Right: fmt.Sprintf("a day within %d years", maxYears)})
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	return nil
}

// checkURL returns the faults of an address.
func checkURL(field, text string) []fault.Field {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(text) > maxURL {
		return []fault.Field{{Field: field, Given: clip(text, 200), Wrong: "not an https address", Right: "https://…"}}
	}
	return nil
}

// recipients returns the members who receive the badge. The error is *fault.Invalid with a fault for each member who
// cannot receive it.
func (s *Service) recipients(ctx context.Context, w Award) (out []Recipient, err error) {
	faults := &fault.Invalid{}
	for _, id := range w.Members {
		r, err := s.o.Recipient(ctx, id)
		if err != nil {
			return nil, err
		}
		wrong, right := "", ""
		switch {
		case r.Blocked:
			wrong = "the member is suspended"
		case slices.Contains(r.Valid, w.Badge):
			wrong = "the member has this badge already"
		case r.Email == "" && r.Subject == "":
			wrong = "the member has no e-mail address to which the badge could be issued"
			right = "add an address, or a subject, to the member"
		}
		if wrong != "" {
			faults.Faults = append(faults.Faults, fault.Field{Field: "members", Given: r.Name, Wrong: wrong, Right: right})
		}
		out = append(out, r)
	}
	if len(faults.Faults) > 0 {
		return nil, faults
	}
	return out, nil
}

// sign signs a badge: as JSON or, with an RSA key, as a VC-JWT.
func (s *Service) sign(n Issued, r Recipient, c class, is *policy.Issuer, list *list) ([]byte, error) {
	d := openbadge.Draft{
		ID:         s.o.addresses().badge(n.ID),
		IssuerID:   is.Profile,
		IssuerName: is.Name,
		Achievement: openbadge.Achievement{ID: c.achievement, Name: c.Name, Description: c.Description,
			Criteria: c.Criteria, Image: s.o.addresses().picture(c.ID), Alignments: c.Alignments},
		Email:      r.Email,
		Subject:    r.Subject,
		ValidFrom:  n.At,
		ValidUntil: n.Until,
		Statuses:   []openbadge.StatusEntry{list.draft.Entry(n.Entry.Index)},
	}
	if n.Evidence.Text != "" {
		d.Evidence = append(d.Evidence, openbadge.Evidence{Narrative: n.Evidence.Text})
	}
	for _, u := range n.Evidence.URLs {
		d.Evidence = append(d.Evidence, openbadge.Evidence{ID: u})
	}
	if s.o.Key.DID() == "" {
		return openbadge.IssueJWT(d, s.o.Key)
	}
	return openbadge.IssueJSON(d, s.o.Key, n.At)
}

// newID returns a new id of an issued badge: 80 random bits, so that nobody can guess an address of a badge.
func newID() string {
	b := make([]byte, 10)
	rand.Read(b) // crypto/rand.Read never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// insert writes the row of a new badge. member is the member who decided; empty: who decided is no member.
func (n *Issued) insert(ctx context.Context, tx *store.Tx, member policy.MemberID, data []byte) error {
	evidence, err := json.Marshal(n.Evidence)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO issue_badge (site, id, badge, member, credential, data, decided_by, decided_member,
		why, evidence, issued, expires, list, entry) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		n.ID, string(n.Badge), string(n.Member), n.Credential, data, n.By, string(member), n.Why, string(evidence),
		millis(n.At), millis(n.Until), int64(n.Entry.List), int64(n.Entry.Index))
	return err
}
