package account_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/policy"
)

// requestLink requests a link for an address, and returns the mailed code, or an empty string if no mail was sent.
func (w *browser) requestLink(address string) string {
	w.b.t.Helper()
	if err := w.do("POST", func(ctx context.Context) error { return w.b.Links.MailLink(ctx, address) }); err != nil {
		w.b.t.Fatal(err)
	}
	return w.b.sendMails()
}

// sendMails sends the mails in the outbox, and returns the code of the last mail.
func (b *bench) sendMails() string {
	b.t.Helper()
	b.sink.mails = nil
	b.SendDue(b.t.Context())
	if len(b.sink.mails) == 0 {
		return ""
	}
	m := linkIn.FindStringSubmatch(b.sink.mails[len(b.sink.mails)-1].Body)
	if m == nil {
		b.t.Fatalf("no link in %+v", b.sink.mails)
	}
	return m[1]
}

func (w *browser) useLink(code string, m policy.MemberID) error {
	w.b.t.Helper()
	return w.do("POST", func(ctx context.Context) error { _, err := w.b.Links.UseLink(ctx, code, m); return err })
}

func TestLinkSignsInOnceInTheRequestingBrowser(t *testing.T) {
	b := open(t)
	w, other := b.browser(), b.browser()
	code := w.requestLink("Lea@biklab.example")
	if len(code) != 26 {
		t.Fatalf("code %q", code)
	}
	if c := w.answer.Result().Cookies(); len(c) != 1 {
		t.Errorf("cookies %v", c)
	}
	if err := other.useLink(code, ""); !errors.Is(err, account.ErrCode) {
		t.Errorf("another browser: %v", err)
	}
	// The other browser now has a session, but another browser requested the link.
	other.requestLink("lea@biklab.example")
	if err := other.useLink(code, ""); !errors.Is(err, account.ErrCode) {
		t.Errorf("another browser that asked too: %v", err)
	}
	if err := w.useLink(code, ""); err != nil {
		t.Fatal(err)
	}
	if a := w.get(); a.Member != "m-lea" || a.Site != actor.Member || a.Machines["laser"] != actor.Mentor {
		t.Errorf("signed in as %+v", a)
	}
	if err := w.useLink(code, ""); !errors.Is(err, account.ErrCode) {
		t.Errorf("a second time: %v", err)
	}
}

// Mail scanners open every link several times, without cookies.
func TestOpenedLinkStaysValid(t *testing.T) {
	b := open(t)
	w, scanner := b.browser(), b.browser()
	scanner.from = "198.51.100.1:1"
	code := w.requestLink("lea@biklab.example")
	for range 5 {
		err := scanner.do("GET", func(ctx context.Context) error { _, err := b.Links.Link(ctx, code); return err })
		if !errors.Is(err, account.ErrCode) || scanner.get().Account != "" {
			t.Fatalf("scanner: %v, %+v", err, scanner.seen)
		}
	}
	for range 3 { // The user opens the page of the link and reloads it.
		var people []account.Person
		err := w.do("GET", func(ctx context.Context) (err error) { people, err = b.Links.Link(ctx, code); return err })
		if err != nil || len(people) != 1 || people[0].ID != "m-lea" || w.get().Account != "" {
			t.Fatal(err, people)
		}
	}
	if err := w.useLink(code, ""); err != nil {
		t.Error(err)
	}
}

func TestLinkUsedInParallelSignsInOnce(t *testing.T) {
	b := open(t)
	w := b.browser()
	code := w.requestLink("lea@biklab.example")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		same := b.browser()
		same.cookies["__Host-portillon"] = w.cookies["__Host-portillon"]
		wg.Go(func() { errs[i] = same.useLink(code, "") })
	}
	wg.Wait()
	in := 0
	for _, err := range errs {
		if err == nil {
			in++
		} else if !errors.Is(err, account.ErrCode) {
			t.Error(err)
		}
	}
	if in != 1 {
		t.Errorf("%d were accepted", in)
	}
}

func TestLinkExpiresAfter15Minutes(t *testing.T) {
	b := open(t)
	w := b.browser()
	code := w.requestLink("lea@biklab.example")
	b.pass(15*time.Minute - time.Second)
	if err := w.do("GET", func(ctx context.Context) error { _, err := b.Links.Link(ctx, code); return err }); err != nil {
		t.Errorf("before: %v", err)
	}
	b.pass(time.Second)
	if err := w.useLink(code, ""); !errors.Is(err, account.ErrCode) {
		t.Errorf("after: %v", err)
	}
}

func TestLinkToASharedAddressLetsTheVisitorChooseAMember(t *testing.T) {
	b := open(t)
	w := b.browser()
	code := w.requestLink("family@biklab.example")
	err := w.useLink(code, "")
	var choose *account.Choose
	if !errors.As(err, &choose) || len(choose.Members) != 2 {
		t.Fatal(err)
	}
	if err := w.useLink(code, "m-lea"); !errors.Is(err, account.ErrCode) {
		t.Errorf("a member of another address: %v", err)
	}
	if err := w.useLink(code, "m-ines"); err != nil || w.get().Member != "m-ines" {
		t.Errorf("%v, %+v", err, w.seen)
	}
}

func TestLinkOfAMinorIsMailedToTheGuardian(t *testing.T) {
	b := open(t)
	w := b.browser()
	code := w.requestLink("guardian@biklab.example")
	if to := b.sink.mails[0].To; to != "guardian@biklab.example" {
		t.Errorf("sent to %q", to)
	}
	if err := w.useLink(code, ""); err != nil || w.get().Member != "m-zoe" {
		t.Errorf("%v, %+v", err, w.seen)
	}
}

func TestLinksNeverSignInAdministratorsOrOwners(t *testing.T) {
	for _, role := range []actor.Role{actor.Administrator, actor.Owner} {
		b := open(t)
		x := b.add(account.Account{Name: "lea", Member: "m-lea", Site: role})
		w := b.browser()
		if code := w.requestLink("lea@biklab.example"); code != "" {
			t.Errorf("%s: a link was sent", role)
		}
		// A member who becomes an administrator cannot sign in with a link from before the change.
		b.owner()
		if x, err := b.Registry.SetRole(t.Context(), root, x.ID, x.Version, actor.Member); err != nil {
			t.Fatal(err)
		} else if code := w.requestLink("lea@biklab.example"); code == "" {
			t.Error("no link for a member")
		} else if _, err := b.Registry.SetRole(t.Context(), root, x.ID, x.Version, role); err != nil {
			t.Fatal(err)
		} else if err := w.useLink(code, "m-lea"); !errors.Is(err, account.ErrCode) {
			t.Errorf("%s: %v", role, err)
		}
		if _, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea"}, 1); !invalid(err) {
			t.Errorf("%s: printed code: %v", role, err)
		}
	}
}

func TestDisabledAccountCannotSignInByLinkOrCode(t *testing.T) {
	b := open(t)
	x := b.add(account.Account{Name: "lea", Member: "m-lea", Site: actor.Member})
	w := b.browser()
	code := w.requestLink("lea@biklab.example")
	printed, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Registry.Disable(t.Context(), root, x.ID, x.Version, true); err != nil {
		t.Fatal(err)
	}
	if err := w.useLink(code, ""); !errors.Is(err, account.ErrCode) {
		t.Errorf("link: %v", err)
	}
	if _, err := b.PrintedCodes.UseCode(t.Context(), printed[0].Code); !errors.Is(err, account.ErrCode) {
		t.Errorf("code: %v", err)
	}
}

func TestUnknownAndKnownAddressesGetTheSameResponse(t *testing.T) {
	b := open(t)
	known, unknown := b.browser(), b.browser()
	if known.requestLink("lea@biklab.example") == "" || unknown.requestLink("nobody@biklab.example") != "" {
		t.Error("the wrong one got a mail")
	}
	if a, b := known.answer, unknown.answer; a.Code != b.Code || len(a.Result().Cookies()) != len(b.Result().Cookies()) {
		t.Errorf("%v and %v", a, b)
	}
}

func TestMailsAreLimitedPerRecipientAndPerClientAddress(t *testing.T) {
	b := open(t)
	sent := 0
	for n := range 8 { // Many clients request links for the same recipient; the limit per recipient applies.
		w := b.browser()
		w.from = fmt.Sprintf("198.51.100.%d:1", n)
		if w.requestLink("lea@biklab.example") != "" {
			sent++
		}
	}
	if sent != 3 {
		t.Errorf("%d mails to one address, want 3", sent)
	}
	w := b.browser()
	refused := 0
	for n := range 30 { // One client requests links for many recipients; the limit per client applies.
		if err := w.do("POST", func(ctx context.Context) error {
			return b.Links.MailLink(ctx, fmt.Sprintf("n%d@biklab.example",
				n))
		}); throttled(err) {
			refused++
		}
	}
	if refused != 20 {
		t.Errorf("%d of 30 were refused, want 20", refused)
	}
}

func TestHostOfALinkIsFromTheConfiguration(t *testing.T) {
	b := open(t)
	w := b.browser()
	w.host = "evil.example"
	w.header.Set("X-Forwarded-Host", "evil.example")
	if w.requestLink("lea@biklab.example") == "" || strings.Contains(b.sink.mails[0].Body, "evil") {
		t.Errorf("mail %+v", b.sink.mails)
	}
}

func TestMalformedEmailAddressesAreRefused(t *testing.T) {
	b := open(t)
	w := b.browser()
	if err := b.Links.MailLink(t.Context(), "lea@biklab.example"); !errors.Is(err, account.ErrNoBrowser) {
		t.Errorf("without a browser: %v", err)
	}
	for _, address := range []string{"", "x", "lea@biklab.example\r\nBcc: all@evil.example",
		"lea@biklab.example\nBcc: x@y.example",
		"\"a\r\nBcc: x\"@biklab.example",
		"Léa <lea@biklab.example>", "lea@biklab.example, x@evil.example", "<lea@biklab.example>",
		"a@b.example\x00", strings.Repeat("a", 300) + "@biklab.example", "\u202elea@biklab.example"} {
		if err := w.do("POST", func(ctx context.Context) error { return b.Links.MailLink(ctx, address) }); !invalid(err) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("lea@biklab.example")
	f.Add("\"a b\"@biklab.example")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := account.ParseAddress(s); err == nil && strings.ContainsAny(got, "\r\n\x00,<>") && !strings.Contains(s,
			`"`) {
			t.Errorf("%q became %q", s, got)
		} else if err == nil && strings.ContainsAny(got, "\r\n\x00") {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestMailIsRetriedUntilItsLinkExpires(t *testing.T) {
	b := open(t)
	temporary := errors.New("421 later")
	b.sink.fail = []error{temporary, temporary}
	w := b.browser()
	if w.requestLink("lea@biklab.example") != "" {
		t.Fatal("sent in spite of an error")
	}
	for _, wait := range []time.Duration{5 * time.Second, 10 * time.Second} {
		if b.pass(wait - time.Second); b.sendMails() != "" {
			t.Errorf("sent before %v have passed", wait)
		}
		b.pass(time.Second)
		if sent := b.sendMails() != ""; sent != (wait == 10*time.Second) {
			t.Errorf("sent: %v after %v", sent, wait)
		}
	}
	for range 100 {
		b.sink.fail = append(b.sink.fail, temporary)
	}
	w.requestLink("lea@biklab.example")
	for range 100 {
		b.pass(time.Minute)
		b.sendMails()
	}
	if n := b.count(`SELECT count(*) FROM account_mail WHERE site = $1`); n != 0 || len(b.sink.fail) < 80 {
		t.Errorf("%d mails are left, %d tries", n, 100-len(b.sink.fail))
	}
}

func TestMailIsDroppedAfterAPermanentError(t *testing.T) {
	b := open(t)
	b.sink.fail = []error{&account.Refused{Err: errors.New("550 no such user")}}
	b.browser().requestLink("lea@biklab.example")
	if n := b.count(`SELECT count(*) FROM account_mail WHERE site = $1`); n != 0 {
		t.Errorf("%d mails are left", n)
	}
}

func TestSignInMailIsInTheMembersLanguageAndContainsNoName(t *testing.T) {
	b := open(t, func(o *account.Options) {
		o.Settings = func() account.Settings {
			return account.Settings{Title: "Bik Lab\r\nBcc: x", Language: "en", Contact: "bureau@biklab.example %s", Links: true}
		}
	})
	b.browser().requestLink("lea@biklab.example")
	m := b.sink.mails[0]
	if !strings.HasPrefix(m.Subject, "Se connecter à Bik Lab") || strings.ContainsAny(m.Subject, "\r\n") ||
		strings.Contains(m.Body, "Léa") || !strings.HasSuffix(m.Body, "\nbureau@biklab.example %s\n") {
		t.Errorf("%+v", m)
	}
	b.browser().requestLink("guardian@biklab.example")
	if m := b.sink.mails[0]; !strings.HasPrefix(m.Subject, "Sign in to") || strings.Contains(m.Body, "Zoé") {
		t.Errorf("%+v", m)
	}
}

func TestEmailLinksCanBeDisabledWhileTheHubRuns(t *testing.T) {
	links := true
	b := open(t, func(o *account.Options) {
		o.Settings = func() account.Settings { return account.Settings{Title: "Bik Lab", Language: "en", Links: links} }
	})
	w := b.browser()
	ask := func(ctx context.Context) error { return b.Links.MailLink(ctx, "lea@biklab.example") }
	if err := w.do("POST", ask); err != nil {
		t.Fatal(err)
	}
	links = false
	if err := w.do("POST", ask); !errors.Is(err, account.ErrNoMail) {
		t.Errorf("switched off: %v", err)
	}
}

func TestEmailLinksRequireAConfiguredMailServer(t *testing.T) {
	b := open(t, func(o *account.Options) { o.Mail = nil })
	if err := b.Links.MailLink(t.Context(), "lea@biklab.example"); !errors.Is(err, account.ErrNoMail) {
		t.Error(err)
	}
}

func TestPrintedCodeSignsItsMemberInOnce(t *testing.T) {
	b := open(t)
	out, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea", "m-karim"}, 2)
	if err != nil || len(out) != 4 || out[0].Name != "Léa" {
		t.Fatal(out, err)
	}
	w := b.browser()
	use := func(code string) error {
		return w.do("POST", func(ctx context.Context) error { _, err := b.PrintedCodes.UseCode(ctx, code); return err })
	}
	typed := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(out[2].Code, "-", " "), "0", "o"))
	if err := use(typed); err != nil || w.get().Member != "m-karim" {
		t.Fatal(err, w.seen)
	}
	if err := use(out[2].Code); !errors.Is(err, account.ErrCode) {
		t.Errorf("twice: %v", err)
	}
	if again, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea"}, 1); err != nil {
		t.Fatal(err)
	} else if err := use(out[0].Code); !errors.Is(err, account.ErrCode) {
		t.Errorf("an earlier sheet: %v", err)
	} else if b.pass(91 * 24 * time.Hour); !errors.Is(use(again[0].Code), account.ErrCode) {
		t.Error("after 91 days it works")
	}
	if _, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-none"}, 1); !missing(err) {
		t.Errorf("an unknown member: %v", err)
	}
	for _, n := range []int{0, 11, -1} {
		if _, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea"}, n); !invalid(err) {
			t.Errorf("%d codes: %v", n, err)
		}
	}
	b.verifyAudit()
}

// For 15 minutes after signing in by a link, a member may set a password without entering the old password.
func TestPasswordCanBeSetWithoutTheOldPasswordAfterSignInByLink(t *testing.T) {
	b := open(t)
	b.add(account.Account{Name: "lea", Member: "m-lea", Site: actor.Member})
	w := b.browser()
	set := func(ctx context.Context) error {
		return b.Passwords.ChangePassword(ctx, account.ActorOf(ctx), "", "another random text")
	}
	if err := w.useLink(w.requestLink("lea@biklab.example"), ""); err != nil {
		t.Fatal(err)
	}
	if err := w.do("POST", set); err != nil {
		t.Fatal(err)
	}
	if err := w.useLink(w.requestLink("lea@biklab.example"), ""); err != nil {
		t.Fatal(err)
	}
	b.pass(16 * time.Minute)
	if err := w.do("POST", set); !errors.Is(err, account.ErrWrong) {
		t.Errorf("16 minutes later: %v", err)
	}
	if err := w.signIn("lea", "another random text"); err != nil {
		t.Fatal(err)
	}
	if err := w.do("POST", set); !errors.Is(err, account.ErrWrong) {
		t.Errorf("after signing in by password: %v", err)
	}
}

func TestTypedCodesAreParsedWithAnyCaseAndSeparators(t *testing.T) {
	for in, want := range map[string]string{"ABCDE-FGHJK": "ABCDEFGHJK", " abcde fghjk ": "ABCDEFGHJK", "o0Il1": "00111",
		"ABCDU": "", "é": "",
		"": "", strings.Repeat("A", 200): ""} {
		if got := account.Ungrouped(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzUngrouped(f *testing.F) {
	f.Add("abcde-fghjk")
	f.Fuzz(func(t *testing.T, s string) {
		if out := account.Ungrouped(s); account.Ungrouped(out) != out {
			t.Errorf("%q: %q is read as %q", s, out, account.Ungrouped(out))
		}
	})
}
