package visitor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/hub/visitor"
	"portillon/policy"
)

var desk = actor.Actor{Account: "a-1", Name: "Adele", Site: actor.Administrator}

// bench has the services of a site, and fakes of the directory and of the mails.
type bench struct {
	*visitor.Services
	t       *testing.T
	site    *store.Site
	now     time.Time
	report  visitor.Report // answer about the next badge
	asked   []string       // badges and addresses that the directory examined
	members map[policy.MemberID]visitor.Admission
	ended   []policy.MemberID
	erased  []policy.MemberID
	audited []string
	codes   *codes
	fail    error // error of the directory
}

// codes is a fake of the mailed codes. The code of a subject is "RIGHT".
type codes struct {
	off    bool
	mails  []string
	fail   error // error of Mail
	wrong  error // error of a wrong code
	counts int
	limit  error
}

func (c *codes) Sends() bool { return !c.off }

func (c *codes) Mail(_ context.Context, _, address, language string) error {
	if c.fail == nil {
		c.mails = append(c.mails, address+" "+language)
	}
	return c.fail
}

func (c *codes) Prove(_ context.Context, _, address, code string) error {
	if code == "RIGHT" && address != "" {
		return nil
	}
	return c.wrong
}

func (c *codes) Count(context.Context) error { c.counts++; return c.limit }

func open(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, site: storetest.Open(t).Site("biklab"), now: time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC),
		members: map[policy.MemberID]visitor.Admission{}, codes: &codes{wrong: visitor.ErrCode}, report: visitor.Report{
			Badge: "Laser", Verdict: "valid", Local: "laser-user", Checks: []visitor.Check{{Code: "proof", OK: true}},
			Recipient: visitor.Recipient{Readable: true, Addresses: []string{"lea@x.example"}},
			Machines:  []visitor.Machine{{ID: "laser", Verdict: "allow", Role: policy.User}}}}
	b.reopen()
	return b
}

// reopen opens the services again, as after a restart of the hub.
func (b *bench) reopen() {
	b.t.Helper()
	var err error
	b.Services, err = visitor.New(b.t.Context(), b.options())
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) options() visitor.Options {
	return visitor.Options{
		Site: b.site, Now: func() time.Time { return b.now }, Codes: b.codes,
		Audit: func(_ context.Context, _ *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
			b.audited = append(b.audited, fmt.Sprintf("%s %s: %s", a.Name, act, detail))
			return nil
		},
		Directory: visitor.Directory{Examine: b.examine, Admit: b.admit,
			End: func(_ context.Context, _ actor.Actor, id policy.MemberID) error {
				b.ended = append(b.ended, id)
				return b.fail
			},
			Erase: func(_ context.Context, _ actor.Actor, id policy.MemberID) error {
				b.erased = append(b.erased, id)
				return b.fail
			}},
	}
}

func (b *bench) examine(ctx context.Context, _ actor.Actor, x visitor.Brought,
	address string) (visitor.Examined, error) {
	if _, limited := ctx.Deadline(); !limited {
		b.t.Error("the examination of a badge has no time limit")
	}
	b.asked = append(b.asked, x.File+"|"+string(x.Data)+"|"+x.Text+"|"+address)
	return visitor.Examined{Report: b.report, File: "badge.json", Data: []byte("the badge")}, b.fail
}

func (b *bench) admit(ctx context.Context, _ actor.Actor, x visitor.Admission) (policy.MemberID, error) {
	if _, limited := ctx.Deadline(); !limited {
		b.t.Error("the admission has no time limit")
	}
	if b.fail != nil {
		return "", b.fail
	}
	id := policy.MemberID(fmt.Sprintf("m-%d", len(b.members)+1))
	err := b.site.Write(ctx, func(tx *store.Tx) error { return x.Also(ctx, tx, id) })
	if err == nil {
		b.members[id] = x
	}
	return id, err
}

// bring brings a badge to the desk.
func (b *bench) bring(p visitor.Person) visitor.Visit {
	b.t.Helper()
	v, err := b.Desk.Bring(b.t.Context(), desk, visitor.Brought{Text: "https://x.example/b"}, p)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.get(v.ID)
}

func (b *bench) get(id string) visitor.Visit {
	b.t.Helper()
	v, err := b.Desk.Get(b.t.Context(), desk, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// entry returns everything that lets a person in today.
func (b *bench) entry() visitor.Entry {
	return visitor.Entry{Name: "Lea Martin", Code: "RIGHT", Consent: true, Tap: "t-1",
		Until: policy.DateOf(b.now, time.UTC)}
}

func (b *bench) letIn(v visitor.Visit, e visitor.Entry) (visitor.Visit, error) {
	return b.Desk.LetIn(b.t.Context(), desk, v.ID, v.Version, e)
}

func (b *bench) mustLetIn(v visitor.Visit, e visitor.Entry) visitor.Visit {
	b.t.Helper()
	out, err := b.letIn(v, e)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) list() visitor.Overview {
	b.t.Helper()
	o, err := b.Desk.List(b.t.Context(), desk)
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

// field returns the field of the first fault of an error; empty: the error is not *fault.Invalid.
func field(err error) string {
	var inv *fault.Invalid
	if errors.As(err, &inv) {
		return inv.Faults[0].Field
	}
	return ""
}

func isConflict(err error) bool { var x *fault.Conflict; return errors.As(err, &x) }
func isMissing(err error) bool  { var x *fault.NotFound; return errors.As(err, &x) }

func TestVisitorWithACodeIsLetIn(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{Language: "fr"})
	if v.Address != "lea@x.example" || v.Mailed.IsZero() || v.Report.Badge != "Laser" || !v.Made.Equal(b.now) ||
		!slices.Equal(b.codes.mails, []string{"lea@x.example fr"}) || b.asked[0] != "||https://x.example/b|" {
		t.Fatalf("%+v %q %q", v, b.codes.mails, b.asked)
	}
	if o := b.list(); len(o.Waiting) != 1 || len(o.Inside) != 0 || !o.Mails || o.Days != 1 || o.Keep != 30 || o.Self ||
		o.Today.String() != "2026-11-10" {
		t.Errorf("%+v", o)
	}
	in := b.mustLetIn(v, b.entry())
	x := b.members["m-1"]
	if x.Name != "Lea Martin" || x.Email != "lea@x.example" || x.Subject != "" || x.Language != "fr" || x.Tap != "t-1" ||
		x.File != "badge.json" || x.Origin != "https://x.example/b" || string(x.Data) != "the badge" ||
		x.Until.String() != "2026-11-10" {
		t.Errorf("%+v", x)
	}
	// The visit contains nothing that names the person any more.
	got := b.get(v.ID)
	if got.Name != "" || got.Address != "" || got.Report.Badge != "" || got.Stay.Member != "m-1" ||
		got.Stay.Until.String() != "2026-11-10" || got.Stay.Erase.String() != "2026-12-10" || in.Stay != got.Stay ||
		in.Name != "" || in.Address != "" || in.Report.Badge != "" {
		t.Errorf("%+v\n%+v", got, in)
	}
	if got.Proof.Kind != visitor.ByMail || !got.Proof.At.Equal(b.now) || got.Proof.By != "" ||
		got.Consent != (visitor.Consented{Version: visitor.ConsentVersion, At: b.now}) {
		t.Errorf("%+v %+v", got.Proof, got.Consent)
	}
	if o := b.list(); len(o.Waiting) != 0 || len(o.Inside) != 1 {
		t.Errorf("%+v", o)
	}
	const said = "Adele members.write: mailed code was right, consent to text 1"
	if text := strings.Join(b.audited, "; "); !strings.Contains(text, said) || strings.Contains(text, "Lea") {
		t.Error(text)
	}
}

func TestIdentityIsRecordedWithTheAccountThatSawIt(t *testing.T) {
	b := open(t)
	b.report.Recipient = visitor.Recipient{Readable: true, Subject: "did:key:z6Mk"}
	v := b.bring(visitor.Person{Name: "Lea"})
	if v.Address != "" || !v.Mailed.IsZero() || len(b.codes.mails) > 0 {
		t.Fatalf("%+v", v)
	}
	e := b.entry()
	e.Name, e.Code, e.Identity = "", "", true
	b.mustLetIn(v, e)
	if got := b.get(v.ID); got.Proof != (visitor.Proven{Kind: visitor.Identity, At: b.now, By: "a-1"}) {
		t.Errorf("%+v", got.Proof)
	}
	if x := b.members["m-1"]; x.Email != "" || x.Subject != "did:key:z6Mk" || x.Name != "Lea" {
		t.Errorf("%+v", x)
	}
	if err := b.Desk.MailCode(t.Context(), desk, v.ID); field(err) != "code" {
		t.Errorf("%v", err)
	}
}

func TestBadgeThatLetsNobodyInLeavesNothing(t *testing.T) {
	b := open(t)
	for reason, change := range map[visitor.Reason]func(*visitor.Report){
		visitor.Undetermined: func(r *visitor.Report) { r.Verdict = "indeterminate" },
		visitor.NotValid:     func(r *visitor.Report) { r.Verdict = "invalid" },
		visitor.NotAccepted:  func(r *visitor.Report) { r.Local = "" },
		visitor.BadgeTaken:   func(r *visitor.Report) { r.Holder = "m-lea" },
	} {
		was := b.report
		change(&b.report)
		_, err := b.Desk.Bring(t.Context(), desk, visitor.Brought{Data: []byte("x")}, visitor.Person{})
		var refused *visitor.Refused
		if !errors.As(err, &refused) || refused.Reason != reason || refused.Report.Machines[0].ID != "laser" {
			t.Errorf("%s: %v", reason, err)
		}
		b.report = was
	}
	for f, in := range map[string]struct {
		b visitor.Brought
		p visitor.Person
	}{"badge": {}, "address": {visitor.Brought{Text: "x"}, visitor.Person{Address: "x"}}} {
		if _, err := b.Desk.Bring(t.Context(), desk, in.b, in.p); field(err) != f {
			t.Errorf("%s: %v", f, err)
		}
	}
	b.fail = errors.New("out of order")
	if _, err := b.Desk.Bring(t.Context(), desk, visitor.Brought{Text: "x"}, visitor.Person{}); !errors.Is(err, b.fail) {
		t.Errorf("%v", err)
	}
	if len(b.list().Waiting)+len(b.codes.mails)+len(b.audited) > 0 {
		t.Errorf("%+v %q", b.list(), b.audited)
	}
}

func TestWrongCodeAndMissingConsentLetNobodyIn(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{})
	e := b.entry()
	e.Code = "WRONG"
	if _, err := b.letIn(v, e); field(err) != "code" {
		t.Errorf("%v", err)
	}
	b.codes.wrong = errors.New("throttled")
	if _, err := b.letIn(v, e); !errors.Is(err, b.codes.wrong) {
		t.Errorf("the throttle of codes was passed: %v", err)
	}
	e = b.entry()
	e.Consent = false
	if _, err := b.letIn(v, e); field(err) != "consent" {
		t.Errorf("%v", err)
	}
	e = b.entry()
	e.Name = "a\u202eb"
	if _, err := b.letIn(v, e); field(err) != "name" {
		t.Errorf("%v", err)
	}
	if got := b.get(v.ID); got.Proof.Kind != "" || !got.Consent.At.IsZero() || got.Version != v.Version ||
		len(b.members) > 0 {
		t.Errorf("%+v", got)
	}
	if _, err := b.Desk.LetIn(t.Context(), desk, "v-none", 1, b.entry()); !isMissing(err) {
		t.Errorf("%v", err)
	}
	if _, err := b.Desk.LetIn(t.Context(), desk, v.ID, v.Version+1, b.entry()); !isConflict(err) {
		t.Errorf("%v", err)
	}
}

// A right code is used up, so its proof outlives a card that cannot be assigned. The consent keeps its first time.
func TestProofAndConsentAreStoredOnce(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{})
	b.fail = &fault.Invalid{Faults: []fault.Field{{Field: "number", Wrong: "the card belongs to a member"}}}
	if _, err := b.letIn(v, b.entry()); field(err) != "number" {
		t.Fatalf("%v", err)
	}
	first, at := b.get(v.ID), b.now
	if first.Proof.Kind != visitor.ByMail || first.Consent.At.IsZero() || first.Stay.Member != "" || first.Address == "" {
		t.Fatalf("%+v", first)
	}
	b.fail, b.now = nil, b.now.Add(time.Hour)
	e := b.entry()
	e.Code, e.Identity = "WRONG", true // neither is asked for again
	b.mustLetIn(first, e)
	if got := b.get(v.ID); got.Proof != first.Proof || !got.Consent.At.Equal(at) {
		t.Errorf("%+v, was %+v", got, first)
	}
}

func TestVisitorIsLetInOnceWithOneCard(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{})
	b.mustLetIn(v, b.entry())
	e := b.entry()
	e.Tap = "t-2"
	if _, err := b.letIn(b.get(v.ID), e); field(err) != "card" {
		t.Errorf("a second card: %v", err)
	}
	// Of two requests with the same version, one lets the person in.
	other := b.bring(visitor.Person{})
	b.mustLetIn(other, b.entry())
	if _, err := b.letIn(other, b.entry()); field(err) != "card" || len(b.members) != 2 {
		t.Errorf("%v, %d members", err, len(b.members))
	}
}

// Run takes the steps at once and every five minutes, and stops with its context.
func TestKeeperRunsUntilItsContextEnds(t *testing.T) {
	b := open(t)
	b.bring(visitor.Person{})
	b.now = b.now.AddDate(0, 0, 2)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := b.Keeper.Run(ctx); err != nil {
		t.Error(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 11*time.Minute)
		defer stop()
		reads := 0
		o := b.options()
		o.Now = func() time.Time { reads++; return b.now }
		o.Log = slog.New(slog.DiscardHandler)
		sv, err := visitor.New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := sv.Keeper.Run(ctx); err != nil || reads == 0 {
			t.Errorf("%v, the clock was read %d times", err, reads)
		}
	})
	if len(b.list().Waiting) != 0 {
		t.Error("the person who waited is not forgotten")
	}
}

// The version of the visit is compared in the transaction that adds the member, too.
func TestVisitThatChangesMeanwhileLetsNobodyIn(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{})
	o := b.options()
	o.Admit = func(ctx context.Context, a actor.Actor, x visitor.Admission) (policy.MemberID, error) {
		if err := b.Desk.MailCode(ctx, desk, v.ID); err != nil {
			t.Error(err)
		}
		return b.admit(ctx, a, x)
	}
	sv, err := visitor.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sv.Desk.LetIn(t.Context(), desk, v.ID, v.Version, b.entry()); !isConflict(err) || len(b.members) > 0 {
		t.Errorf("%v", err)
	}
}

func TestCodeIsMailedAgain(t *testing.T) {
	b := open(t)
	b.codes.fail = errors.New("the outbox is full")
	v := b.bring(visitor.Person{})
	if !v.Mailed.IsZero() {
		t.Errorf("%+v", v)
	}
	if err := b.Desk.MailCode(t.Context(), desk, v.ID); !errors.Is(err, b.codes.fail) {
		t.Errorf("%v", err)
	}
	b.codes.fail = nil
	if err := b.Desk.MailCode(t.Context(), desk, v.ID); err != nil || !b.get(v.ID).Mailed.Equal(b.now) ||
		len(b.codes.mails) != 1 {
		t.Errorf("%v %+v", err, b.get(v.ID))
	}
	b.codes.off = true
	if err := b.Desk.MailCode(t.Context(), desk, v.ID); field(err) != "code" || b.list().Mails {
		t.Errorf("%v", err)
	}
	if w := b.bring(visitor.Person{}); !w.Mailed.IsZero() || len(b.codes.mails) != 1 {
		t.Errorf("%+v", w)
	}
	if err := b.Desk.MailCode(t.Context(), desk, "v-none"); !isMissing(err) {
		t.Errorf("%v", err)
	}
	b.codes.off = false
	b.mustLetIn(b.get(v.ID), b.entry())
	if err := b.Desk.MailCode(t.Context(), desk, v.ID); field(err) != "code" {
		t.Errorf("to a visitor who is in: %v", err)
	}
}

func TestVisitIsEndedAndDismissedByTheDesk(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{})
	if err := b.Desk.End(t.Context(), desk, v.ID); field(err) != "visit" {
		t.Errorf("the end of a visit that has not begun: %v", err)
	}
	if err := b.Desk.Dismiss(t.Context(), desk, v.ID); err != nil || len(b.list().Waiting) != 0 {
		t.Errorf("%v", err)
	}
	if err := b.Desk.Dismiss(t.Context(), desk, v.ID); !isMissing(err) {
		t.Errorf("%v", err)
	}
	if err := b.Desk.End(t.Context(), desk, v.ID); !isMissing(err) {
		t.Errorf("%v", err)
	}
	set(b, func(v *visitor.Values) { v.Days = 5 })
	v = b.bring(visitor.Person{})
	e := b.entry()
	e.Until = e.Until.AddDays(4)
	b.mustLetIn(v, e)
	if err := b.Desk.Dismiss(t.Context(), desk, v.ID); field(err) != "visit" {
		t.Errorf("a visitor who is in was dismissed: %v", err)
	}
	b.fail = errors.New("out of order")
	if err := b.Desk.End(t.Context(), desk, v.ID); !errors.Is(err, b.fail) || !b.get(v.ID).Stay.Ended.IsZero() {
		t.Errorf("%v", err)
	}
	b.fail, b.ended = nil, nil
	if err := b.Desk.End(t.Context(), desk, v.ID); err != nil || !slices.Equal(b.ended, []policy.MemberID{"m-1"}) {
		t.Errorf("%v %v", err, b.ended)
	}
	// The data are erased 30 days after the early end, not after the planned end.
	if got := b.get(v.ID).Stay; !got.Ended.Equal(b.now) || got.Erase.String() != "2026-12-10" || len(b.list().Past) != 1 {
		t.Errorf("%+v", got)
	}
	if err := b.Desk.End(t.Context(), desk, v.ID); field(err) != "visit" {
		t.Errorf("a second end: %v", err)
	}
}

// set changes the settings of visits.
func set(b *bench, change func(*visitor.Values)) {
	b.t.Helper()
	v, err := b.Settings.Get(b.t.Context(), desk)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.Settings.Change(b.t.Context(), desk, v.Version, func(v *visitor.Values) error { change(v); return nil })
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestSettingsAreStored(t *testing.T) {
	b := open(t)
	v, err := b.Settings.Get(t.Context(), desk)
	if err != nil || v != (visitor.Values{Version: 1, Days: 1, Keep: 30}) {
		t.Fatalf("%+v %v", v, err)
	}
	set(b, func(v *visitor.Values) { v.Self, v.Days, v.Keep = true, 3, 7 })
	b.reopen()
	want := visitor.Values{Version: 2, Self: true, Days: 3, Keep: 7}
	if v, err := b.Settings.Get(t.Context(), desk); err != nil || v != want {
		t.Errorf("%+v %v", v, err)
	}
	if _, err := b.Settings.Change(t.Context(), desk, 1, nil); !isConflict(err) {
		t.Errorf("%v", err)
	}
	none := func(v *visitor.Values) error { v.Days = 0; return nil }
	if _, err := b.Settings.Change(t.Context(), desk, 2, none); field(err) != "days" {
		t.Errorf("%v", err)
	}
	wrong := errors.New("wrong")
	_, err = b.Settings.Change(t.Context(), desk, 2, func(*visitor.Values) error { return wrong })
	if !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	set(b, func(v *visitor.Values) { v.Self = false })
	b.reopen()
	if v, _ := b.Settings.Get(t.Context(), desk); v.Self || v.Days != 3 || b.list().Days != 3 {
		t.Errorf("%+v", v)
	}
	const said = "visitors: own phone true, at most 3 days, erased after 7 days"
	if text := strings.Join(b.audited, "; "); !strings.Contains(text, said) {
		t.Error(text)
	}
}

func TestOwnPhoneIsOffByDefaultAndLetsNobodyIn(t *testing.T) {
	b := open(t)
	ctx := t.Context()
	ask := func(key string) (errs []error) {
		_, form := b.Arrivals.Form(ctx)
		_, bring := b.Arrivals.Bring(ctx, visitor.Brought{Text: "x"}, visitor.Person{})
		_, get := b.Arrivals.Get(ctx, key)
		_, confirm := b.Arrivals.Confirm(ctx, key, "RIGHT", true)
		return []error{form, bring, get, confirm}
	}
	for i, err := range ask("x") {
		if !isMissing(err) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if b.codes.counts > 0 || len(b.asked) > 0 {
		t.Error("the site examined a badge though the form is off")
	}
	set(b, func(v *visitor.Values) { v.Self = true })
	if keep, err := b.Arrivals.Form(ctx); err != nil || keep != 30 {
		t.Errorf("%d %v", keep, err)
	}
	key, err := b.Arrivals.Bring(ctx, visitor.Brought{Text: "x"}, visitor.Person{Name: "Lea"})
	if err != nil || len(key) < 26 || b.codes.counts != 1 {
		t.Fatalf("%q %v", key, err)
	}
	v, err := b.Arrivals.Get(ctx, key)
	if err != nil || v.Name != "Lea" || v.Mailed.IsZero() {
		t.Errorf("%+v %v", v, err)
	}
	for _, wrong := range []string{"", v.ID, strings.ToLower(key), key + "A"} {
		if _, err := b.Arrivals.Get(ctx, wrong); !isMissing(err) {
			t.Errorf("key %q: %v", wrong, err)
		}
	}
	if _, err := b.Arrivals.Confirm(ctx, key, "RIGHT", false); field(err) != "consent" {
		t.Errorf("%v", err)
	}
	if _, err := b.Arrivals.Confirm(ctx, key, "WRONG", true); field(err) != "code" {
		t.Errorf("%v", err)
	}
	first, err := b.Arrivals.Confirm(ctx, key, "RIGHT", true)
	if err != nil || first.Proof.Kind != visitor.ByMail || first.Proof.By != "" || first.Consent.At.IsZero() ||
		first.Stay.Member != "" || len(b.members) > 0 {
		t.Fatalf("%+v %v", first, err)
	}
	// A repeated consent changes nothing.
	b.now = b.now.Add(time.Hour)
	again, err := b.Arrivals.Confirm(ctx, key, "", true)
	if err != nil || again.Consent != first.Consent || again.Proof != first.Proof || again.Version != first.Version {
		t.Errorf("%+v %v", again, err)
	}
	e := b.entry()
	e.Code, e.Consent = "", false
	b.mustLetIn(b.get(v.ID), e)
	if _, err := b.Arrivals.Get(ctx, key); !isMissing(err) {
		t.Errorf("the page of a visitor who is in: %v", err)
	}
	// A visit at the desk has no page, so its empty hash matches no key.
	b.bring(visitor.Person{})
	if _, err := b.Arrivals.Get(ctx, ""); !isMissing(err) {
		t.Errorf("%v", err)
	}
	b.codes.limit = errors.New("throttled")
	if _, err := b.Arrivals.Bring(ctx, visitor.Brought{Text: "x"}, visitor.Person{}); !errors.Is(err, b.codes.limit) {
		t.Errorf("%v", err)
	}
	b.codes.limit = nil
	b.report.Verdict = "invalid"
	if _, err := b.Arrivals.Bring(ctx, visitor.Brought{Text: "x"}, visitor.Person{}); field(err) != "badge" {
		t.Errorf("%v", err)
	}
}

func TestNumberOfWaitingPeopleIsBounded(t *testing.T) {
	b := open(t)
	b.codes.off = true
	for range 100 {
		b.bring(visitor.Person{})
	}
	if _, err := b.Desk.Bring(t.Context(), desk, visitor.Brought{Text: "x"}, visitor.Person{}); field(err) != "badge" {
		t.Errorf("%v", err)
	}
	all := b.list().Waiting
	e := b.entry()
	e.Code, e.Identity = "", true
	b.mustLetIn(all[0], e)
	b.bring(visitor.Person{}) // a visitor who is in does not wait
	if n := len(b.list().Waiting); n != 100 {
		t.Errorf("%d wait", n)
	}
}

func TestKeeperEndsErasesAndForgets(t *testing.T) {
	b := open(t)
	forgotten := b.bring(visitor.Person{})
	v := b.bring(visitor.Person{})
	b.mustLetIn(v, b.entry())
	once := func(days int) {
		t.Helper()
		b.now = time.Date(2026, 11, 10+days, 0, 1, 0, 0, time.UTC)
		if err := b.Keeper.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	once(0)
	if len(b.list().Waiting) != 1 || len(b.ended) > 0 {
		t.Errorf("%+v %v", b.list(), b.ended)
	}
	once(1)
	if !slices.Equal(b.ended, []policy.MemberID{"m-1"}) || len(b.list().Past) != 1 ||
		b.get(v.ID).Stay.Erase.String() != "2026-12-10" {
		t.Errorf("%v %+v", b.ended, b.list())
	}
	once(2)
	if _, err := b.Desk.Get(t.Context(), desk, forgotten.ID); !isMissing(err) {
		t.Errorf("a person who waited for two days: %v", err)
	}
	once(29)
	if len(b.erased) > 0 || len(b.ended) != 1 {
		t.Errorf("%v %v", b.erased, b.ended)
	}
	once(30)
	if !slices.Equal(b.erased, []policy.MemberID{"m-1"}) || len(b.list().Past) != 0 {
		t.Errorf("%v %+v", b.erased, b.list())
	}
}

func TestKeeperForgetsAMemberWhoIsGoneAndRetriesOtherErrors(t *testing.T) {
	b := open(t)
	b.mustLetIn(b.bring(visitor.Person{}), b.entry())
	b.mustLetIn(b.bring(visitor.Person{}), b.entry())
	b.now = b.now.AddDate(0, 0, 1)
	b.fail = errors.New("the disk is full")
	if err := b.Keeper.Once(t.Context()); !errors.Is(err, b.fail) || len(b.ended) != 2 || len(b.list().Inside) != 2 {
		t.Errorf("%v %v", err, b.ended)
	}
	b.fail = &fault.NotFound{What: "member", ID: "m-1"}
	if err := b.Keeper.Once(t.Context()); err != nil {
		t.Error(err)
	}
	if o := b.list(); len(o.Inside)+len(o.Past) != 0 {
		t.Errorf("%+v", o)
	}
}

func TestErasureAndMergeForgetTheVisit(t *testing.T) {
	b := open(t)
	for range 3 {
		b.mustLetIn(b.bring(visitor.Person{}), b.entry())
	}
	waiting := b.bring(visitor.Person{})
	is := func(id policy.MemberID) bool {
		yes, err := b.IsVisitor(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return yes
	}
	if !is("m-1") || !is("m-2") || is("m-9") || is("") {
		t.Error("visitors are not recognised")
	}
	err := b.site.Write(t.Context(), func(tx *store.Tx) error {
		return b.Forget(t.Context(), tx, "m-1", "", "m-2")
	})
	if err != nil || is("m-1") || is("m-2") || !is("m-3") || b.get(waiting.ID).ID == "" {
		t.Errorf("%v", err)
	}
}

func TestDeskAndSettingsNeedTheirRight(t *testing.T) {
	b := open(t)
	v := b.bring(visitor.Person{})
	ctx := t.Context()
	for _, a := range []actor.Actor{{}, {Account: "a-2", Site: actor.Member},
		{Account: "a-3", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMembers}}} {
		_, list := b.Desk.List(ctx, a)
		_, get := b.Desk.Get(ctx, a, v.ID)
		_, bring := b.Desk.Bring(ctx, a, visitor.Brought{Text: "x"}, visitor.Person{})
		_, in := b.Desk.LetIn(ctx, a, v.ID, v.Version, b.entry())
		_, read := b.Settings.Get(ctx, a)
		_, change := b.Settings.Change(ctx, a, 1, nil)
		for i, err := range []error{list, get, bring, in, read, change, b.Desk.MailCode(ctx, a, v.ID),
			b.Desk.Dismiss(ctx, a, v.ID), b.Desk.End(ctx, a, v.ID)} {
			if denied := (*actor.Denied)(nil); !errors.As(err, &denied) {
				t.Errorf("%d: %v", i, err)
			}
		}
	}
	only := actor.Actor{Account: "a-4", Site: actor.Owner, Scopes: []actor.Act{actor.WriteMembers}}
	if _, err := b.Desk.Bring(ctx, only, visitor.Brought{Text: "x"}, visitor.Person{}); err == nil {
		t.Error("a token that may not write badges brought one")
	}
}

func TestServicesNeedAllTheirOptions(t *testing.T) {
	b := open(t)
	for i, change := range []func(*visitor.Options){
		func(o *visitor.Options) { o.Site = nil }, func(o *visitor.Options) { o.Audit = nil },
		func(o *visitor.Options) { o.Codes = nil }, func(o *visitor.Options) { o.Examine = nil },
		func(o *visitor.Options) { o.Admit = nil }, func(o *visitor.Options) { o.End = nil },
		func(o *visitor.Options) { o.Erase = nil }} {
		o := b.options()
		change(&o)
		if _, err := visitor.New(t.Context(), o); err == nil {
			t.Errorf("%d: no error", i)
		}
	}
	// Without a clock and a zone, the services use time.Now and UTC. With a zone, the day is that of the site.
	o := b.options()
	o.Now = nil
	if sv, err := visitor.New(t.Context(), o); err != nil {
		t.Error(err)
	} else if o, err := sv.Desk.List(t.Context(), desk); err != nil || o.Today.Year < 2026 {
		t.Errorf("%+v %v", o, err)
	}
	b.now = time.Date(2026, 11, 10, 23, 30, 0, 0, time.UTC)
	for want, zone := range map[string]func() *time.Location{"2026-11-10": func() *time.Location { return nil },
		"2026-11-11": func() *time.Location { return time.FixedZone("", 3600) }} {
		o := b.options()
		o.Zone = zone
		sv, err := visitor.New(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := sv.Desk.List(t.Context(), desk); got.Today.String() != want {
			t.Errorf("%v, want %s", got.Today, want)
		}
	}
}

func TestStepsOfAVisitAreInTheAuditLogWithoutNames(t *testing.T) {
	b := open(t)
	set(b, func(v *visitor.Values) { v.Self = true })
	b.audited = nil
	if err := b.Desk.Dismiss(t.Context(), desk, b.bring(visitor.Person{Name: "Lea"}).ID); err != nil {
		t.Fatal(err)
	}
	key, err := b.Arrivals.Bring(t.Context(), visitor.Brought{Text: "x"}, visitor.Person{Name: "Lea"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Arrivals.Confirm(t.Context(), key, "RIGHT", true); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.AddDate(0, 0, 1)
	if err := b.Keeper.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"Adele members.write: badge of another lab brought", "Adele members.write: dismissed",
		"visitor's phone members.write: badge of another lab brought",
		"visitor's phone members.write: mailed code was right, consent to text 1",
		"visitors members.write: forgotten: nobody let the person in"}
	if !slices.Equal(b.audited, want) {
		t.Errorf("%q, want %q", b.audited, want)
	}
}

// A visitor without a code consents on the phone, and shows an identity at the desk.
func TestOwnPhoneProvesNoIdentity(t *testing.T) {
	b := open(t)
	set(b, func(v *visitor.Values) { v.Self = true })
	b.codes.off = true
	key, err := b.Arrivals.Bring(t.Context(), visitor.Brought{Text: "x"}, visitor.Person{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := b.Arrivals.Confirm(t.Context(), key, "", true)
	if err != nil || v.Proof.Kind != "" || v.Consent.At.IsZero() || v.Version != 2 {
		t.Fatalf("%+v %v", v, err)
	}
	if again, err := b.Arrivals.Confirm(t.Context(), key, "", false); err != nil || again.Version != 2 {
		t.Errorf("a consent was asked for again: %+v %v", again, err)
	}
	e := b.entry()
	e.Code, e.Consent = "", false
	if _, err := b.letIn(v, e); field(err) != "proof" {
		t.Errorf("%v", err)
	}
}

func TestVisitAtTheDeskHasNoPageAndStartsWithVersionOne(t *testing.T) {
	b := open(t)
	b.codes.off = true
	v := b.bring(visitor.Person{})
	var n int
	err := b.site.QueryRow(t.Context(), `SELECT count(*) FROM visitor WHERE site = $1 AND hash = $2`, []byte{}).Scan(&n)
	if err != nil || n != 1 || v.Version != 1 || len(v.ID) != 12 {
		t.Errorf("%d rows without a key, %v, %+v", n, err, v)
	}
	if _, err := b.Desk.Bring(t.Context(), desk, visitor.Brought{Text: "x"},
		visitor.Person{Name: "a\u202eb"}); field(err) != "name" {
		t.Errorf("%v", err)
	}
	b.report.Recipient = visitor.Recipient{Readable: true, Subject: "did:x"}
	b.codes.off = false
	if err := b.Desk.MailCode(t.Context(), desk, b.bring(visitor.Person{}).ID); field(err) != "code" {
		t.Errorf("a code for a badge without an address: %v", err)
	}
	var conflict *fault.Conflict
	_, err = b.Desk.LetIn(t.Context(), desk, v.ID, 3, b.entry())
	if !errors.As(err, &conflict) || conflict.Have != 1 || conflict.Got != 3 {
		t.Errorf("%v", err)
	}
}

// Without the database, each method returns the error, and nothing is half done.
func TestErrorsOfTheDatabaseAreReturned(t *testing.T) {
	b := open(t)
	set(b, func(v *visitor.Values) { v.Self = true })
	v := b.bring(visitor.Person{})
	key, err := b.Arrivals.Bring(t.Context(), visitor.Brought{Text: "x"}, visitor.Person{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, list := b.Desk.List(ctx, desk)
	_, get := b.Desk.Get(ctx, desk, v.ID)
	_, bring := b.Desk.Bring(ctx, desk, visitor.Brought{Text: "x"}, visitor.Person{})
	_, page := b.Arrivals.Get(ctx, key)
	_, change := b.Settings.Change(ctx, desk, 2, func(v *visitor.Values) error { v.Days = 9; return nil })
	_, open := visitor.New(ctx, b.options())
	_, is := b.IsVisitor(ctx, "m-1")
	for i, err := range []error{list, get, bring, page, change, open, is, b.Keeper.Once(ctx),
		b.Desk.Dismiss(ctx, desk, v.ID)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if now, _ := b.Settings.Get(t.Context(), desk); now.Days != 1 || now.Version != 2 {
		t.Errorf("a change that failed is in force: %+v", now)
	}
	err = b.site.Write(t.Context(), func(tx *store.Tx) error {
		if b.Forget(ctx, tx, "m-1") == nil {
			t.Error("Forget hides the error of the database")
		}
		_, err := tx.Exec(t.Context(), `UPDATE visitor SET erase_day = 'x' WHERE site = $1`)
		return err
	})
	if err == nil {
		_, err = b.Desk.Get(t.Context(), desk, v.ID)
	}
	if err == nil || !strings.Contains(err.Error(), "x") {
		t.Errorf("a day that cannot be read: %v", err)
	}
	if _, err := b.Desk.List(t.Context(), desk); err == nil {
		t.Error("a list with a day that cannot be read")
	}
}

// Run reports an error, and tries again every five minutes. An error at the end of the program is not reported.
func TestKeeperReportsItsErrors(t *testing.T) {
	b := open(t)
	b.mustLetIn(b.bring(visitor.Person{}), b.entry())
	b.now = b.now.AddDate(0, 0, 1)
	b.fail = errors.New("the disk is full")
	run := func(stops bool) string {
		var log strings.Builder
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), 11*time.Minute)
			defer stop()
			o := b.options()
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			o.End = func(context.Context, actor.Actor, policy.MemberID) error {
				if stops {
					stop()
				}
				return b.fail
			}
			sv, err := visitor.New(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if err := sv.Keeper.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		return log.String()
	}
	if log := run(false); strings.Count(log, "visits were not ended") != 3 || !strings.Contains(log, "the disk is full") {
		t.Errorf("reported: %s", log)
	}
	if log := run(true); log != "" {
		t.Errorf("reported at the end: %s", log)
	}
}
