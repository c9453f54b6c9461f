package audit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

func TestMemberReadsOnlyEntriesAboutThemself(t *testing.T) {
	b := open(t)
	lea := actor.Actor{Account: "a-lea", Name: "Léa", Member: "m-lea", Site: actor.Member}
	write := func(a actor.Actor, act actor.Act, on, detail string) {
		t.Helper()
		err := b.site.Write(t.Context(), func(tx *store.Tx) error {
			return b.Append(context.WithoutCancel(t.Context()), tx, a, act, on, detail)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(owner, actor.WriteMembers, "member m-lea", "changed until")
	write(owner, actor.WriteMembers, "member m-le", "changed name")
	write(lea, actor.LoseOwnCard, "member m-lea", "card c-1 is lost")
	write(lea, actor.TagMachine, "machine laser", "broken")
	write(lea, actor.WriteMembers, "member m-tom", "changed emails")
	write(owner, actor.PublishPolicy, "policy 2", "x")
	all, err := b.OwnEntries(t.Context(), lea)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range all {
		got += fmt.Sprintf("%s %s %q %q\n", e.By, e.Act, e.On, e.Detail)
	}
	want := "others members.write \"member m-lea\" \"changed until\"\n" +
		"you own.cards \"member m-lea\" \"card c-1 is lost\"\n" +
		"you machines.tag \"\" \"\"\nyou members.write \"\" \"\"\n"
	if got != want {
		t.Errorf("entries\n%swant\n%s", got, want)
	}
	missing, denied := (*fault.NotFound)(nil), (*actor.Denied)(nil)
	if _, err := b.OwnEntries(t.Context(), owner); !errors.As(err, &missing) {
		t.Errorf("an owner without a member: %v", err)
	}
	for _, a := range []actor.Actor{{}, {Account: "x"}, {Account: "a-lea", Member: "m-lea", Scopes: []actor.Act{}}} {
		if _, err := b.OwnEntries(t.Context(), a); !errors.As(err, &denied) {
			t.Errorf("%+v: %v", a, err)
		}
	}
}
