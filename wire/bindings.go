package wire

import (
	"fmt"
	"slices"
	"strings"
)

const bindingsPrefix = "bindings/"

// BindingsChunk returns the name of a bucket's chunk of bindings.
func BindingsChunk(b int) string { return fmt.Sprintf("%s%02x", bindingsPrefix, b) }

// IsBindingsChunk reports whether a chunk of this name holds bindings.
func IsBindingsChunk(name string) bool { return strings.HasPrefix(name, bindingsPrefix) }

// Binding is the part of a member that the policy key signs if the policy has «bindings: signed». A Binding contains
// the fields that assign badges to a member (addresses, subjects), that identify the member (cards), and that restrict
// the member. Names, languages and the list of badges need no signature, because each badge names its own recipient.
type Binding struct {
	ID       string   `json:"id"`
	Emails   []string `json:"emails,omitempty"`
	Subjects []string `json:"subjects,omitempty"`
	Cards    []string `json:"cards,omitempty"` // the member's cards, as in Member.Cards
	Blocked  bool     `json:"blocked,omitempty"`
	MemberTerms
}

// BindingsBucket is the content of a bindings chunk.
type BindingsBucket struct {
	Members []Binding `json:"members"`
}

// BindingOf returns the binding that permits exactly what the fields of m contain now.
func BindingOf(m Member) Binding {
	return Binding{ID: m.ID, Emails: m.Emails, Subjects: m.Subjects, Cards: m.Cards, Blocked: m.Blocked,
		MemberTerms: m.MemberTerms}
}

// Excess is one field in which a member of the roster has more rights than the signed binding permits.
type Excess struct {
	// Name of the field: cards, emails, subjects, blocked, until or card_states; empty: the member has no binding.
	Member, Field string
}

// Error implements error.
func (e Excess) Error() string {
	switch e.Field {
	case "":
		return fmt.Sprintf("member %q has no signed binding", e.Member)
	case "cards", "emails", "subjects":
		return fmt.Sprintf("member %q has %s that the policy key has not signed", e.Member, e.Field)
	}
	return fmt.Sprintf("member %q exceeds the signed %s: the policy key has signed a stricter value", e.Member, e.Field)
}

// Check returns an error if a member of the roster has more rights than the binding permits. A member may have fewer
// rights than the binding: the roster's signer may block a member, end a membership earlier, refuse a card, and leave
// out cards and addresses.
func (b Binding) Check(m Member) error {
	if _, over := b.Limit(m); len(over) > 0 {
		return refuse(BindingUnsigned, "%v", over[0])
	}
	return nil
}

// Limit returns m without the rights that the binding does not permit, and lists the fields that contained such rights.
func (b Binding) Limit(m Member) (Member, []Excess) {
	var over []Excess
	excess := func(field string) { over = append(over, Excess{m.ID, field}) }
	for _, x := range []struct {
		field   string
		given   *[]string
		allowed []string
	}{{"emails", &m.Emails, b.Emails}, {"subjects", &m.Subjects, b.Subjects}, {"cards", &m.Cards, b.Cards}} {
		kept := make([]string, 0, len(*x.given))
		for _, v := range *x.given {
			if slices.Contains(x.allowed, v) {
				kept = append(kept, v)
			}
		}
		if len(kept) < len(*x.given) {
			excess(x.field)
			*x.given = kept
		}
	}
	if b.Blocked && !m.Blocked {
		excess("blocked")
		m.Blocked = true
	}
	if b.Until != "" && (m.Until == "" || m.Until > b.Until && dayForm.MatchString(m.Until)) {
		excess("until")
		m.Until = b.Until
		if !slices.Contains(m.Critical, "until") {
			m.Critical = append(slices.Clone(m.Critical), "until")
		}
	}
	for _, c := range b.CardStates {
		states, missing := withCardState(m.CardStates, c)
		if missing {
			excess("card_states")
			m.CardStates = states
		}
	}
	return m, over
}

// withCardState returns a copy of states with the state of card c added, if that state is missing.
func withCardState(states []CardState, c CardState) (out []CardState, missing bool) {
	i := slices.IndexFunc(states, func(x CardState) bool { return x.Card == c.Card })
	switch {
	case i < 0:
		return append(slices.Clone(states), c), true
	case states[i].State == replacedState && c.State != replacedState:
		// The signed state must prevail, because the tap of a card with the state replaced raises no alert.
		out = slices.Clone(states)
		out[i] = c
		return out, true
	}
	return states, false
}

// replacedState is the state of a card whose taps raise no alert.
const replacedState = "replaced"

// Bindings holds the signed bindings of a bucket, by member.
type Bindings map[string]Binding

// ReadBindings reads a bindings chunk. If a member is listed twice, ReadBindings returns an error.
func ReadBindings(chunk []byte) (Bindings, error) {
	var bucket BindingsBucket
	if err := DecodeChunk(chunk, &bucket); err != nil {
		return nil, err
	}
	out := Bindings{}
	for _, b := range bucket.Members {
		if _, twice := out[b.ID]; twice || b.ID == "" {
			return nil, fmt.Errorf("chunk: member %q is listed twice or has an empty id", b.ID)
		}
		out[b.ID] = b
	}
	return out, nil
}

// Check returns an error if a member of the roster has no binding, or has more rights than the binding permits.
func (all Bindings) Check(m Member) error {
	b, ok := all[m.ID]
	if !ok {
		return refuse(BindingUnsigned, "%v", Excess{Member: m.ID})
	}
	return b.Check(m)
}
