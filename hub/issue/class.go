package issue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// Class is a badge of the policy that the hub can issue.
type Class struct {
	ID       policy.BadgeID     `json:"badge"`
	Version  int64              `json:"version"` // of the texts; 0: nobody has written them
	Name     string             `json:"name"`    // as the policy has it, in the site's language
	Level    string             `json:"level,omitempty"`
	Machines []policy.MachineID `json:"machines,omitempty"` // machines at which the badge gives a role
	Texts
}

// Texts are what badges of a class say about it, besides its name.
type Texts struct {
	Description string                `json:"description"`
	Criteria    string                `json:"criteria"`
	Alignments  []openbadge.Alignment `json:"alignments,omitempty"`
}

// class is a Class with what the policy says of it.
type class struct {
	Class
	achievement string
	role        policy.Role // most powerful role that the badge gives; 0: none
	label       string      // text of the picture
}

// Classes returns the badges that the hub can issue, in the order of the policy. The actor needs actor.AwardBadges. The
// error is *fault.Invalid if the policy does not know the hub's key.
func (s *Service) Classes(ctx context.Context, a actor.Actor) ([]Class, error) {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return nil, err
	}
	p, err := s.o.Policy(ctx)
	if err != nil {
		return nil, err
	}
	is, err := s.classes.issuer(p)
	if err != nil {
		return nil, err
	}
	var out []Class
	for i := range p.Badges {
		if p.Badges[i].Issuer == is.ID {
			c, err := s.classes.class(ctx, p, &p.Badges[i], is)
			if err != nil {
				return nil, err
			}
			out = append(out, c.Class)
		}
	}
	return out, nil
}

// Class returns one badge that the hub can issue. The actor needs actor.AwardBadges.
func (s *Service) Class(ctx context.Context, a actor.Actor, id policy.BadgeID) (Class, error) {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return Class{}, err
	}
	c, _, err := s.classes.find(ctx, id)
	return c.Class, err
}

// SetClass writes the texts of a class. Badges that were issued before keep their texts. The actor needs
// actor.AwardBadges. The error is *fault.Conflict if the class has another version.
func (s *Service) SetClass(ctx context.Context, a actor.Actor, id policy.BadgeID, version int64, t Texts) (Class,
	error) {
	c, err := s.Class(ctx, a, id)
	if err != nil {
		return Class{}, err
	}
	if err := tidyTexts(&t); err != nil {
		return Class{}, err
	}
	aligned, err := json.Marshal(t.Alignments)
	if err != nil {
		return Class{}, err
	}
	err = s.o.Site.Write(ctx, func(tx *store.Tx) error {
		var have int64
		err := tx.QueryRow(ctx, `SELECT version FROM issue_class WHERE site = $1 AND badge = $2`, string(id)).Scan(&have)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if have != version {
			return &fault.Conflict{What: "badge", ID: string(id), Have: have, Got: version}
		}
		_, err = tx.Exec(ctx, `INSERT INTO issue_class (site, badge, version, description, criteria, alignments)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (site, badge) DO UPDATE SET version = excluded.version,
			description = excluded.description, criteria = excluded.criteria, alignments = excluded.alignments
			WHERE issue_class.site = $1`, string(id), version+1, t.Description, t.Criteria, string(aligned))
		if err != nil {
			return err
		}
		return s.o.Audit(ctx, tx, a, actor.AwardBadges, "", fmt.Sprintf("texts of the badge %s changed", id))
	})
	c.Version, c.Texts = version+1, t
	return c, err
}

// tidyTexts removes the spaces around the texts, and returns *fault.Invalid with all faults.
func tidyTexts(t *Texts) error {
	t.Description, t.Criteria = strings.TrimSpace(t.Description), strings.TrimSpace(t.Criteria)
	var faults []fault.Field
	if t.Criteria == "" {
		faults = append(faults, fault.Field{Field: "criteria", Wrong: "the criteria are missing",
			Right: "what a member does to earn the badge"})
	}
	for _, x := range []struct{ field, text string }{{"description", t.Description}, {"criteria", t.Criteria}} {
		faults = append(faults, checkText(x.field, x.text, maxText)...)
	}
	if len(t.Alignments) > maxURLs {
		faults = append(faults, fault.Field{Field: "alignments", Wrong: fmt.Sprintf("%d alignments", len(t.Alignments)),
			Right: fmt.Sprintf("at most %d", maxURLs)})
		t.Alignments = t.Alignments[:maxURLs]
	}
	for i := range t.Alignments {
		x := &t.Alignments[i]
		x.Name, x.URL = strings.TrimSpace(x.Name), strings.TrimSpace(x.URL)
		if x.Name == "" {
			x.Name = x.URL
		}
		faults = append(faults, checkText("alignments", x.Name, maxWhy)...)
		faults = append(faults, checkURL("alignments", x.URL)...)
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	return nil
}

// catalogue finds the badges of the policy that the hub can issue.
type catalogue struct{ o Options }

// find returns a class by its id, and the issuer of the policy.
func (s catalogue) find(ctx context.Context, id policy.BadgeID) (class, *policy.Issuer, error) {
	p, err := s.o.Policy(ctx)
	if err != nil {
		return class{}, nil, err
	}
	is, err := s.issuer(p)
	if err != nil {
		return class{}, nil, err
	}
	b, ok := p.Badge(id)
	if !ok || b.Issuer != is.ID {
		return class{}, nil, &fault.NotFound{What: "badge", ID: clip(string(id), 64)}
	}
	c, err := s.class(ctx, p, b, is)
	return c, is, err
}

// class returns a badge of the policy with its texts. If nobody has written the criteria, class makes a sentence from
// the badge's level and machines.
func (s catalogue) class(ctx context.Context, p *policy.Policy, b *policy.Badge, is *policy.Issuer) (class, error) {
	c := classOf(p, b)
	var aligned string
	err := s.o.Site.QueryRow(ctx, `SELECT version, description, criteria, alignments FROM issue_class WHERE site = $1 AND
		badge = $2`, string(b.ID)).Scan(&c.Version, &c.Description, &c.Criteria, &aligned)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return class{}, err
	default:
		if err := json.Unmarshal([]byte(aligned), &c.Alignments); err != nil {
			return class{}, fmt.Errorf("alignments of the badge %s cannot be read: %w", b.ID, err)
		}
	}
	if c.Description == "" {
		c.Description = c.Name
	}
	if c.Criteria == "" {
		c.Criteria = usualCriteria(p, is, c)
	}
	return c, nil
}

// classOf returns what the policy says of a badge: its name, the most powerful role that it gives, and the machines of
// this role.
func classOf(p *policy.Policy, b *policy.Badge) class {
	c := class{Class: Class{ID: b.ID, Name: b.Name.In(p.Language)}, achievement: b.Achievement, label: string(b.ID)}
	for i := range p.Machines {
		m := &p.Machines[i]
		for _, g := range m.Grants {
			if !mentions(g.Needs, b.ID) || g.Role < c.role {
				continue
			}
			if g.Role > c.role {
				c.role, c.Level, c.Machines = g.Role, g.Role.String(), nil
			}
			if !slices.Contains(c.Machines, m.ID) {
				c.Machines = append(c.Machines, m.ID)
			}
		}
	}
	if len(c.Machines) > 0 {
		c.label = string(c.Machines[0])
	}
	return c
}

// mentions reports whether a need names a badge.
func mentions(n policy.Need, b policy.BadgeID) bool {
	in := func(n policy.Need) bool { return mentions(n, b) }
	return n.Badge == b || slices.ContainsFunc(n.All, in) || slices.ContainsFunc(n.Any, in)
}

// usualCriteria returns the criteria of a class for which nobody has written any, in the site's language.
func usualCriteria(p *policy.Policy, is *policy.Issuer, c class) string {
	var names []string
	for _, id := range c.Machines {
		if m, ok := p.Machine(id); ok {
			names = append(names, m.Name.In(p.Language))
		}
	}
	if p.Language == policy.English {
		if len(names) == 0 {
			return fmt.Sprintf("A person of %s has checked that the holder meets what “%s” stands for.", is.Name, c.Name)
		}
		return fmt.Sprintf("A person of %s has checked, at the machine, that the holder can do what “%s” stands for: %s.",
			is.Name, c.Name, strings.Join(names, ", "))
	}
	if len(names) == 0 {
		return fmt.Sprintf("Une personne de %s a vérifié que le ou la bénéficiaire remplit ce que « %s » atteste.", is.Name,
			c.Name)
	}
	return fmt.Sprintf("Une personne de %s a vérifié, à la machine, que le ou la bénéficiaire sait faire ce que « %s » "+
		"atteste : %s.", is.Name, c.Name, strings.Join(names, ", "))
}

// checkText returns the faults of a text.
func checkText(field, text string, most int) []fault.Field {
	if len(text) > most || strings.ToValidUTF8(text, "") != text {
		return []fault.Field{{Field: field, Given: clip(text, 40), Wrong: fmt.Sprintf("%d bytes", len(text)),
			Right: fmt.Sprintf("at most %d bytes", most)}}
	}
	return nil
}
