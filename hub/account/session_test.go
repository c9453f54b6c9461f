package account_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/policy"
)

func TestVisitorGetsNoCookieBeforeSignIn(t *testing.T) {
	b := open(t)
	w := b.browser()
	w.get()
	if err := w.signIn("nobody", "wrong wrong wrong"); !errors.Is(err, account.ErrWrong) {
		t.Fatal(err)
	}
	if len(w.cookies) != 0 || w.answer.Header().Get("Set-Cookie") != "" {
		t.Errorf("cookies %v", w.cookies)
	}
	if n := b.count(`SELECT count(*) FROM account_session WHERE site = $1`); n != 0 {
		t.Errorf("%d sessions are kept", n)
	}
}

func TestCookieIsBoundToTheHostAndNotReadableByScripts(t *testing.T) {
	b := open(t)
	b.owner()
	w := b.browser()
	if err := w.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	c := w.answer.Result().Cookies()[0]
	if c.Name != "__Host-portillon" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" ||
		c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	b.o.URL, b.o.Mail = nil, nil
	b.restart()
	w = b.browser()
	if err := w.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	if c := w.answer.Result().Cookies()[0]; c.Name != "portillon" || c.Secure {
		t.Errorf("cookie in the clear: %+v", c)
	}
}

// An attacker may plant a session in another person's browser, or read the cookie before sign-in. When the person signs
// in, the attacker must not be signed in.
func TestSignInInvalidatesThePreviousToken(t *testing.T) {
	b := open(t)
	b.owner()
	attacker := b.browser()
	if err := attacker.do("POST", func(ctx context.Context) error {
		return b.Links.MailLink(ctx,
			"lea@biklab.example")
	}); err != nil {
		t.Fatal(err)
	}
	planted := attacker.cookie()
	if planted == "" {
		t.Fatal("no session to plant")
	}
	victim := b.browser()
	for _, value := range []string{planted, "a-value-of-the-attackers-own"} {
		victim.cookies["__Host-portillon"] = &http.Cookie{Name: "__Host-portillon", Value: value}
		if err := victim.signIn("owner", good); err != nil {
			t.Fatal(err)
		}
		if victim.cookie() == value || victim.cookie() == "" {
			t.Errorf("the cookie is %q after sign-in", victim.cookie())
		}
		attacker.cookies["__Host-portillon"] = &http.Cookie{Name: "__Host-portillon", Value: value}
		if a := attacker.get(); a.Account != "" {
			t.Errorf("the attacker is %+v", a)
		}
	}
	if victim.get().Site != actor.Owner {
		t.Error("the victim is not signed in")
	}
}

func TestTokenIsNewAtEachSignInAndChangeOfPassword(t *testing.T) {
	b := open(t)
	b.owner()
	w, other := b.browser(), b.browser()
	seen := map[string]bool{}
	for range 2 {
		if err := w.signIn("owner", good); err != nil {
			t.Fatal(err)
		}
		seen[w.cookie()] = true
	}
	if err := other.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	change := func(ctx context.Context) error {
		return b.Passwords.ChangePassword(ctx, account.ActorOf(ctx), good, "another random text")
	}
	if err := w.do("POST", change); err != nil {
		t.Fatal(err)
	}
	seen[w.cookie()] = true
	if len(seen) != 3 {
		t.Errorf("%d different cookies, want 3", len(seen))
	}
	if w.get().Account == "" || other.get().Account != "" {
		t.Errorf("after a change of password: this browser %q, the other %q", w.seen.Account, other.seen.Account)
	}
}

func TestSessionTokensAreStoredHashed(t *testing.T) {
	b := open(t)
	b.owner()
	w := b.browser()
	if err := w.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	rows, err := b.site.Query(t.Context(), `SELECT hash, id, CAST(data AS TEXT) FROM account_session WHERE site = $1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash, id, data string
		if err := rows.Scan(&hash, &id, &data); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(hash+id+data, w.cookie()) {
			t.Error("the cookie stands in the database")
		}
	}
}

func TestSessionEndsAfterItsIdleTimeAndItsLifetime(t *testing.T) {
	for _, c := range []struct {
		what string
		role account.Account
		step time.Duration // between requests
		end  time.Duration // the session must end this long after the sign-in
	}{
		{"idle administrator", account.Account{Name: "x", Site: actor.Administrator}, 2 * time.Hour, 2 * time.Hour},
		{"active administrator", account.Account{Name: "x", Site: actor.Administrator}, time.Hour, 12 * time.Hour},
		{"idle member", account.Account{Name: "x", Site: actor.Member, Member: "m-lea"}, 7 * 24 * time.Hour,
			7 * 24 * time.Hour},
		{"member with daily requests", account.Account{Name: "x", Site: actor.Member, Member: "m-lea"}, 24 * time.Hour,
			30 * 24 * time.Hour},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := open(t)
			b.add(c.role)
			w := b.browser()
			if err := w.signIn("x", good); err != nil {
				t.Fatal(err)
			}
			for passed := c.step; passed < c.end; passed += c.step {
				b.pass(c.step)
				if w.get().Account == "" {
					t.Fatalf("ended after %v", passed)
				}
			}
			b.pass(c.step)
			if w.get().Account != "" {
				t.Error("goes on")
			}
		})
	}
}

func TestSignOutEndsTheSession(t *testing.T) {
	b := open(t)
	x := b.owner()
	w, other := b.browser(), b.browser()
	for _, br := range []*browser{w, other} {
		if err := br.signIn("owner", good); err != nil {
			t.Fatal(err)
		}
	}
	kept := w.cookie()
	if err := w.do("POST", b.Sessions.SignOut); err != nil {
		t.Fatal(err)
	}
	if w.cookie() != "" {
		t.Error("the cookie is kept")
	}
	w.cookies["__Host-portillon"] = &http.Cookie{Name: "__Host-portillon", Value: kept}
	if w.get().Account != "" || other.get().Account == "" {
		t.Error("the wrong session ended")
	}
	if err := other.do("POST", func(ctx context.Context) error {
		return b.Sessions.EndAll(ctx, account.ActorOf(ctx),
			x.ID)
	}); err != nil {
		t.Fatal(err)
	}
	if other.get().Account != "" {
		t.Error("signed in after signing out everywhere")
	}
}

func TestOneSessionCanBeEnded(t *testing.T) {
	b := open(t)
	x := b.owner()
	w, other := b.browser(), b.browser()
	w.header.Set("User-Agent", "Firefox\r\nX: y\x1b[2J"+strings.Repeat("é", 500))
	for _, br := range []*browser{w, other} {
		if err := br.signIn("owner", good); err != nil {
			t.Fatal(err)
		}
	}
	var all []account.Session
	list := func(ctx context.Context) (err error) {
		all, err = b.Sessions.Active(ctx, account.ActorOf(ctx), x.ID)
		return err
	}
	if err := w.do("GET", list); err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for _, s := range all {
		if strings.ContainsAny(s.Agent, "\r\n\x1b") || len(s.Agent) > 200 || s.Address != "192.0.2.1" {
			t.Errorf("session %+v", s)
		}
		if !s.Current {
			if err := b.Sessions.End(t.Context(), root, x.ID, s.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if other.get().Account != "" || w.get().Account == "" {
		t.Error("the wrong session ended")
	}
	if err := b.Sessions.End(t.Context(), root, x.ID, "s-none"); !missing(err) {
		t.Error(err)
	}
}

// A request that began before EndAll writes its session afterwards. The session must stay ended.
func TestSessionStaysEndedIfARequestWritesItAfterEndAll(t *testing.T) {
	b := open(t)
	x := b.owner()
	w := b.browser()
	if err := w.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	err := w.do("POST", func(ctx context.Context) error {
		// MailLink changes the session, so that the session is written when the request ends, after EndAll.
		if err := b.Links.MailLink(ctx, "lea@biklab.example"); err != nil {
			return err
		}
		return b.Sessions.EndAll(t.Context(), root, x.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := w.get(); a.Account != "" {
		t.Errorf("signed in as %+v", a)
	}
}

func TestChangeOfRightsEndsSessions(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*account.Account) error
		ends   bool
	}{
		{"role", func(x *account.Account) error { x.Site = actor.Administrator; return nil }, true},
		{"role at a machine", func(x *account.Account) error {
			x.Machines = map[policy.MachineID]actor.Role{"saw": actor.Maintainer}
			return nil
		}, true},
		{"disabled", func(x *account.Account) error { x.Disabled = true; return nil }, true},
		{"member", func(x *account.Account) error { x.Member = "m-karim"; return nil }, true},
		{"name", func(x *account.Account) error { x.Name = "y"; return nil }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := open(t)
			x := b.add(account.Account{Name: "x", Member: "m-lea", Site: actor.Member})
			w := b.browser()
			if err := w.signIn("x", good); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Registry.Change(t.Context(), root, x.ID, x.Version, c.change); err != nil {
				t.Fatal(err)
			}
			if ended := w.get().Account == ""; ended != c.ends {
				t.Errorf("session ended: %v, want %v", ended, c.ends)
			}
			now := b.currentAccount(x)
			if _, err := b.Registry.Disable(t.Context(), root, x.ID, now.Version, false); err != nil {
				t.Fatal(err)
			}
			if ended := w.get().Account == ""; ended != c.ends {
				t.Errorf("session ended: %v after the account is let in again, want %v", ended, c.ends)
			}
		})
	}
}

func TestBadgesGiveRolesOnlyAtMachines(t *testing.T) {
	b := open(t)
	x := b.add(account.Account{Name: "lea", Member: "m-lea",
		Machines: map[policy.MachineID]actor.Role{"drill": actor.Maintainer}})
	w := b.browser()
	if err := w.signIn("lea", good); err != nil {
		t.Fatal(err)
	}
	a := w.get()
	if a.Site != actor.Member || len(a.Machines) != 2 || a.Machines["laser"] != actor.Mentor ||
		a.Machines["drill"] != actor.Maintainer {
		t.Errorf("actor %+v", a)
	}
	got, err := b.Registry.Get(t.Context(), root, x.ID)
	if err != nil || len(got.Earned) != 1 || len(got.Machines) != 1 {
		t.Errorf("account %+v, %v", got, err)
	}
}

func TestNumberOfSessionsPerAccountIsBounded(t *testing.T) {
	b := open(t)
	b.owner()
	for range 55 {
		w := b.browser()
		if err := w.signIn("owner", good); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Second)
	}
	if n := b.count(`SELECT count(*) FROM account_session WHERE site = $1`); n > 50 {
		t.Errorf("%d sessions", n)
	}
}

func TestReadingAPageDoesNotWriteToTheDatabase(t *testing.T) {
	b := open(t)
	b.owner()
	w := b.browser()
	if err := w.signIn("owner", good); err != nil {
		t.Fatal(err)
	}
	before := w.cookie()
	changes := func() int { return b.count(`SELECT seen FROM account_session WHERE site = $1`) }
	was := changes()
	b.pass(30 * time.Second)
	w.get()
	if changes() != was || w.answer.Header().Get("Set-Cookie") != "" || w.cookie() != before {
		t.Error("a read within a minute writes the session")
	}
	b.pass(31 * time.Second)
	w.get()
	if changes() == was {
		t.Error("a read after a minute is not noted")
	}
}

func TestTokenAndSessionAreNeverUsedTogether(t *testing.T) {
	b := open(t)
	x := b.owner()
	token, err := b.Tokens.Issue(t.Context(), actor.Actor{Account: x.ID, Site: actor.Owner}, "script",
		[]actor.Act{actor.ReadMembers}, b.now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	w := b.browser()
	w.header.Set("Authorization", "Bearer "+token.Text)
	if err := w.do("POST", nil); err != nil || w.answer.Code != 200 || w.seen.Token != token.ID {
		t.Fatal(err, w.answer.Code, w.seen)
	}
	if w.answer.Header().Get("Set-Cookie") != "" {
		t.Error("a token got a cookie")
	}
	w.cookies["__Host-portillon"] = &http.Cookie{Name: "__Host-portillon", Value: "x"}
	if w.get(); w.answer.Code != 400 || w.seen.Account != "" {
		t.Errorf("both: %d, %+v", w.answer.Code, w.seen)
	}
	delete(w.cookies, "__Host-portillon")
	for _, wrong := range []string{"", "Bearer", "Bearer ptl_x", "Basic " + token.Text, token.Text,
		"Bearer " + token.Text + "x", "Bearer " + strings.ToUpper(token.Text)} {
		w.header.Set("Authorization", wrong)
		if w.get(); w.answer.Code != 401 || w.seen.Account != "" {
			t.Errorf("%q: %d, %+v", wrong, w.answer.Code, w.seen)
		}
	}
}

func TestLimitsCountIPv6AddressesByTheir64BitNetwork(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::":       "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "unknown", "x": "unknown"} {
		if got := account.Network(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestLogContainsNoInputOfVisitors(t *testing.T) {
	b := open(t)
	w := b.browser()
	w.header.Set("User-Agent", "x\nlevel=ERROR msg=forged")
	if err := w.signIn("ines\nlevel=ERROR msg=forged", "secret of somebody"); !errors.Is(err, account.ErrWrong) {
		t.Fatal(err)
	}
	out := b.log.String()
	if strings.Contains(out, "forged") || strings.Contains(out, "secret") || strings.Count(out, "\n") != 1 ||
		!strings.Contains(out, "request=") {
		t.Errorf("log: %q", out)
	}
}
