package issue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/issue"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/openbadge"
	"portillon/policy"
)

// bench contains the service of a site with one machine, two badges and two members.
type bench struct {
	t       *testing.T
	rows    *store.Site
	s       *issue.Service
	key     *openbadge.Key
	now     time.Time
	policy  *policy.Policy
	members map[policy.MemberID]issue.Recipient
	badges  map[string][]byte // the directory: badges by their id
	lists   map[string][]byte // the directory: status lists by their address
	audit   []string
	during  func() // what another process does just before the transaction of a change; nil: nothing
	fail    error  // error with which the transaction of a change fails; nil: the change succeeds
}

const hubDID = "did:web:hub.lab.example"

func newBench(t *testing.T) *bench {
	t.Helper()
	key, err := openbadge.GenerateKey("test")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, rows: storetest.Open(t).Site("biklab"), key: key,
		now:    time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC),
		badges: map[string][]byte{}, lists: map[string][]byte{},
		members: map[policy.MemberID]issue.Recipient{
			"m-lea":  {ID: "m-lea", Name: "Léa", Email: "lea@example.org"},
			"m-tom":  {ID: "m-tom", Name: "Tom", Subject: "https://tom.example/"},
			"m-mute": {ID: "m-mute", Name: "Mute"},
			"m-gone": {ID: "m-gone", Name: "Gone", Email: "gone@example.org", Blocked: true},
			"m-has":  {ID: "m-has", Name: "Has", Email: "has@example.org", Valid: []policy.BadgeID{"laser-user"}},
		}}
	b.setIssuer(policy.Issuer{ID: "lab", Name: "Lab", Profile: hubDID, Keys: []string{hubDID}})
	b.open("")
	return b
}

// setIssuer puts a policy with this issuer into force.
func (b *bench) setIssuer(is policy.Issuer) {
	b.t.Helper()
	badge := func(id policy.BadgeID, by policy.IssuerID) policy.Badge {
		return policy.Badge{ID: id, Issuer: by, Achievement: "https://lab.example/" + string(id),
			Name: policy.Text{FR: string(id), EN: string(id)}}
	}
	other := policy.Issuer{ID: "other", Name: "Other", Profile: "https://other.example/issuer",
		Keys: []string{"https://other.example/issuer"}}
	need := func(id policy.BadgeID) policy.Need { return policy.Need{Badge: id} }
	p, err := policy.New(policy.Model{Site: "biklab", Language: policy.English, Issuers: []policy.Issuer{other, is},
		Badges: []policy.Badge{badge("laser-user", is.ID), badge("laser-mentor", is.ID), badge("foreign", "other")},
		Machines: []policy.Machine{{ID: "laser", Name: policy.Text{FR: "Laser", EN: "Laser cutter"}, Grants: []policy.Grant{
			{Role: policy.User, Needs: need("laser-user")}, {Role: policy.Mentor, Needs: need("laser-mentor")}}}}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.policy = p
}

// open opens the service. id is the issuer's id in hub.yaml.
func (b *bench) open(id string) {
	b.t.Helper()
	var err error
	b.s, err = issue.New(issue.Options{Site: b.rows, Key: b.key, ID: id,
		URL:    &url.URL{Scheme: "https", Host: "hub.lab.example"},
		Now:    func() time.Time { return b.now },
		Policy: func(context.Context) (*policy.Policy, error) { return b.policy, nil },
		Recipient: func(_ context.Context, id policy.MemberID) (issue.Recipient, error) {
			r, ok := b.members[id]
			if !ok {
				return r, &fault.NotFound{What: "member", ID: string(id)}
			}
			return r, nil
		},
		Audit: func(_ context.Context, _ *store.Tx, _ actor.Actor, _ actor.Act, on, detail string) error {
			b.audit = append(b.audit, on+detail)
			return nil
		},
		Apply: b.apply})
	if err != nil {
		b.t.Fatal(err)
	}
}

// apply changes the badges of the bench as the directory does.
func (b *bench) apply(ctx context.Context, _ actor.Actor, c issue.Change,
	with func(*store.Tx) (string, error)) error {
	if b.during != nil {
		b.during()
	}
	err := b.rows.Write(ctx, func(tx *store.Tx) error {
		detail, err := with(tx)
		b.audit = append(b.audit, detail)
		return errors.Join(err, b.fail)
	})
	if err != nil {
		return err
	}
	for _, x := range c.Add {
		b.badges[x.ID] = x.Data
	}
	for _, x := range c.Remove {
		delete(b.badges, x.ID)
	}
	for address, data := range c.Lists {
		b.lists[address] = data
	}
	return nil
}

// served resolves documents as verifiers elsewhere do: by requests to the public addresses of the hub.
type served struct{ b *bench }

func (r served) Resolve(address string) ([]byte, error) {
	mux := http.NewServeMux()
	for _, pattern := range issue.Patterns() {
		mux.Handle(pattern, r.b.s)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", address, nil))
	if w.Code != 200 || !strings.HasPrefix(address, "https://hub.lab.example/") {
		return nil, openbadge.ErrNotFound
	}
	return w.Body.Bytes(), nil
}

// verdict verifies a badge with the served documents alone.
func (b *bench) verdict(data []byte) openbadge.Verdict {
	return openbadge.Verify(data, openbadge.Options{At: b.now.Add(time.Minute), Strict: true, Documents: served{b},
		Status: served{b}, Trust: []openbadge.Issuer{{ID: hubDID, Keys: []string{hubDID}}}})
}

var root = actor.Local("ada")

func (b *bench) award(members ...policy.MemberID) ([]issue.Issued, error) {
	return b.s.Award(b.t.Context(), root, issue.Award{Badge: "laser-user", Members: members, Why: "saw the test piece",
		Evidence: issue.Evidence{Text: "Cut a box", URLs: []string{"https://lab.example/box"}}})
}

func (b *bench) mustAward(members ...policy.MemberID) []issue.Issued {
	b.t.Helper()
	all, err := b.award(members...)
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}

func TestAwardedBadgesAreVerifiedFromTheServedDocumentsAlone(t *testing.T) {
	b := newBench(t)
	all := b.mustAward("m-lea", "m-tom", "m-lea")
	if len(all) != 2 || all[0].By != "ada" || all[0].Why == "" || !all[0].Undoable ||
		all[0].Entry.Index == all[1].Entry.Index {
		t.Fatalf("%+v", all)
	}
	for _, n := range all {
		v := b.verdict(b.badges[n.Credential])
		if v.State != openbadge.Valid {
			t.Fatal(v.Why())
		}
		g := v.Badge
		r := b.members[n.Member]
		if !g.IsFor(openbadge.Recipient{Emails: []string{r.Email}, Subjects: []string{r.Subject}}) ||
			len(g.Evidence) != 2 || g.IssuerName != "Lab" || !strings.Contains(g.Criteria, "Laser cutter") ||
			bytes.Contains(b.badges[n.Credential], []byte("saw the test piece")) {
			t.Errorf("%+v", g)
		}
		picture, err := served{b}.Resolve(g.Image)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(picture)); err != nil {
			t.Error(err)
		}
	}
	if len(b.audit) != 1 || b.audit[0] != "badge laser-user issued to 2 members" {
		t.Errorf("%q", b.audit)
	}
}

func TestRevokedBadgesHaveTheVerdictRevoked(t *testing.T) {
	b := newBench(t)
	all := b.mustAward("m-lea", "m-tom")
	if err := b.s.Revoke(t.Context(), root, all[0].ID, "unsafe"); err != nil {
		t.Fatal(err)
	}
	revoked, valid := b.verdict(b.badges[all[0].Credential]), b.verdict(b.badges[all[1].Credential])
	if !slices.ContainsFunc(revoked.Reasons, func(r openbadge.Reason) bool { return r.Code == "revoked" }) ||
		valid.State != openbadge.Valid {
		t.Errorf("%s, %s", revoked.Why(), valid.Why())
	}
	got, err := b.s.Get(t.Context(), root, all[0].ID)
	if err != nil || got.Revoked == nil || *got.Revoked != (issue.Revocation{At: b.now, By: "ada", Reason: "unsafe"}) {
		t.Errorf("%+v, %v", got, err)
	}
	requireFault(t, b.s.Revoke(t.Context(), root, all[0].ID, "again"), "the badge is revoked already")
	requireFault(t, b.s.Revoke(t.Context(), root, all[1].ID, " "), "a reason is needed")
	requireFault(t, b.s.Revoke(t.Context(), root, all[1].ID, strings.Repeat("x", 501)), "501 bytes")
	// A later badge must not make an earlier revocation undone, in the list of the hub and in that of the directory.
	b.mustAward("m-lea")
	if v := b.verdict(b.badges[all[0].Credential]); v.State != openbadge.Invalid {
		t.Error(v.Why())
	}
	if served, err := (served{b}).Resolve("https://hub.lab.example/issuer/status/1"); err != nil ||
		!bytes.Equal(served, b.lists["https://hub.lab.example/issuer/status/1"]) {
		t.Error("the directory has another status list than the hub serves", err)
	}
}

func TestBadgesAreTakenBackOnlyWithinTheHour(t *testing.T) {
	b := newBench(t)
	all := b.mustAward("m-lea", "m-tom")
	b.now = b.now.Add(59 * time.Minute)
	data := b.badges[all[0].Credential]
	if err := b.s.Undo(t.Context(), root, all[0].ID); err != nil {
		t.Fatal(err)
	}
	if v := b.verdict(data); b.badges[all[0].Credential] != nil || v.State != openbadge.Invalid {
		t.Errorf("the member still has the badge: %s", v.Why())
	}
	requireFault(t, b.s.Undo(t.Context(), root, all[0].ID), "the badge is revoked already")
	b.now = b.now.Add(time.Minute)
	requireFault(t, b.s.Undo(t.Context(), root, all[1].ID), "more than an hour")
	if got, err := b.s.Get(t.Context(), root, all[0].ID); err != nil || !got.Revoked.Undone {
		t.Errorf("%+v, %v", got, err)
	}
}

func requireFault(t *testing.T, err error, want string) {
	t.Helper()
	var invalid *fault.Invalid
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want a fault with %q", err, want)
	}
}

func TestAwardIsForAllMembersOrForNone(t *testing.T) {
	b := newBench(t)
	many := make([]policy.MemberID, 101)
	for i := range many {
		many[i] = policy.MemberID(fmt.Sprint("m-", i))
	}
	long := strings.Repeat("x", 4001)
	for name, c := range map[string]struct {
		change func(*issue.Award)
		want   string
	}{
		"suspended":      {func(w *issue.Award) { w.Members = append(w.Members, "m-gone") }, "the member is suspended"},
		"has it already": {func(w *issue.Award) { w.Members = append(w.Members, "m-has") }, "has this badge already"},
		"no address":     {func(w *issue.Award) { w.Members = append(w.Members, "m-mute") }, "no e-mail address"},
		"nobody":         {func(w *issue.Award) { w.Members = nil }, "no member was chosen"},
		"too many":       {func(w *issue.Award) { w.Members = many }, "101 members"},
		"no reason":      {func(w *issue.Award) { w.Why = " \n" }, "a reason is needed"},
		"long reason":    {func(w *issue.Award) { w.Why = long }, "4001 bytes"},
		"long evidence":  {func(w *issue.Award) { w.Evidence.Text = long }, "4001 bytes"},
		"not UTF-8":      {func(w *issue.Award) { w.Evidence.Text = "\xff" }, "1 bytes"},
		"script address": {func(w *issue.Award) { w.Evidence.URLs = []string{"javascript:alert(1)"} },
			"not an https address"},
		"eleven addresses": {func(w *issue.Award) { w.Evidence.URLs = make([]string, 11) }, "11 web addresses"},
		"ended":            {func(w *issue.Award) { w.Until = b.now }, "the end of validity"},
		"for ever":         {func(w *issue.Award) { w.Until = b.now.AddDate(21, 0, 0) }, "the end of validity"},
	} {
		w := issue.Award{Badge: "laser-user", Members: []policy.MemberID{"m-lea"}, Why: "test"}
		c.change(&w)
		_, err := b.s.Award(t.Context(), root, w)
		t.Run(name, func(t *testing.T) { requireFault(t, err, c.want) })
	}
	var missing *fault.NotFound
	if _, err := b.award("m-lea", "m-nobody"); !errors.As(err, &missing) {
		t.Error(err)
	}
	for _, id := range []policy.BadgeID{"foreign", "unknown", ""} {
		_, err := b.s.Award(t.Context(), root, issue.Award{Badge: id, Members: []policy.MemberID{"m-lea"}, Why: "x"})
		if !errors.As(err, &missing) {
			t.Errorf("%q: %v", id, err)
		}
	}
	b.fail = errors.New("disk full")
	if _, err := b.award("m-lea"); !errors.Is(err, b.fail) {
		t.Error(err)
	}
	all, _, err := b.s.Issued(t.Context(), root, issue.Filter{}, issue.Page{})
	if err != nil || len(all) != 0 || len(b.badges) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestOnlyAdministratorsIssueBadges(t *testing.T) {
	b := newBench(t)
	n := b.mustAward("m-lea")[0]
	at := map[policy.MachineID]actor.Role{"laser": actor.Maintainer}
	for name, a := range map[string]actor.Actor{
		"nobody":        {},
		"member":        {Account: "x", Site: actor.Member, Member: "m-lea"},
		"maintainer":    {Account: "x", Machines: at},
		"other scope":   {Account: "x", Site: actor.Owner, Scopes: []actor.Act{actor.WriteBadges}},
		"administrator": {Account: "x", Site: actor.Administrator},
	} {
		ctx := t.Context()
		_, award := b.s.Award(ctx, a, issue.Award{Badge: "laser-mentor", Members: []policy.MemberID{"m-tom"}, Why: "x"})
		_, classes := b.s.Classes(ctx, a)
		_, class := b.s.Class(ctx, a, "laser-user")
		_, set := b.s.SetClass(ctx, a, "laser-user", 0, issue.Texts{Criteria: "x"})
		_, _, list := b.s.Issued(ctx, a, issue.Filter{}, issue.Page{})
		_, get := b.s.Get(ctx, a, n.ID)
		undo, revoke := b.s.Undo(ctx, a, n.ID), b.s.Revoke(ctx, a, n.ID, "x")
		for i, err := range []error{award, classes, class, set, list, get, undo, revoke} {
			var denied *actor.Denied
			if errors.As(err, &denied) == (name == "administrator") {
				t.Errorf("%s: call %d: %v", name, i, err)
			}
		}
	}
}

func TestBadgesOfAnIssuerWithoutTheKeyCannotBeAwarded(t *testing.T) {
	for name, c := range map[string]struct {
		id string // issuer's id in hub.yaml
		is func(key *openbadge.Key) policy.Issuer
		ok bool
	}{
		"own did:key": {"", func(k *openbadge.Key) policy.Issuer {
			return policy.Issuer{Profile: k.DID(), Keys: []string{k.DID()}}
		}, true},
		"own profile": {"", func(*openbadge.Key) policy.Issuer {
			return policy.Issuer{Profile: "https://hub.lab.example/issuer", Keys: []string{"https://hub.lab.example/issuer"}}
		}, true},
		"key set elsewhere, named in hub.yaml": {"https://lab.example/issuer", func(*openbadge.Key) policy.Issuer {
			return policy.Issuer{Profile: "https://lab.example/issuer", Keys: []string{"https://lab.example/keys"}}
		}, true},
		"key set elsewhere": {"", func(*openbadge.Key) policy.Issuer {
			return policy.Issuer{Profile: "https://lab.example/issuer", Keys: []string{"https://lab.example/keys"}}
		}, false},
		"another key": {"", func(*openbadge.Key) policy.Issuer {
			k, err := openbadge.GenerateKey("other")
			if err != nil {
				t.Fatal(err)
			}
			return policy.Issuer{Profile: k.DID(), Keys: []string{k.DID()}}
		}, false},
		"another id in hub.yaml": {"did:web:lab.example", func(*openbadge.Key) policy.Issuer {
			return policy.Issuer{Profile: hubDID, Keys: []string{hubDID}}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			is := c.is(b.key)
			is.ID, is.Name = "lab", "Lab"
			b.setIssuer(is)
			b.open(c.id)
			all, err := b.award("m-lea")
			if !c.ok {
				requireFault(t, err, "no issuer of the access policy has the key of this hub")
				return
			}
			if err != nil || len(all) != 1 {
				t.Fatal(err)
			}
		})
	}
}

func TestClassesHaveLevelMachinesAndTexts(t *testing.T) {
	b := newBench(t)
	all, err := b.s.Classes(t.Context(), root)
	if err != nil || len(all) != 2 || all[0].ID != "laser-user" || all[0].Level != "user" ||
		!slices.Equal(all[0].Machines, []policy.MachineID{"laser"}) || all[1].Level != "mentor" || all[0].Criteria == "" {
		t.Fatalf("%+v, %v", all, err)
	}
	texts := issue.Texts{Criteria: " Cut a box ", Description: "Box cutter",
		Alignments: []openbadge.Alignment{{URL: "https://frame.example/safety"}}}
	c, err := b.s.SetClass(t.Context(), root, "laser-user", 0, texts)
	if err != nil || c.Version != 1 || c.Criteria != "Cut a box" {
		t.Fatalf("%+v, %v", c, err)
	}
	if again, err := b.s.Class(t.Context(), root, "laser-user"); err != nil || again.Description != "Box cutter" ||
		len(again.Alignments) != 1 || again.Alignments[0].Name != "https://frame.example/safety" {
		t.Errorf("%+v, %v", again, err)
	}
	n := b.mustAward("m-lea")[0]
	if v := b.verdict(b.badges[n.Credential]); v.Badge.Criteria != "Cut a box" || v.State != openbadge.Valid {
		t.Errorf("%s: %+v", v.Why(), v.Badge)
	}
	var conflict *fault.Conflict
	if _, err := b.s.SetClass(t.Context(), root, "laser-user", 0, texts); !errors.As(err, &conflict) {
		t.Error(err)
	}
	_, err = b.s.SetClass(t.Context(), root, "laser-user", 1, issue.Texts{})
	requireFault(t, err, "the criteria are missing")
	texts.Alignments[0].URL = "ftp://x"
	_, err = b.s.SetClass(t.Context(), root, "laser-user", 1, texts)
	requireFault(t, err, "not an https address")
}

func TestStatusListsAreSignedAgainEachDay(t *testing.T) {
	b := newBench(t)
	all := b.mustAward("m-lea", "m-tom")
	if err := b.s.Revoke(t.Context(), root, all[0].ID, "unsafe"); err != nil {
		t.Fatal(err)
	}
	const address = "https://hub.lab.example/issuer/status/1"
	first := b.lists[address]
	if err := b.s.Renew(t.Context()); err != nil || !bytes.Equal(b.lists[address], first) {
		t.Error("a list of today was signed again", err)
	}
	b.now = b.now.Add(25 * time.Hour)
	if err := b.s.Renew(t.Context()); err != nil || bytes.Equal(b.lists[address], first) {
		t.Error("a list of yesterday was not signed again", err)
	}
	l, err := openbadge.OpenStatusList(b.lists[address], b.key)
	if err != nil || !l.ValidFrom.Equal(b.now) || !slices.Equal(l.Set, []int{all[0].Entry.Index}) {
		t.Errorf("%+v, %v", l.Set, err)
	}
}

func TestListsOfIssuedBadgesHavePages(t *testing.T) {
	b := newBench(t)
	b.mustAward("m-lea", "m-tom")
	b.now = b.now.Add(time.Minute)
	b.mustAward("m-lea")
	var got []string
	after := ""
	for range 3 {
		some, next, err := b.s.Issued(t.Context(), root, issue.Filter{}, issue.Page{After: after, Limit: 1})
		if err != nil || len(some) != 1 {
			t.Fatal(some, err)
		}
		got, after = append(got, some[0].ID), next
	}
	slices.Sort(got)
	if after != "" || len(slices.Compact(got)) != 3 {
		t.Errorf("%v, next %q", got, after)
	}
	some, _, err := b.s.Issued(t.Context(), root, issue.Filter{Member: "m-tom", Badge: "laser-user"}, issue.Page{})
	if err != nil || len(some) != 1 || some[0].Member != "m-tom" {
		t.Errorf("%+v, %v", some, err)
	}
	_, _, err = b.s.Issued(t.Context(), root, issue.Filter{}, issue.Page{After: "x"})
	requireFault(t, err, "not a cursor")
}

func TestErasedMembersLeaveOnlyTheirEntries(t *testing.T) {
	b := newBench(t)
	by := root
	by.Member = "m-tom"
	n, err := b.s.Award(t.Context(), by, issue.Award{Badge: "laser-user", Members: []policy.MemberID{"m-lea"}, Why: "Léa"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []policy.MemberID{"m-lea", "m-tom"} {
		if err := b.rows.Write(t.Context(), func(tx *store.Tx) error { return b.s.Forget(t.Context(), tx, id) }); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.s.Get(t.Context(), root, n[0].ID)
	if err != nil || got.Member != "" || got.Why != "" || got.By != "" || got.Credential != "" || got.Undoable ||
		got.Entry != n[0].Entry {
		t.Errorf("%+v, %v", got, err)
	}
	if err := b.s.Revoke(t.Context(), root, n[0].ID, "x"); err != nil {
		t.Error(err)
	}
}

func TestPublicAddressesServeNothingElse(t *testing.T) {
	b := newBench(t)
	b.mustAward("m-lea")
	for path, want := range map[string]int{
		"/.well-known/did.json": 200, "/issuer": 200, "/issuer/jwks.json": 200, "/issuer/status/1": 200,
		"/issuer/pictures/laser-user.png": 200,
		"/issuer/status/2":                404, "/issuer/status/01": 404, "/issuer/status/x": 404, "/issuer/status/-1": 404,
		"/issuer/status/99999999999999999999": 404,
		"/issuer/pictures/foreign.png":        404, "/issuer/pictures/laser-user": 404, "/issuer/badges/x": 404,
	} {
		mux := http.NewServeMux()
		for _, pattern := range issue.Patterns() {
			mux.Handle(pattern, b.s)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", "https://hub.lab.example"+path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if want != 200 {
			continue
		}
		again := httptest.NewRequest("GET", "https://hub.lab.example"+path, nil)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		same := httptest.NewRecorder()
		if mux.ServeHTTP(same, again); same.Code != 304 || !strings.HasPrefix(w.Header().Get("Cache-Control"), "public") {
			t.Errorf("%s: %d, %v", path, same.Code, w.Header())
		}
	}
}

func TestPictureContainsTheBadgeForAdministratorsAndItsMember(t *testing.T) {
	b := newBench(t)
	n := b.mustAward("m-lea")[0]
	lea := actor.Actor{Account: "x", Site: actor.Member, Member: "m-lea"}
	for _, a := range []actor.Actor{root, lea} {
		name, picture, err := b.s.Baked(t.Context(), a, n.ID)
		if err != nil || !strings.HasPrefix(name, "laser-user-") {
			t.Fatal(name, err)
		}
		v := b.verdict(picture)
		if v.State != openbadge.Valid || v.Badge.ID != "https://hub.lab.example/issuer/badges/"+n.ID {
			t.Errorf("%s: %+v", v.Why(), v.Badge)
		}
	}
	var denied *actor.Denied
	for name, a := range map[string]actor.Actor{"nobody": {}, "another member": {Account: "x", Member: "m-tom"},
		"a token without own.read": {Account: "x", Member: "m-lea", Scopes: []actor.Act{actor.ReadMembers}}} {
		for _, id := range []string{n.ID, "unknown"} {
			if _, _, err := b.s.Baked(t.Context(), a, id); !errors.As(err, &denied) {
				t.Errorf("%s reads the picture of %s: %v", name, id, err)
			}
		}
	}
	// The policy has the badge no more: the picture has no level.
	const elsewhere = "https://new.example/"
	b.setIssuer(policy.Issuer{ID: "new", Name: "New", Profile: elsewhere, Keys: []string{elsewhere}})
	if _, _, err := b.s.Baked(t.Context(), root, n.ID); err != nil {
		t.Error(err)
	}
	err := b.rows.Write(t.Context(), func(tx *store.Tx) error { return b.s.Forget(t.Context(), tx, "m-lea") })
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = b.s.Baked(t.Context(), root, n.ID)
	requireFault(t, err, "the member was erased")
}

// Another process may have revoked a badge since this process read the list. A list without that revocation would make
// the badge valid again.
func TestListThatAnotherProcessHasChangedIsNotOverwritten(t *testing.T) {
	b := newBench(t)
	all := b.mustAward("m-lea", "m-tom")
	b.during = b.revokeDuring(all[1].ID)
	var conflict *fault.Conflict
	if err := b.s.Revoke(t.Context(), root, all[0].ID, "unsafe"); !errors.As(err, &conflict) {
		t.Errorf("%v, want a conflict", err)
	}
	b.during = nil
	third := b.mustAward("m-lea")[0]
	b.during = b.revokeDuring(third.ID)
	if _, err := b.award("m-lea"); !errors.As(err, &conflict) {
		t.Errorf("%v, want a conflict", err)
	}
	if v := b.verdict(b.badges[all[1].Credential]); v.State != openbadge.Invalid {
		t.Error(v.Why())
	}
}

// revokeDuring returns a function that revokes a badge as another process does.
func (b *bench) revokeDuring(id string) func() {
	other := *b
	other.open("")
	return func() {
		if err := other.s.Revoke(b.t.Context(), root, id, "elsewhere"); err != nil {
			b.t.Error(err)
		}
	}
}

func TestBadgeIsPublicWhileItsMemberWantsIt(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	n := b.mustAward("m-lea")[0]
	other := b.mustAward("m-tom")[0]
	lea := actor.Actor{Account: "x", Site: actor.Member, Member: "m-lea"}
	hidden := func(id string) {
		t.Helper()
		var missing *fault.NotFound
		if _, err := b.s.OwnBadges().Public(ctx, id); !errors.As(err, &missing) {
			t.Errorf("badge %s is public: %v", id, err)
		}
		if _, err := b.s.OwnBadges().Verify(ctx, id); !errors.As(err, &missing) {
			t.Errorf("badge %s is verified in public: %v", id, err)
		}
	}
	hidden(n.ID)
	hidden("unknown")
	own, err := b.s.OwnBadges().Own(ctx, lea)
	if err != nil || len(own) != 1 || own[0].Shown || own[0].Address != "https://hub.lab.example/issuer/badges/"+n.ID ||
		own[0].Class.Criteria == "" || own[0].Issued.By+own[0].Issued.Why != "" || own[0].Issued.Undoable {
		t.Fatalf("own badges %+v, %v", own, err)
	}
	if err := b.s.OwnBadges().Show(ctx, lea, n.ID, true, " Léa M. "); err != nil {
		t.Fatal(err)
	}
	x, err := b.s.OwnBadges().Public(ctx, n.ID)
	if err != nil || x.Own.Name != "Léa M." || x.Issuer != "Lab" || x.Own.Issued.Badge != "laser-user" ||
		x.Own.Issued.Revoked != nil || x.Own.Issued.Member != "" ||
		x.Picture != "https://hub.lab.example/issuer/pictures/laser-user.png" || !x.Own.Issued.At.Equal(n.At) ||
		x.ContentType != "application/vc+ld+json" || b.verdict(x.Data).State != openbadge.Valid {
		t.Fatalf("%+v, %v", x, err)
	}
	if v, err := b.s.OwnBadges().Verify(ctx, n.ID); err != nil || v.State != openbadge.Valid {
		t.Errorf("verification: %s, %v", v.Why(), err)
	}
	hidden(other.ID)
	if own, err := b.s.OwnBadges().Own(ctx, lea); err != nil || !own[0].Shown || own[0].Name != "Léa M." {
		t.Errorf("own badges %+v, %v", own, err)
	}
	if got := strings.Join(b.audit, ";"); strings.Contains(got, "Léa") || !strings.HasSuffix(got,
		"badge/"+n.ID+"public page of the badge switched on") {
		t.Errorf("audit %s", got)
	}
	if err := b.s.Revoke(ctx, root, n.ID, "lost"); err != nil {
		t.Fatal(err)
	}
	x, err = b.s.OwnBadges().Public(ctx, n.ID)
	if err != nil || x.Own.Issued.Revoked == nil || x.Own.Issued.Revoked.Reason != "" {
		t.Errorf("a revoked badge: %+v, %v", x, err)
	}
	if v, err := b.s.OwnBadges().Verify(ctx, n.ID); err != nil || v.State != openbadge.Invalid {
		t.Errorf("verification of a revoked badge: %s, %v", v.Why(), err)
	}
	if own, err := b.s.OwnBadges().Own(ctx, lea); err != nil || own[0].Issued.Revoked.By != "" {
		t.Errorf("own badges %+v, %v", own, err)
	}
	if err := b.s.OwnBadges().Show(ctx, lea, n.ID, false, "ignored"); err != nil {
		t.Fatal(err)
	}
	hidden(n.ID)
}

func TestOnlyItsMemberShowsABadge(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	n := b.mustAward("m-lea")[0]
	lea := actor.Actor{Account: "x", Site: actor.Member, Member: "m-lea"}
	tom := actor.Actor{Account: "y", Site: actor.Member, Member: "m-tom"}
	token := actor.Actor{Account: "x", Member: "m-lea", Scopes: []actor.Act{actor.ReadOwn}}
	var denied *actor.Denied
	var missing *fault.NotFound
	var wrong *fault.Invalid
	for name, err := range map[string]error{
		"nobody":      b.s.OwnBadges().Show(ctx, actor.Actor{}, n.ID, true, "x"),
		"no member":   b.s.OwnBadges().Show(ctx, actor.Actor{Account: "z", Site: actor.Member}, n.ID, true, "x"),
		"a token":     b.s.OwnBadges().Show(ctx, token, n.ID, true, "x"),
		"own, nobody": func() error { _, err := b.s.OwnBadges().Own(ctx, actor.Actor{}); return err }(),
	} {
		if !errors.As(err, &denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{"another member": b.s.OwnBadges().Show(ctx, tom, n.ID, true, "x"),
		"an owner": b.s.OwnBadges().Show(ctx, root, n.ID, true, "x"),
		"unknown":  b.s.OwnBadges().Show(ctx, lea, "unknown", true, "x")} {
		if !errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "  ", "a\nb", strings.Repeat("é", 101), "\xff"} {
		if err := b.s.OwnBadges().Show(ctx, lea, n.ID, true, name); !errors.As(err, &wrong) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := b.s.OwnBadges().Show(ctx, lea, n.ID, true, strings.Repeat("é", 100)); err != nil {
		t.Error(err)
	}
	if own, err := b.s.OwnBadges().Own(ctx, tom); err != nil || len(own) != 0 {
		t.Errorf("badges of another member: %+v, %v", own, err)
	}
	// A badge that is taken back, or whose member is erased, is not public any more.
	if err := b.s.Undo(ctx, root, n.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.OwnBadges().Public(ctx, n.ID); !errors.As(err, &missing) {
		t.Errorf("a badge that was taken back is public: %v", err)
	}
	if err := b.s.OwnBadges().Show(ctx, lea, n.ID, true, "x"); !errors.As(err, &missing) {
		t.Errorf("a badge that was taken back is shown: %v", err)
	}
	if own, err := b.s.OwnBadges().Own(ctx, lea); err != nil || len(own) != 0 {
		t.Errorf("a badge that was taken back is listed: %+v, %v", own, err)
	}
	again := b.mustAward("m-lea")[0]
	if err := b.s.OwnBadges().Show(ctx, lea, again.ID, true, "Léa"); err != nil {
		t.Fatal(err)
	}
	if err := b.rows.Write(ctx, func(tx *store.Tx) error { return b.s.Forget(ctx, tx, "m-lea") }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.OwnBadges().Public(ctx, again.ID); !errors.As(err, &missing) {
		t.Errorf("the badge of an erased member is public: %v", err)
	}
	if err := b.s.OwnBadges().Show(ctx, root, again.ID, true, "x"); !errors.As(err, &missing) {
		t.Errorf("an account without a member shows the badge of an erased member: %v", err)
	}
	if own, err := b.s.OwnBadges().Own(ctx, root); err != nil || len(own) != 0 {
		t.Errorf("an account without a member has badges of erased members: %+v, %v", own, err)
	}
	var name string
	if err := b.rows.QueryRow(ctx, `SELECT shown_name FROM issue_badge WHERE site = $1 AND id = $2`, again.ID).
		Scan(&name); err != nil || name != "" {
		t.Errorf("the name %q of an erased member is stored, %v", name, err)
	}
}
