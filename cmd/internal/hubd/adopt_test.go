package hubd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/site"
	"portillon/wire"
)

// oldSite is a site of files whose hub wrote the ledger.db of commit fba9679.
func oldSite(t *testing.T) (files, config string) {
	t.Helper()
	files, dir := filepath.Join(t.TempDir(), "site"), t.TempDir()
	if err := os.CopyFS(files, os.DirFS("../../../site-example")); err != nil {
		t.Fatal(err)
	}
	s, err := site.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	if s.Policy.Site != "biklab" {
		t.Fatalf("the example's site is %q", s.Policy.Site)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("../../../hub/ledger/testdata/fba9679", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	text := "portillon: 1\nsite: biklab # a comment\ndata: data\nkey: secret.key\nmachines:\n" +
		"  laser: { key: \"" + strings.TrimSpace(read("portillon-laser.pub")) + "\", password-file: p1 }\n" +
		"  vinyl: { key: \"" + strings.TrimSpace(read("portillon-vinyl.pub")) + "\", password-file: p1 }\nmqtt: { listen: \"127.0.0.1:0\" }\n"
	key, err := os.ReadFile(filepath.Join(filepath.Dir(configWithKey(t)), "hub.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"hub.yaml": text, "secret.key": string(key), "p1": "password\n", "data/ledger.db": read("ledger.db"),
		"data/tags/t.json": "{}", "data/seal/2026-11-30.key": "k", "data/broker/x": "x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files, filepath.Join(dir, "hub.yaml")
}

func configWithKey(t *testing.T) string { return config(t) }

func TestSiteOfFilesIsAdoptedWithAllThatItHas(t *testing.T) {
	files, old := oldSite(t)
	to := filepath.Join(t.TempDir(), "new")
	var imported *site.Site
	a := adoption{site: files, config: old, to: to, imports: func(_ context.Context, db *store.DB, s *site.Site) error {
		imported = s
		return nil
	}}
	if err := a.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if imported == nil || len(imported.Members) == 0 || a.records != 6 {
		t.Errorf("imported %+v, %d records", imported, a.records)
	}
	was, err := hub.ReadConfig(old)
	if err != nil {
		t.Fatal(err)
	}
	is, err := hub.ReadConfig(filepath.Join(to, "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if is.Data != to || is.Key != filepath.Join(to, "keys", "hub.key") || is.Machines[0].PasswordFile != filepath.Join(to, "keys", "laser.password") ||
		is.Machines[0].Public != was.Machines[0].Public || is.MQTT.Listen != was.MQTT.Listen {
		t.Errorf("%+v", is)
	}
	for _, c := range [][2]string{{was.Key, is.Key}, {was.Machines[0].PasswordFile, is.Machines[0].PasswordFile}} {
		a, _ := os.ReadFile(c[0])
		if b, err := os.ReadFile(c[1]); err != nil || string(a) != string(b) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
	for name, there := range map[string]bool{"tags/t.json": true, "seal/2026-11-30.key": true, "broker": false, "portillon.db": true} {
		if _, err := os.Stat(filepath.Join(to, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := ledger.OpenReadOnly(is.Ledger(), is.Site)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if all, err := l.Generations(t.Context(), "laser"); err != nil || len(all) != 2 || all[0].Records != 270 || all[1].Generation != wire.Generation("2222222222222222") {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := os.Stat(filepath.Join(was.Data, "ledger.db")); err != nil {
		t.Errorf("the hub of before has changed: %v", err)
	}
}

func TestAdoptionThatFailsLeavesNoFolderAndCanBeRepeated(t *testing.T) {
	files, old := oldSite(t)
	to := filepath.Join(t.TempDir(), "new")
	stop := errors.New("stop")
	a := adoption{site: files, config: old, to: to, imports: func(context.Context, *store.DB, *site.Site) error { return stop }}
	if err := a.run(t.Context()); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("a folder that is not complete has its name")
	}
	if said := command(t, 0, "adopt", "-to", to, files, old); !strings.Contains(said, "site biklab, with 2 machines and 6 records") {
		t.Error(said)
	}
	for says, args := range map[string][]string{
		"not empty":  {"adopt", "-to", to, files, old},
		"is missing": {"adopt", files},
		"hub.yaml":   {"adopt", "-to", to + "2", files, "nowhere/hub.yaml"},
	} {
		if said := command(t, 2, args...); !strings.Contains(said, says) {
			t.Errorf("%v: %s", args, said)
		}
	}
}
