package hubd

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"portillon/hub"
	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/store"
)

func TestAccountResetWorksWhileTheHubIsRunning(t *testing.T) {
	path := config(t)
	c, err := hub.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	verb := func(args ...string) (int, string) {
		var out, errs safeBuffer
		code := run(context.Background(), append([]string{"account"}, args...), &out, &errs)
		return code, out.String() + errs.String()
	}
	if code, said := verb("reset", "-config", path, "ines"); code != 2 || !strings.Contains(said, "no such file") {
		t.Errorf("a hub that never ran: %d %s", code, said)
	}
	db, err := store.Open(t.Context(), filepath.Join(c.Data, "portillon.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := account.New(account.Options{Site: db.Site(c.Site), Folder: c.Data, Hash: account.Argon{MiB: 1, Passes: 1,
		Lanes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Registry.Add(t.Context(), actor.Local("root"), account.Account{Name: "ines", Site: actor.Owner},
		"four random words are long"); err != nil {
		t.Fatal(err)
	}
	code, said := verb("reset", "-config", path, "Ines")
	m := regexp.MustCompile(`\n  (\w{5}-\w{5}-\w{5})\n`).FindStringSubmatch(said)
	if code != 0 || m == nil {
		t.Fatalf("%d %s", code, said)
	}
	if _, err := s.Recovery.ResetPassword(t.Context(), m[1], "another random text"); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "verb is unknown"}, {[]string{"delete"}, "verb is unknown"}, {[]string{"reset", "-config", path},
			"0 names given"},
		{[]string{"reset", "-config", path, "nobody"}, `there is no account "nobody"`}, {[]string{"reset", "-config",
			"/nowhere", "x"}, "/nowhere"},
	} {
		if code, said := verb(c.args...); code != 2 || !strings.Contains(said, c.says) {
			t.Errorf("%v: %d %s", c.args, code, said)
		}
	}
}
