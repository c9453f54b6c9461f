package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// signer issues badges of the example site.
type signer struct {
	w    *world
	key  *openbadge.Key
	list openbadge.StatusListDraft
}

func newSigner(w *world) *signer {
	w.t.Helper()
	text := must[[]byte](w.t)(os.ReadFile("../../site-example/keys/DEMO-ONLY-issuer.json"))
	key := must[*openbadge.Key](w.t)(openbadge.ParseKey(text))
	return &signer{w, key, openbadge.StatusListDraft{ID: "https://hub.lab.example/issuer/status/1"}}
}

// badge returns a badge for an address, with the given entry of the status list.
func (s *signer) badge(achievement, email string, entry int) IssuedBadge {
	s.w.t.Helper()
	at := s.w.now.Truncate(time.Second)
	data := must[[]byte](s.w.t)(openbadge.IssueJSON(openbadge.Draft{IssuerName: "Lab", Email: email, ValidFrom: at,
		Achievement: openbadge.Achievement{ID: "https://lab.example/obv3/achievements/" + achievement, Name: "x",
			Description: "x", Criteria: "x"},
		Statuses: []openbadge.StatusEntry{s.list.Entry(entry)}}, s.key, at))
	sum := sha256.Sum256(data)
	return IssuedBadge{ID: hex.EncodeToString(sum[:]), Name: achievement, Data: data}
}

// lists returns the signed status list.
func (s *signer) lists() map[string][]byte {
	s.w.t.Helper()
	return map[string][]byte{s.list.ID: must[[]byte](s.w.t)(openbadge.IssueStatusList(s.list, s.key,
		s.w.now.Truncate(time.Second)))}
}

func noMore(*store.Tx) (string, error) { return "badge x issued to 1 members", nil }

func TestBadgesOfTheHubAreStoredOnlyIfTheyCountForTheirMember(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	const id = policy.MemberID("m-020dc2")
	email := w.member(id).Emails[0]
	before := len(w.member(id).Badges)
	s := newSigner(w)
	other := *s
	other.key = must[*openbadge.Key](t)(openbadge.GenerateKey("other"))
	of := func(b IssuedBadge, id policy.MemberID) IssuedChange {
		b.Member = id
		return IssuedChange{Add: []IssuedBadge{b}, Lists: s.lists()}
	}
	for name, c := range map[string]struct {
		change IssuedChange
		want   string
	}{
		"another key":       {of(other.badge("laser-mentor", email, 1), id), "would not be valid"},
		"another member":    {of(s.badge("laser-mentor", "nobody@example.org", 1), id), "issued to somebody else"},
		"no badge of ours":  {of(s.badge("juggling", email, 1), id), "counts as no badge"},
		"not a badge":       {of(IssuedBadge{Name: "x", Data: []byte("x")}, id), "not a badge"},
		"an unknown member": {of(s.badge("laser-mentor", email, 1), "m-nobody"), "there is no member"},
	} {
		err := w.Badges.ChangeIssued(t.Context(), owner, c.change, func(*store.Tx) (string, error) {
			t.Errorf("%s: the change was written", name)
			return "", nil
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	good := of(s.badge("laser-mentor", strings.ToUpper(email), 1), id)
	full := errors.New("disk full")
	fail := func(*store.Tx) (string, error) { return "", full }
	if err := w.Badges.ChangeIssued(t.Context(), owner, good, fail); !errors.Is(err, full) {
		t.Error(err)
	}
	var denied *actor.Denied
	uploader := actor.Actor{Account: "x", Site: actor.Owner, Scopes: []actor.Act{actor.WriteBadges}}
	if err := w.Badges.ChangeIssued(t.Context(), uploader, good, noMore); !errors.As(err, &denied) {
		t.Error(err)
	}
	if n := len(w.member(id).Badges); n != before {
		t.Fatalf("the member has %d badges, want %d", n, before)
	}
	if err := w.Badges.ChangeIssued(t.Context(), owner, good, noMore); err != nil {
		t.Fatal(err)
	}
	all := w.member(id).Badges
	if n := len(all); n != before+1 || all[n-1].Local != "laser-mentor" || all[n-1].Verdict != "valid" {
		t.Errorf("%+v", all[n-1])
	}
}

func TestVerdictsOfTheHubsBadgesFollowTheirStatusList(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	const id = policy.MemberID("m-020dc2")
	s := newSigner(w)
	b := s.badge("laser-mentor", w.member(id).Emails[0], 7)
	b.Member = id
	if err := w.Badges.ChangeIssued(t.Context(), owner, IssuedChange{Add: []IssuedBadge{b}, Lists: s.lists()},
		noMore); err != nil {
		t.Fatal(err)
	}
	verdict := func() string {
		for _, x := range w.member(id).Badges {
			if x.ID == b.ID {
				return x.Verdict
			}
		}
		return "none"
	}
	gone := IssuedBadge{Member: "m-nobody", ID: strings.Repeat("0", 64)}
	s.list.Set = []int{7}
	if err := w.Badges.ChangeIssued(t.Context(), owner, IssuedChange{Check: []IssuedBadge{b, gone}, Lists: s.lists()},
		noMore); err != nil || verdict() != "invalid" {
		t.Errorf("a revoked badge is %s, %v", verdict(), err)
	}
	// A list that no badge of the change names reaches the next bundle too.
	s.list.Set = []int{7, 8}
	if err := w.Badges.ChangeIssued(t.Context(), owner, IssuedChange{Remove: []IssuedBadge{b, gone}, Lists: s.lists()},
		noMore); err != nil || verdict() != "none" {
		t.Errorf("a removed badge is %s, %v", verdict(), err)
	}
	listed := 0
	for _, f := range must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Status {
		if string(f.Data) == string(s.lists()[s.list.ID]) {
			listed++
		}
	}
	if listed != 1 {
		t.Errorf("the next bundle has the new status list %d times", listed)
	}
	var missing *fault.NotFound
	if err := w.Badges.RemoveBadge(t.Context(), owner, id, b.ID); !errors.As(err, &missing) {
		t.Error(err)
	}
}

func TestOlderStatusListsDoNotReplaceTheStoredList(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	const id = policy.MemberID("m-020dc2")
	s := newSigner(w)
	b := s.badge("laser-mentor", w.member(id).Emails[0], 7)
	b.Member = id
	before := s.lists()[s.list.ID] // says that the badge is valid
	w.now = w.now.Add(time.Hour)
	s.list.Set = []int{7}
	revoked := s.lists()
	if err := w.Badges.ChangeIssued(t.Context(), owner, IssuedChange{Add: []IssuedBadge{b}, Lists: map[string][]byte{
		s.list.ID: before}}, noMore); err != nil {
		t.Fatal(err)
	}
	verdict := func() string {
		t.Helper()
		if err := w.Verdicts.Verify(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		all := w.member(id).Badges
		return all[len(all)-1].Verdict
	}
	upload := func(list []byte) error {
		_, err := w.Badges.AddBadges(t.Context(), owner, "", "list.json", list)
		return err
	}
	if err := upload(revoked[s.list.ID]); err != nil || verdict() != "invalid" {
		t.Fatalf("the newer list: %v, the badge is %s", err, verdict())
	}
	if err := upload(revoked[s.list.ID]); err != nil {
		t.Errorf("the same list again: %v", err)
	}
	if err := upload(before); err == nil || !strings.Contains(err.Error(), "newer version of this status list") ||
		verdict() != "invalid" {
		t.Errorf("the older list: %v, the badge is %s", err, verdict())
	}
	// In a ZIP, the older list is named, and the rest is stored.
	good := s.badge("laser-mentor", w.member(id).Emails[0], 8)
	dir := t.TempDir()
	for name, data := range map[string][]byte{"list.json": before, "badge.json": good.Data} {
		if err := os.WriteFile(dir+"/"+name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.Badges.AddBadges(t.Context(), owner, "", "all.zip", zipOf(t, dir, "."))
	if err != nil || len(got) != 2 || !strings.Contains(got[0].Refused, "newer version") || got[1].Refused != "" ||
		got[1].Verdict != "valid" {
		t.Errorf("a ZIP with an older list: %+v, %v", got, err)
	}
}

func TestStatusListOfAnotherIssuerDoesNotReplaceTheStoredList(t *testing.T) {
	at := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	draft := openbadge.StatusListDraft{ID: "https://hub.lab.example/issuer/status/1"}
	var o openbadge.Options
	o.At = at.Add(48 * time.Hour)
	list := func(name string) func(at time.Time) []byte {
		key := must[*openbadge.Key](t)(openbadge.GenerateKey(name))
		o.Trust = append(o.Trust, openbadge.Issuer{ID: key.DID(), Keys: []string{key.DID()}})
		return func(at time.Time) []byte { return must[[]byte](t)(openbadge.IssueStatusList(draft, key, at)) }
	}
	ours, theirs := list("ours"), list("theirs")
	for _, c := range []struct {
		name              string
		stored, got, file []byte
		want              string
	}{
		{"no list", nil, nil, ours(at), ""},
		{"a newer list", ours(at), nil, ours(at.Add(time.Second)), ""},
		{"a list of the same time", ours(at), nil, ours(at), ""},
		{"an older list", ours(at), nil, ours(at.Add(-time.Second)), "the hub has a newer version of this status list"},
		{"older than in this upload", nil, ours(at), ours(at.Add(-time.Second)),
			"the hub has a newer version of this status list"},
		{"another issuer", ours(at), nil, theirs(at.Add(time.Hour)), "the hub has this status list from another issuer"},
		{"the stored list is unusable", []byte("{}"), nil, theirs(at), ""},
	} {
		src := &sources{lists: map[string][]byte{}, gotLists: map[string][]byte{}}
		if c.stored != nil {
			src.lists[draft.ID] = c.stored
		}
		if c.got != nil {
			src.gotLists[draft.ID] = c.got
		}
		l := must[*openbadge.StatusList](t)(openbadge.ReadStatusList(c.file, o))
		if got := src.refuseList(l, o); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
