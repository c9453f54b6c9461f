package account_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/policy"
)

// standings contains the standing of each member. A member whose id is not in the map is not in the directory.
func standings(of map[policy.MemberID]account.Standing) func(*account.Options) {
	return func(o *account.Options) {
		o.People.Standing = func(_ context.Context, id policy.MemberID) (account.Standing, error) {
			if of[id] == "broken" {
				return "", errors.New("the directory cannot be read")
			}
			return of[id], nil
		}
	}
}

// The test checks the effects of a membership's end on open sessions and on new sign-ins, as described in docs/hub.md.
func TestChangeOfStandingTakesEffectAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("short: hashes passwords")
	}
	const nobody, own, all = "nobody", "own record", "all"
	for _, c := range []struct {
		name     string
		given    account.Account
		standing account.Standing
		want     string
	}{
		{"current member", account.Account{Member: "m-lea", Site: actor.Member}, account.Current, all},
		{"lapsed member", account.Account{Member: "m-lea", Site: actor.Member}, account.Lapsed, own},
		{"lapsed mentor", account.Account{Member: "m-lea", Machines: roles("saw", actor.Maintainer)}, account.Lapsed, own},
		{"lapsed administrator", account.Account{Member: "m-lea", Site: actor.Administrator}, account.Lapsed, all},
		{"visitor", account.Account{Member: "m-lea", Site: actor.Member}, account.Visitor, own},
		{"visiting mentor", account.Account{Member: "m-lea", Machines: roles("saw", actor.Mentor)}, account.Visitor, own},
		{"visiting administrator", account.Account{Member: "m-lea", Site: actor.Administrator}, account.Visitor, own},
		{"visiting owner", account.Account{Member: "m-lea", Site: actor.Owner}, account.Visitor, all},
		{"blocked member", account.Account{Member: "m-lea", Site: actor.Member}, account.Blocked, nobody},
		{"blocked mentor", account.Account{Member: "m-lea", Machines: roles("saw", actor.Mentor)}, account.Blocked, nobody},
		{"blocked administrator", account.Account{Member: "m-lea", Site: actor.Administrator}, account.Blocked, nobody},
		{"blocked owner", account.Account{Member: "m-lea", Site: actor.Owner}, account.Blocked, all},
		{"unknown member", account.Account{Member: "m-lea", Site: actor.Member}, "", nobody},
		{"unreadable directory", account.Account{Member: "m-lea", Site: actor.Member}, "broken", nobody},
		{"mentor without a member", account.Account{Machines: roles("saw", actor.Mentor)}, account.Blocked, all},
	} {
		of := map[policy.MemberID]account.Standing{"m-lea": account.Current}
		b := open(t, standings(of))
		c.given.Name = "lea"
		x := b.add(c.given)
		w := b.browser()
		if err := w.signIn("lea", good); err != nil {
			t.Fatal(err)
		}
		before := w.get()
		token, err := b.Tokens.Issue(t.Context(), actor.Actor{Account: x.ID}, "script", actor.Acts(), b.now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		of["m-lea"] = c.standing
		fresh := b.browser()
		refused := fresh.signIn("lea", good)
		if (refused != nil) != (c.want == nobody) ||
			refused != nil && c.standing != "broken" && !errors.Is(refused, account.ErrWrong) {
			t.Errorf("%s: signing in: %v", c.name, refused)
		}
		byToken, err := b.Tokens.FromToken(t.Context(), token.Text, "")
		if (err != nil) != (c.want == nobody) {
			t.Errorf("%s: token: %v", c.name, err)
		}
		byToken.Scopes, byToken.Token = nil, ""
		for how, got := range map[string]actor.Actor{"session": w.get(), "new session": fresh.get(), "token": byToken} {
			may := func(act actor.Act, on actor.Target) bool { return got.May(act, on) == nil }
			switch {
			case c.want == nobody && got.Account != "":
				t.Errorf("%s: %s is %+v", c.name, how, got)
			case c.want == own && (!may(actor.ReadOwn, actor.Target{Member: "m-lea"}) ||
				may(actor.ReadMachines, actor.Target{}) || got.Site != "" || got.Machines != nil):
				t.Errorf("%s: %s is %+v", c.name, how, got)
			case c.want == all && (got.Site != before.Site ||
				c.standing != account.Lapsed && len(got.Machines) != len(before.Machines)):
				t.Errorf("%s: %s is %+v, was %+v", c.name, how, got, before)
			}
		}
		// When the membership is renewed, the same session works again, because the end of the membership did not
		// remove the session.
		of["m-lea"] = account.Current
		if got := w.get(); got.Account != x.ID || got.Site != before.Site {
			t.Errorf("%s: current again: %+v", c.name, got)
		}
	}
}

func TestBlockedMemberCannotSignInByLinkOrCode(t *testing.T) {
	of := map[policy.MemberID]account.Standing{"m-lea": account.Current, "m-karim": account.Lapsed}
	b := open(t, standings(of))
	b.owner()
	w := b.browser()
	link := w.requestLink("lea@biklab.example")
	printed, err := b.PrintedCodes.Print(t.Context(), root, []policy.MemberID{"m-lea", "m-karim"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	of["m-lea"] = account.Blocked
	err = w.do("POST", func(ctx context.Context) error { _, err := b.Links.UseLink(ctx, link, ""); return err })
	if !errors.Is(err, account.ErrCode) {
		t.Errorf("link: %v", err)
	}
	use := func(code string) (got actor.Actor, err error) {
		w := b.browser()
		err = w.do("POST", func(ctx context.Context) (err error) { got, err = b.PrintedCodes.UseCode(ctx, code); return err })
		return got, err
	}
	if _, err := use(printed[0].Code); !errors.Is(err, account.ErrCode) {
		t.Errorf("printed code: %v", err)
	}
	if got, err := use(printed[2].Code); err != nil || got.Site != "" || got.Member != "m-karim" {
		t.Errorf("lapsed member by a printed code: %+v, %v", got, err)
	}
	of["m-lea"] = account.Current
	if _, err := use(printed[0].Code); err != nil {
		t.Errorf("the code was used up while its member was blocked: %v", err)
	}
	if b.browser().requestLink("nobody@biklab.example") != "" {
		t.Error("a mail to an unknown address")
	}
	of["m-lea"] = account.Blocked
	if got := b.browser().requestLink("lea@biklab.example"); got != "" {
		t.Error("a blocked member is sent a link")
	}
}

// during calls f while a request is being served. The argument now of f is a function that returns the current actor of
// the request's session.
func (w *browser) during(f func(now func() (actor.Actor, error)) error) error {
	w.b.t.Helper()
	return w.do("GET", func(ctx context.Context) error {
		r := httptest.NewRequestWithContext(ctx, "GET", "https://hub.biklab.example/", nil)
		return f(func() (actor.Actor, error) { return w.b.Sessions.ActorNow(r) })
	})
}

// A long response must notice that its session has ended.
func TestActorNowIsZeroAfterTheSessionEnded(t *testing.T) {
	for name, end := range map[string]func(*bench, account.Account, string) error{
		"session ended": func(b *bench, x account.Account, session string) error {
			return b.Sessions.End(b.t.Context(), root, x.ID, session)
		},
		"signed out everywhere": func(b *bench, x account.Account, _ string) error {
			return b.Sessions.EndAll(b.t.Context(), root, x.ID)
		},
		"account disabled": func(b *bench, x account.Account, _ string) error {
			_, err := b.Registry.Disable(b.t.Context(), root, x.ID, x.Version, true)
			return err
		},
		"time": func(b *bench, _ account.Account, _ string) error { b.pass(13 * time.Hour); return nil },
	} {
		b := open(t)
		b.owner()
		x := b.add(account.Account{Name: "boss", Site: actor.Owner})
		w := b.browser()
		if err := w.signIn("boss", good); err != nil {
			t.Fatal(err)
		}
		err := w.during(func(now func() (actor.Actor, error)) error {
			if got, err := now(); err != nil || got.Account != x.ID {
				t.Errorf("%s: before: %+v, %v", name, got, err)
			}
			all, err := b.Sessions.Active(t.Context(), root, x.ID)
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			if err := end(b, x, all[0].ID); err != nil {
				return err
			}
			got, err := now()
			if err != nil || got.Account != "" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			return nil
		})
		if err != nil {
			t.Error(name, err)
		}
	}
}

// The event stream and the refreshes of an open administrator page do not extend the session.
func TestRequestsOfAnOpenPageDoNotExtendTheSession(t *testing.T) {
	for name, open2h := range map[string]func(b *bench, w *browser) error{
		"event stream": func(b *bench, w *browser) error {
			return w.during(func(now func() (actor.Actor, error)) error {
				for range 13 {
					b.pass(10 * time.Minute)
					if _, err := now(); err != nil {
						return err
					}
				}
				return nil
			})
		},
		"refreshes": func(b *bench, w *browser) error {
			w.header.Set(account.BackgroundHeader, "1")
			defer w.header.Del(account.BackgroundHeader)
			for range 13 {
				b.pass(10 * time.Minute)
				w.get()
			}
			return nil
		},
	} {
		b := open(t)
		b.owner()
		w := b.browser()
		if err := w.signIn("owner", good); err != nil {
			t.Fatal(err)
		}
		if err := open2h(b, w); err != nil || w.get().Account != "" {
			t.Errorf("%s: signed in after two hours without a use: %v", name, err)
		}
	}
}
