package account_test

import (
	"testing"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/policy"
)

func TestNoticesGoToOwnersAndAdministratorsWithAnAddress(t *testing.T) {
	b := open(t)
	for _, x := range []account.Account{
		{Name: "olga@lab.example", Site: actor.Owner}, {Name: "adele@lab.example", Site: actor.Administrator},
		{Name: "root", Site: actor.Owner},
		{Name: "lea@lab.example", Machines: map[policy.MachineID]actor.Role{"laser": actor.Maintainer}},
		{Name: "off@lab.example", Site: actor.Administrator},
	} {
		added := b.add(x)
		if x.Name != "off@lab.example" {
			continue
		}
		if _, err := b.Registry.Change(t.Context(), actor.Local("root"), added.ID, added.Version,
			func(a *account.Account) error { a.Disabled = true; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Outbox.TellAdministrators(t.Context(), "A list\r\nBcc: eve@lab.example", "waits"); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	rows, err := b.site.Query(t.Context(), `SELECT recipient FROM account_mail WHERE site = $1 AND body = 'waits'
		AND subject = 'A list  Bcc: eve@lab.example'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var to string
		if err := rows.Scan(&to); err != nil {
			t.Fatal(err)
		}
		got[to] = true
	}
	if len(got) != 2 || !got["olga@lab.example"] || !got["adele@lab.example"] || rows.Err() != nil {
		t.Errorf("mails to %v, %v", got, rows.Err())
	}
}

// A mail server may be down for a weekend; a sign-in link would have expired by then.
func TestNoticeIsSentAfterAnOutage(t *testing.T) {
	for name, c := range map[string]struct {
		down time.Duration
		sent int
	}{"two days": {48 * time.Hour, 1}, "four days": {96 * time.Hour, 0}} {
		t.Run(name, func(t *testing.T) {
			b := open(t)
			b.add(account.Account{Name: "olga@lab.example", Site: actor.Owner})
			if err := b.Outbox.TellAdministrators(t.Context(), "s", "b"); err != nil {
				t.Fatal(err)
			}
			b.pass(c.down)
			b.SendDue(t.Context())
			if len(b.sink.mails) != c.sent {
				t.Errorf("%d mails, want %d", len(b.sink.mails), c.sent)
			}
		})
	}
}

func TestNoticeWithoutMailServerIsNoError(t *testing.T) {
	b := open(t, func(o *account.Options) { o.Mail = nil })
	b.add(account.Account{Name: "olga@lab.example", Site: actor.Owner})
	if err := b.Outbox.TellAdministrators(t.Context(), "s", "b"); err != nil ||
		b.count(`SELECT count(*) FROM account_mail WHERE site = $1`) != 0 {
		t.Error(err)
	}
}
