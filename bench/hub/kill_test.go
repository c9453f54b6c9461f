package main

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if code, is := beChild(context.Background(), os.Args[1:]); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func TestKilledHubKeepsAcknowledgedDataAndNoPartialChange(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts a hub and its machines")
	}
	var said strings.Builder
	o := options{times: 6, dir: t.TempDir(), out: func(row ...any) { said.WriteString(row[0].(string)) }}
	if err := kill(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "killed 6 times") {
		t.Error(said.String())
	}
}

// The benchmark proves nothing unless its checks detect each kind of lost data.
func TestKillChecksDetectMissingAndPartialData(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts a hub and its machines")
	}
	k, err := newKilled(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for k.changed == 0 || k.acked[k.machine[0]] == 0 {
		if _, err := k.killOneChild(t.Context(), self); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.check(); err != nil {
		t.Fatal(err)
	}
	m := k.machine[0]
	k.acked[m] += 2000
	if err := k.check(); err == nil || !strings.Contains(err.Error(), "acknowledged ones") {
		t.Errorf("a lost record: %v", err)
	}
	k.acked[m] -= 2000
	k.changed += 1000
	if err := k.check(); err == nil || !strings.Contains(err.Error(), "change counter") {
		t.Errorf("a lost change: %v", err)
	}
	k.changed -= 1000
	k.did["account"] = map[string]bool{"lost": true}
	if err := k.check(); err == nil || !strings.Contains(err.Error(), "database lacks the account lost") {
		t.Errorf("a lost account: %v", err)
	}
	delete(k.did, "account")
	db, err := sql.Open("sqlite", k.path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// If a member has only one of two addresses, a change was stored only in part.
	_, err = db.Exec("INSERT INTO member SELECT 'bench', 'm-half', 1, 1, 'x', '', '', 0, 0, '', '', '', 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.check(); err == nil || !strings.Contains(err.Error(), "rows of the kind member") {
		t.Errorf("half a member: %v", err)
	}
}
