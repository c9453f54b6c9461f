package issue

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"unicode/utf8"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
)

// Own is a badge of the actor's own member that the hub has issued.
type Own struct {
	Issued  Issued `json:"issued"`
	Class   Class  `json:"class"`
	Address string `json:"address"`        // id of the badge, which is the address of its public page
	Shown   bool   `json:"shown"`          // true: everybody may see the public page
	Name    string `json:"name,omitempty"` // name of the member on the public page
}

// OwnBadges serves members' own badges, and the public pages that members open.
type OwnBadges struct{ s *Service }

// OwnBadges returns the service for members' own badges.
func (s *Service) OwnBadges() OwnBadges { return OwnBadges{s} }

// maxShownName is the maximum number of characters of a name on a public page.
const maxShownName = 100

// Own returns the badges of the actor's own member that the hub has issued and that were not taken back, the newest
// first. Neither the reason of the decision nor who decided is returned, because they stay with the administrators.
func (b OwnBadges) Own(ctx context.Context, a actor.Actor) ([]Own, error) {
	if err := a.May(actor.ReadOwn, actor.Target{Member: a.Member}); err != nil {
		return nil, err
	}
	if a.Member == "" { // the rows of erased members have no member either
		return []Own{}, nil
	}
	rows, err := b.s.o.Site.Query(ctx, `SELECT id FROM issue_badge WHERE site = $1 AND member = $2 AND undone = 0
		ORDER BY issued DESC, id LIMIT 500`, string(a.Member))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	out := []Own{}
	for _, id := range ids {
		x, err := b.own(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// own returns one badge as its member may see it.
func (b OwnBadges) own(ctx context.Context, id string) (x Own, err error) {
	if x.Issued, err = b.s.get(ctx, id); err != nil {
		return x, err
	}
	x.Issued.Why, x.Issued.By, x.Issued.Undoable, x.Address = "", "", false, b.s.o.addresses().badge(id)
	if r := x.Issued.Revoked; r != nil {
		r.By = ""
	}
	if err := b.s.o.Site.QueryRow(ctx, `SELECT shown, shown_name FROM issue_badge WHERE site = $1 AND id = $2`, id).
		Scan(&x.Shown, &x.Name); err != nil {
		return x, err
	}
	c, _, err := b.s.classes.find(ctx, x.Issued.Badge)
	if isMissing(err) { // the policy has the badge no more
		c.ID, c.Class.Name, err = x.Issued.Badge, string(x.Issued.Badge), nil
	}
	x.Class = c.Class
	return x, err
}

// Show switches the public page of a badge on, with a name that the member chooses, or off. Only the member who has the
// badge may do this. The error is *fault.NotFound for a badge of somebody else.
func (b OwnBadges) Show(ctx context.Context, a actor.Actor, id string, on bool, name string) error {
	if err := a.May(actor.ShowOwnBadge, actor.Target{Member: a.Member}); err != nil {
		return err
	}
	n, err := b.s.get(ctx, id)
	if err != nil {
		return err
	}
	if a.Member == "" || n.Member != a.Member || n.Revoked != nil && n.Revoked.Undone {
		return &fault.NotFound{What: "badge", ID: clip(id, 64)}
	}
	name = strings.TrimSpace(name)
	if !on {
		name = ""
	} else if length := utf8.RuneCountInString(name); length == 0 || length > maxShownName ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
		return invalid("name", name, "a name for the page is needed", "1 to 100 characters")
	}
	return b.s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE issue_badge SET shown = $3, shown_name = $4 WHERE site = $1 AND id = $2
			AND member = $5`, id, toInt(on), name, string(a.Member))
		if err != nil {
			return err
		}
		detail := "public page of the badge switched off"
		if on {
			detail = "public page of the badge switched on"
		}
		return b.s.o.Audit(ctx, tx, a, actor.ShowOwnBadge, "badge/"+id, detail)
	})
}

// Shown is a badge as everybody may see it.
type Shown struct {
	Own         Own    // without the reason of a revocation
	Issuer      string // name of the issuer
	Picture     string // address of the picture
	Data        []byte // the signed badge
	ContentType string // of Data
}

// Public returns a badge that its member shows to everybody. For every other badge, the error is *fault.NotFound,
// whether the badge exists or not. Public needs no actor.
func (b OwnBadges) Public(ctx context.Context, id string) (Shown, error) {
	var data []byte
	err := b.s.o.Site.QueryRow(ctx, `SELECT data FROM issue_badge WHERE site = $1 AND id = $2 AND shown = 1
		AND undone = 0 AND member <> ''`, clip(id, 64)).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return Shown{}, &fault.NotFound{What: "badge", ID: clip(id, 64)}
	}
	if err != nil {
		return Shown{}, err
	}
	x, err := b.own(ctx, id)
	if err != nil {
		return Shown{}, err
	}
	x.Issued.Member = "" // a pseudonym that nobody else needs
	if r := x.Issued.Revoked; r != nil {
		r.Reason = ""
	}
	out := Shown{Own: x, Picture: b.s.o.addresses().picture(x.Issued.Badge), Data: data,
		ContentType: "application/vc+ld+json"}
	if len(data) > 0 && data[0] != '{' {
		out.ContentType = "application/vc+jwt" // VC-JOSE-COSE, section 3.1.1
	}
	p, err := b.s.o.Policy(ctx)
	if err != nil {
		return Shown{}, err
	}
	if is, err := b.s.classes.issuer(p); err == nil {
		out.Issuer = is.Name
	}
	return out, nil
}

// Verify verifies a badge that its member shows to everybody, as anybody else would verify it: with the issuer's keys
// and the status list that the hub publishes. The verification fetches nothing from the network.
func (b OwnBadges) Verify(ctx context.Context, id string) (openbadge.Verdict, error) {
	x, err := b.Public(ctx, id)
	if err != nil {
		return openbadge.Verdict{}, err
	}
	p, err := b.s.o.Policy(ctx)
	if err != nil {
		return openbadge.Verdict{}, err
	}
	o := openbadge.Options{At: b.s.o.now(), Documents: ownDocuments{ctx, b.s}, Status: ownDocuments{ctx, b.s}}
	if is, err := b.s.classes.issuer(p); err == nil {
		o.Trust = []openbadge.Issuer{{ID: is.Profile, Keys: is.Keys}}
	}
	return openbadge.Verify(x.Data, o), nil
}

// ownDocuments resolves the public documents of the issuer, and no others.
type ownDocuments struct {
	ctx context.Context
	s   *Service
}

// Resolve implements openbadge.Resolver.
func (d ownDocuments) Resolve(address string) ([]byte, error) {
	data, own, err := d.s.Document(d.ctx, address)
	if !own {
		err = errNoDocument
	}
	return data, err
}

var errNoDocument = errors.New("not a document of this hub")
