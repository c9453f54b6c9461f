// Package search finds members, cards, machines, badges, versions of the policy and entries of the audit log by words,
// without regard to case and accents.
//
// The package has no data of its own: it asks each source with the actor's permissions, and leaves out a source that
// denies the actor. A search returns at most Most hits of each source. The texts of a search are limited to maxText
// bytes.
package search

import (
	"context"
	"errors"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Kind is the kind of the objects that a source finds.
type Kind string

// These are all kinds.
const (
	Members  Kind = "members"
	Cards    Kind = "cards"
	Machines Kind = "machines"
	Badges   Kind = "badges"   // badges of the policy in force
	Policies Kind = "policies" // versions of the policy, by their comments
	Audit    Kind = "audit"
)

// Kinds returns all kinds, in the order of the results.
func Kinds() []Kind { return []Kind{Members, Cards, Machines, Badges, Policies, Audit} }

const (
	Most    = 10  // maximum number of hits of each kind
	maxText = 200 // maximum length of a search, in bytes
)

// Hit is an object that a search has found.
type Hit struct {
	ID     string          // id of the member, card, machine or badge, or number of the version or the entry
	Name   policy.Text     // name; of an entry of the audit log: its author; both languages may be equal
	Detail string          // further text, such as an e-mail address or a comment
	Member policy.MemberID // member who has the card
	Act    actor.Act       // act of an entry of the audit log
	About  string          // what the act changed
	At     time.Time       // time of a version or an entry
}

// Group contains the hits of one kind. More is true if the source has found more than Most objects.
type Group struct {
	Kind Kind
	Hits []Hit
	More bool
}

// Source finds the objects of one kind.
type Source struct {
	Kind Kind
	Act  actor.Act // permission that Find checks
	// Find returns at most most hits, and whether there are more. The error is *actor.Denied if the actor may not read
	// these objects.
	Find func(ctx context.Context, a actor.Actor, text string, most int) (hits []Hit, more bool, err error)
}

// Service searches several sources.
type Service struct{ sources []Source }

// New returns a service that asks the sources in this order.
func New(sources ...Source) *Service { return &Service{sources: sources} }

// Search returns the groups with hits for a text. The error is *actor.Denied if the actor may read no source, and
// *fault.Invalid if the text is too long. Search returns no groups for a text without words.
func (s *Service) Search(ctx context.Context, a actor.Actor, text string) (out []Group, err error) {
	if err := s.may(a); err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, &fault.Invalid{Faults: []fault.Field{{Field: "q", Wrong: "the text has more than 200 bytes",
			Right: "a few words"}}}
	}
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for _, source := range s.sources {
		hits, more, err := source.Find(ctx, a, text, Most)
		var denied *actor.Denied
		if errors.As(err, &denied) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(hits) > Most {
			hits, more = hits[:Most], true
		}
		if len(hits) > 0 {
			out = append(out, Group{Kind: source.Kind, Hits: hits, More: more})
		}
	}
	return out, nil
}

// may returns nil if the actor may read at least one source.
func (s *Service) may(a actor.Actor) error {
	err := error(&actor.Denied{Act: actor.ReadMachines, Actor: a})
	for _, source := range s.sources {
		if err = a.May(source.Act, actor.Target{}); err == nil {
			return nil
		}
	}
	return err
}
