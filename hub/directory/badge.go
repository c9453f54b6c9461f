package directory

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/openbadge"
	"portillon/openbadge/bake"
	"portillon/policy"
	"portillon/site"
)

// Badges adds and removes the badges of members. The hub verifies a badge when a person adds the badge.
type Badges struct {
	core      *core
	documents *documents
}

// AddBadges adds a badge, or all badges of a ZIP. Each badge is a JSON or JWT file, or a PNG or SVG file that
// contains such a badge. The hub verifies each badge. The hub stores a badge that can be read and was issued to the
// member, with all checks, even if the verdict is not valid. If id is empty, the recipient in each badge decides
// which member receives the badge. If the files include a status list, the hub stores the list too. For a file of a
// ZIP that the hub refuses, AddBadges returns a Badge with the reason in Refused; if the hub refuses all files, the
// error is *fault.Invalid. The actor needs actor.WriteBadges about the member, or about all members if id is empty.
func (s *Badges) AddBadges(ctx context.Context, a actor.Actor, id policy.MemberID, name string,
	data []byte) ([]Badge, error) {
	if err := a.May(actor.WriteBadges, about(id)); err != nil {
		return nil, err
	}
	files, err := unpack(name, data)
	if err != nil {
		return nil, err
	}
	return s.addFiles(ctx, a, id, files)
}

// AddBadgeURL adds the badge at an https address, which the hub fetches. The fetcher refuses addresses of the hub's own
// network. The actor needs actor.WriteBadges about the member. The error is *fault.Invalid if the address cannot be
// used or fetched.
func (s *Badges) AddBadgeURL(ctx context.Context, a actor.Actor, id policy.MemberID, address string) (Badge, error) {
	if err := a.May(actor.WriteBadges, about(id)); err != nil {
		return Badge{}, err
	}
	f, err := s.fetchBadge(ctx, address)
	if err != nil {
		return Badge{}, err
	}
	all, err := s.addFiles(ctx, a, id, []upload{f})
	if err != nil {
		return Badge{}, err
	}
	if len(all) != 1 {
		return Badge{}, wrongURL(address, "a status list stands there: it was kept, and no badge")
	}
	return all[0], nil
}

// wrongURL returns the error for an address from which the hub gets no badge.
func wrongURL(address, wrong string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: "url", Given: clip(address, 200), Wrong: wrong,
		Right: "https://…, the address of a badge"}}}
}

// fetchBadge fetches the badge at an https address. The error is *fault.Invalid if the address cannot be used or
// fetched. The fetcher refuses addresses of the hub's own network.
func (s *Badges) fetchBadge(ctx context.Context, address string) (upload, error) {
	wrong := func(why string) (upload, error) { return upload{}, wrongURL(address, why) }
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > maxSubject:
		return wrong("not an address")
	case u.Scheme != "https" || u.Host == "" || u.User != nil:
		return wrong("an address begins with https:// and names a host, without a user")
	case s.documents.fetch == nil:
		return wrong("the hub fetches nothing from the web: download the badge and add the file")
	}
	// Fetch the badge. Use the last part of the address as the file name.
	data, err := s.documents.fetch(ctx).Resolve(address)
	if err != nil {
		s.core.log.Info("fetching a badge failed", "err", err)
		return wrong("the badge cannot be fetched: " + clip(err.Error(), 300))
	}
	base := path.Base(u.Path)
	if base == "." || base == "/" {
		base = u.Hostname()
	}
	return upload{name: base, from: address, data: data}, nil
}

// upload is a file that a person uploaded or that the hub fetched.
type upload struct {
	name string // name of the uploaded file
	from string
	data []byte
}

// addFiles first verifies the files outside of any transaction, because each verification takes milliseconds.
// addFiles then writes all accepted files in one transaction. Each returned badge was either stored or refused.
func (s *Badges) addFiles(ctx context.Context, a actor.Actor, id policy.MemberID, files []upload) ([]Badge, error) {
	p, err := s.core.policy(ctx)
	if err != nil {
		return nil, err
	}
	src, err := s.documents.sources(ctx, false)
	if err != nil {
		return nil, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, err
	}
	if id != "" && x.byID[id] == nil {
		return nil, &fault.NotFound{What: "member", ID: clip(string(id), 64)}
	}
	now := s.core.now()
	// Read the status lists first, because the badges of the same ZIP are checked against these lists.
	lists, out := src.readLists(files, p, now)
	fresh := len(lists) - len(out) // status lists that are stored
	var kept []verified
	owners := x.newOwnerSearch()
	// Verify each badge, and find the member who receives the badge.
	for i, f := range files {
		if lists[i] {
			continue
		}
		v := verify(f.data, p, src, now)
		v.From, v.File = f.from, fileName(f)
		sum := sha256.Sum256(f.data)
		v.ID = hex.EncodeToString(sum[:])
		v.Member, v.Refused = owners.find(id, &v)
		if v.Refused == "" {
			src.accept()
			kept = append(kept, v)
		} else {
			v.ID = ""
		}
		out = append(out, v.Badge)
	}
	// Write the badges and status lists that can be stored.
	if len(kept) == 0 && fresh == 0 {
		return nil, refusals(files, out)
	}
	if err := s.writeBadges(ctx, a, id, files, kept, src); err != nil {
		return nil, err
	}
	for i := range out {
		for _, k := range kept {
			if out[i].ID == k.ID {
				out[i] = k.Badge // use the name under which the badge is stored
			}
		}
	}
	return out, nil
}

// refusals returns the error for an upload of which no file was stored. The error contains one fault for each refused
// file.
func refusals(files []upload, all []Badge) error {
	e := &fault.Invalid{}
	for _, b := range all {
		e.Faults = append(e.Faults, fault.Field{Field: "badge", Given: clip(b.From, 200), Wrong: b.Refused,
			Right: "a badge of this member: JSON, JWT, or a PNG or SVG that holds one"})
	}
	if len(files) == 0 {
		e.Faults = append(e.Faults, fault.Field{Field: "badge", Wrong: "the file holds no badge",
			Right: "JSON, JWT, PNG, SVG, or a ZIP of them"})
	}
	return e
}

// readLists finds the status lists among the files and adds them to src, so that the badges of the same upload are
// checked against these lists. readLists returns the indexes of the files that are status lists, and a refusal for each
// list that does not replace the stored one.
func (s *sources) readLists(files []upload, p *policy.Policy, at time.Time) (lists map[int]bool, refused []Badge) {
	lists = map[int]bool{}
	if p == nil {
		return lists, nil
	}
	for i, f := range files {
		if bake.Format(f.data) != "" {
			continue
		}
		o := openbadge.Options{Trust: site.Trust(p), At: at, Documents: webSource{s}}
		l, err := openbadge.ReadStatusList(f.data, o)
		if err != nil || l.ID == "" {
			continue
		}
		lists[i] = true
		if wrong := s.refuseList(l, o); wrong != "" {
			refused = append(refused, Badge{From: f.from, Refused: wrong})
			continue
		}
		s.gotLists[l.ID], s.accepted[l.ID] = f.data, true
	}
	return lists, refused
}

// refuseList returns why an uploaded status list does not replace the list that the hub has of the same address; empty:
// the list replaces it. An older list would make a revoked badge valid again, and a list of another issuer would make
// the badges of the right issuer unusable. A stored list that cannot be used any more is always replaced.
func (s *sources) refuseList(l *openbadge.StatusList, o openbadge.Options) string {
	have := s.gotLists[l.ID]
	if have == nil {
		have = s.lists[l.ID]
	}
	old, err := openbadge.ReadStatusList(have, o)
	switch {
	case err != nil:
		return ""
	case old.Issuer != l.Issuer:
		return "the hub has this status list from another issuer"
	case l.From.Before(old.From):
		return "the hub has a newer version of this status list"
	}
	return ""
}

// ownerSearch finds the member who receives a badge. The field count has the number of badges of each member,
// including the badges of this upload.
type ownerSearch struct {
	site    site.Site
	members []policy.MemberID
	count   map[policy.MemberID]int
}

// newOwnerSearch returns a lookup that finds the recipient of a badge among all members.
func (x *index) newOwnerSearch() *ownerSearch {
	o := &ownerSearch{count: map[policy.MemberID]int{}}
	for _, e := range x.entries {
		o.site.Members = append(o.site.Members, site.Member{ID: e.ID, Name: e.Name, Emails: e.Emails,
			Subjects: e.Subjects, Badges: e.files})
		o.members = append(o.members, e.ID)
		o.count[e.ID] = len(e.Badges)
	}
	return o
}

// find returns the member who receives a badge, or the reason why no member receives it. If id names a member, the
// badge must have been issued to that member.
func (o *ownerSearch) find(id policy.MemberID, v *verified) (_ policy.MemberID, refused string) {
	if v.badge == nil {
		return "", "not a badge that can be read: " + clip(v.why, 300)
	}
	owner := id
	if id == "" {
		at, shared := o.site.Owner(v.File, v.badge)
		switch {
		case at >= 0:
			owner = o.members[at]
		case len(shared) > 0:
			return "", fmt.Sprintf("%d members have its recipient's address: add it to one of them", len(shared))
		default:
			return "", "no member has its recipient's address or subject"
		}
	} else if m := o.site.Members[slices.Index(o.members, id)]; !v.badge.IsFor(openbadge.Recipient{Emails: m.Emails,
		Subjects: m.Subjects}) {
		return "", "the badge was issued to somebody else: none of the member's addresses and subjects is its recipient"
	}
	if o.count[owner] >= maxBadges {
		return "", fmt.Sprintf("the member has %d badges, at most %d are kept", o.count[owner], maxBadges)
	}
	o.count[owner]++
	return owner, ""
}

// writeBadges writes badges with their bytes, and the documents on which the verdicts depend. If a badge is already
// stored, writeBadges updates the badge and does not change the badge's member.
func (s *Badges) writeBadges(ctx context.Context, a actor.Actor, id policy.MemberID, files []upload, kept []verified,
	src *sources) error {
	bytes := map[string][]byte{}
	for _, f := range files {
		sum := sha256.Sum256(f.data)
		bytes[hex.EncodeToString(sum[:])] = f.data
	}
	return s.core.write(ctx, a, actor.WriteBadges, func(c *change) (string, string, error) {
		for i := range kept {
			if err := c.writeMemberBadge(ctx, &kept[i], bytes[kept[i].ID], id != ""); err != nil {
				return "", "", err
			}
		}
		of := id
		if id == "" && len(kept) == 1 {
			of = kept[0].Member
		}
		on := ""
		if of != "" {
			on = auditName(of)
		}
		return on, fmt.Sprintf("%d badges added", len(kept)), c.writeSources(ctx, src)
	})
}

// writeMemberBadge writes one badge of a member. named is set if a person chose the member. If a person chose the
// member and the recipient of the badge is ambiguous, writeMemberBadge adds the badge's file to the member's row. The
// error is *fault.Invalid if another member has the badge.
func (c *change) writeMemberBadge(ctx context.Context, v *verified, data []byte, named bool) error {
	r, err := loadOne(ctx, c, v.Member)
	if err != nil {
		return err
	}
	var owner policy.MemberID
	var place int64
	rows, err := c.Query(ctx, `SELECT member, file, place FROM badge WHERE site = $1 AND id = $2`, v.ID)
	if err := forEachRow(rows, err, func(rows *sql.Rows) error { return rows.Scan(&owner, &v.File, &place) }); err != nil {
		return err
	}
	if owner != "" && owner != v.Member {
		return &fault.Invalid{Faults: []fault.Field{{Field: "badge", Given: clip(v.From, 200),
			Wrong: "the badge is the member's already: " + string(owner),
			Right: "remove it there first"}}}
	}
	// Give a new badge a unique file name, and a place after the member's other badges.
	if owner == "" {
		if v.File, err = c.freeName(ctx, v.File, v.ID); err != nil {
			return err
		}
		err = c.QueryRow(ctx, `SELECT COALESCE(MAX(place), 0) + 1 FROM badge WHERE site = $1 AND member = $2`,
			string(v.Member)).Scan(&place)
		if err != nil {
			return err
		}
	}
	if err := c.writeBadge(ctx, v, place); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, `INSERT INTO badge_data (site, id, data) VALUES ($1, $2, $3) ON CONFLICT (site, id) DO
			NOTHING`, v.ID, data); err != nil {
		return err
	}
	if named {
		if err := c.nameFile(ctx, r, v); err != nil {
			return err
		}
	}
	return c.save(ctx, r)
}

// nameFile adds a badge's file to the member's row if the badge alone does not identify the member, because another
// member has the same address.
func (c *change) nameFile(ctx context.Context, r *record, v *verified) error {
	if len(r.Emails) == 0 || slices.Contains(r.files, v.File) {
		return nil
	}
	shared, err := c.shared(ctx, r)
	if err != nil {
		return err
	}
	if shared && !v.badge.IsFor(openbadge.Recipient{Subjects: r.Subjects}) {
		r.files = append(r.files, v.File)
	}
	return nil
}

// shared reports whether another member has one of this member's addresses.
func (c *change) shared(ctx context.Context, r *record) (bool, error) {
	for _, e := range r.Emails {
		var n int
		if err := c.QueryRow(ctx, `SELECT COUNT(*) FROM member_value WHERE site = $1 AND kind = 'email' AND lower(value)
			= lower($2) AND member <> $3`,
			e, string(r.ID)).Scan(&n); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// writeBadge inserts the row of a badge, or updates the verdict if the row exists. The parameter place is used only
// if writeBadge inserts the row.
func (c *change) writeBadge(ctx context.Context, v *verified, place int64) error {
	c.core.bases.remove(v.ID) // the next Verify checks the badge and stores its basis
	to, err := json.Marshal(v.to)
	if err != nil {
		return err
	}
	checks, err := json.Marshal(v.Checks)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, `INSERT INTO badge (site, id, member, place, file, name, issuer, achievement, verdict,
			proved, hosted_at, standing,
		checked, recipient, checks, issued, expires, origin, verified)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (site, id) DO UPDATE SET name = excluded.name, verdict = excluded.verdict, proved = excluded.proved,
		hosted_at = excluded.hosted_at, standing = excluded.standing, checked = excluded.checked, checks = excluded.checks,
		issued = excluded.issued, expires = excluded.expires, verified = excluded.verified WHERE badge.site = $1`,
		v.ID, string(v.Member), place, v.File, v.Name, v.Issuer, v.achievement, v.Verdict, toInt(v.proved), v.hostedAt,
		v.standing,
		millis(v.checked), to, checks, millis(v.Issued), millis(v.Expires), v.From, millis(v.Verified))
	return err
}

// writeSources writes the uploaded or fetched status lists and documents on which an accepted badge depends.
// writeSources also stores an empty document, which means that the issuer removed the document.
func (c *change) writeSources(ctx context.Context, src *sources) error {
	for address, data := range src.gotLists {
		if len(data) == 0 || !src.accepted[address] {
			continue
		}
		sum := sha256.Sum256([]byte(address))
		if _, err := c.Exec(ctx, `INSERT INTO status_list (site, url, file, data, fetched) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (site, url) DO UPDATE SET data = excluded.data, fetched = excluded.fetched WHERE status_list.site = $1`,
			address, "status/"+hex.EncodeToString(sum[:8])+".json", data, millis(c.now)); err != nil {
			return err
		}
	}
	for address, data := range src.gotWeb {
		if !src.accepted[address] {
			continue
		}
		if data == nil {
			data = []byte{}
		}
		if _, err := c.Exec(ctx, `INSERT INTO document (site, url, data, fetched) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, url) DO UPDATE SET data = excluded.data, fetched = excluded.fetched WHERE document.site = $1`,
			address, data, millis(c.now)); err != nil {
			return err
		}
	}
	return nil
}

// freeName returns an unused file name for a badge: file or, if another badge has this name, file with 16 digits of the
// badge's hash.
func (c *change) freeName(ctx context.Context, file, id string) (string, error) {
	var n int
	err := c.QueryRow(ctx, `SELECT COUNT(*) FROM badge WHERE site = $1 AND file = $2`, file).Scan(&n)
	if err != nil || n == 0 {
		return file, err
	}
	ext := path.Ext(file)
	return strings.TrimSuffix(file, ext) + "-" + id[:16] + ext, nil
}

// fileName returns the file name of a badge in an export: "badges/", followed by the name of the uploaded file in at
// most four folders, with the extension of the badge's format. fileName replaces characters that some file systems do
// not accept with hyphens.
func fileName(f upload) string {
	name := strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(f.name, `\`, "/")), "/")
	name = strings.TrimPrefix(name, "badges/")
	if i := strings.LastIndex(name, "/badges/"); i >= 0 { // remove the folder that a ZIP of a whole site adds
		name = name[i+len("/badges/"):]
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		part = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@+", r) {
				return r
			}
			return '-'
		}, clip(part, 100))
		if part = strings.Trim(part, "."); part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) > 4 { // keep at most four folders, because package site reads no deeper ones
		parts = parts[len(parts)-4:]
	}
	name = strings.Join(parts, "/")
	ext := extensionOf(f.data)
	if name == "" {
		name = "badge"
	}
	if !strings.EqualFold(path.Ext(name), ext) {
		name += ext
	}
	return "badges/" + name
}

// extensionOf returns the extension that fits the content of a badge file: .png, .svg, .json, or .jwt for all other
// content.
func extensionOf(data []byte) string {
	switch bake.Format(data) {
	case bake.PNG:
		return ".png"
	case bake.SVG:
		return ".svg"
	}
	if strings.HasPrefix(strings.TrimSpace(string(data[:min(len(data), 64)])), "{") {
		return ".json"
	}
	return ".jwt"
}

// RemoveBadge removes a badge from a member. This does not revoke the badge: only the issuer can do so, and a removed
// badge can be added again. The actor needs actor.WriteBadges about the member.
func (s *Badges) RemoveBadge(ctx context.Context, a actor.Actor, id policy.MemberID, badgeID string) error {
	if err := a.May(actor.WriteBadges, about(id)); err != nil {
		return err
	}
	return s.core.write(ctx, a, actor.WriteBadges, func(c *change) (string, string, error) {
		removed, err := c.removeBadge(ctx, id, badgeID)
		if err == nil && !removed {
			err = &fault.NotFound{What: "badge", ID: clip(badgeID, 64)}
		}
		if err != nil {
			return "", "", err
		}
		return auditName(id), "badge " + badgeID[:16] + " removed", nil
	})
}

// removeBadge removes a badge from a member, and reports whether the member had the badge.
func (c *change) removeBadge(ctx context.Context, id policy.MemberID, badgeID string) (bool, error) {
	r, err := loadOne(ctx, c, id)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(r.Badges, func(b Badge) bool { return b.ID == badgeID })
	if at < 0 {
		return false, nil
	}
	file := r.Badges[at].File
	r.files = slices.DeleteFunc(r.files, func(f string) bool { return f == file })
	if _, err := c.Exec(ctx, `DELETE FROM badge WHERE site = $1 AND member = $2 AND id = $3`, string(id),
		badgeID); err != nil {
		return false, err
	}
	if _, err := c.Exec(ctx, `DELETE FROM badge_data WHERE site = $1 AND id = $2`, badgeID); err != nil {
		return false, err
	}
	return true, c.save(ctx, r)
}

// BadgeData returns the bytes of a member's badge, exactly as uploaded, and the name of the file. The actor needs the
// right to see the member. The error is *fault.NotFound if this member has no such badge.
func (s *Badges) BadgeData(ctx context.Context, a actor.Actor, id policy.MemberID, badgeID string) (file string,
	data []byte, err error) {
	if err := maySee(a, id); err != nil {
		return "", nil, err
	}
	err = s.core.site.QueryRow(ctx, `SELECT b.file, d.data FROM badge b JOIN badge_data d ON d.site = $1 AND d.id = b.id
		WHERE b.site = $1 AND b.member = $2 AND b.id = $3`, string(id), badgeID).Scan(&file, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil, &fault.NotFound{What: "badge", ID: clip(badgeID, 64)}
	}
	return file, data, err
}
