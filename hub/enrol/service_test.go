package enrol

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

var (
	admin = actor.Actor{Account: "a1", Name: "Ada", Site: actor.Administrator}
	start = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
)

// bench contains the services on an empty database.
type bench struct {
	*Services
	o     Options
	t     *testing.T
	db    *store.DB
	now   time.Time
	order []wire.Command
	reply wire.Reply
	notes []string // entries that the services wrote to the audit log
}

func newBench(t *testing.T, changes ...func(*Options)) *bench {
	t.Helper()
	db := storetest.Open(t)
	b := &bench{t: t, db: db, now: start, reply: wire.Reply{OK: true}}
	now := func() time.Time { return b.now }
	a, err := OpenAuthority(t.TempDir(), "biklab", now)
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := note.GenerateKey(rand.Reader, "portillon:hub:biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Site:      db.Site("biklab"),
		Now:       now,
		Authority: a,
		Signer:    signer,
		Name:      "hub.test",
		Address:   "https://hub.test:8443",
		Broker:    "ssl://hub.test:8883",
		Pins:      wire.Pins{Site: "biklab", CA: a.Certificate(), PolicyKey: "p", HubKey: public},
		CardKeys:  func() (wire.CardKeys, error) { return wire.CardKeys{Keys: []string{strings.Repeat("5a", 16)}}, nil },
		Fixed:     func() []Fixed { return []Fixed{{ID: "vinyl", Key: "portillon-vinyl+00000000+AAAA"}} },
		Standing: func(policy.MachineID) Standing {
			return Standing{Online: true, Session: &Session{Member: "m-1"}, Tags: []Tag{{ID: "t", By: "Nour"}}}
		},
		Command: func(_ context.Context, _ policy.MachineID, c wire.Command) (wire.Reply, error) {
			b.order = append(b.order, c)
			return b.reply, nil
		},
		Audit: func(_ context.Context, _ *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
			b.notes = append(b.notes, a.Name+" "+string(act)+" "+on+" "+detail)
			return nil
		},
	}
	for _, f := range changes {
		f(&o)
	}
	b.o = o
	if b.Services, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) joins() *joins       { return b.Listener.public.joins }
func (b *bench) certs() certificates { return b.Listener.certs }
func (b *bench) fetches() *fetchLog  { return b.Listener.machines.fetches }
func (b *bench) returns() *returns   { return b.Listener.machines.returns }

// The table of expected results was written by hand. In the table, y means allowed, and n means denied.
func TestRightsOfActorsOnMachinesMatchTheTable(t *testing.T) {
	machine := func(id policy.MachineID, r actor.Role) actor.Actor {
		return actor.Actor{Account: "x", Site: actor.Member, Machines: map[policy.MachineID]actor.Role{id: r}}
	}
	who := []struct {
		name string
		a    actor.Actor
	}{
		{"nobody", actor.Actor{}},
		{"signed in, no role", actor.Actor{Account: "x"}},
		{"member", actor.Actor{Account: "x", Site: actor.Member, Member: "m-2"}},
		{"mentor of it", machine("laser", actor.Mentor)},
		{"maintainer of it", machine("laser", actor.Maintainer)},
		{"maintainer of another", machine("vinyl", actor.Maintainer)},
		{"administrator", admin},
		{"owner", actor.Actor{Account: "o", Site: actor.Owner}},
		{"root", actor.Local("root")},
		{"token to read", actor.Actor{Account: "a1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadMachines}}},
		{"token without an act", actor.Actor{Account: "a1", Site: actor.Owner, Scopes: []actor.Act{}}},
	}
	ctx := t.Context()
	b := newBench(t) // all cases share one database, because creating a database is slow
	if _, err := b.Machines.Add(ctx, admin, "laser"); err != nil {
		t.Fatal(err)
	}
	added := 0
	revoke := func(b *bench, a actor.Actor) error {
		all, err := b.Machines.all(ctx)
		if err != nil {
			return err
		}
		return b.Machines.Revoke(ctx, a, "laser", all[0].Version, "sold")
	}
	acts := []struct {
		name string
		do   func(*bench, actor.Actor) error
		may  string // one letter for each actor, in the order of the list who
	}{
		{"Machines", func(b *bench, a actor.Actor) error { _, err := b.Machines.List(ctx, a); return err }, "nnyyyyyyyyn"},
		{
			"Machine",
			func(b *bench, a actor.Actor) error { _, err := b.Machines.Get(ctx, a, "laser"); return err },
			"nnyyyyyyyyn",
		},
		{"Add", func(b *bench, a actor.Actor) error {
			added++
			_, err := b.Machines.Add(ctx, a, policy.MachineID(fmt.Sprint("press-", added)))
			return err
		}, "nnnnnnyyynn"},
		{
			"NewCode",
			func(b *bench, a actor.Actor) error { _, err := b.Codes.New(ctx, a, "laser", false); return err },
			"nnnnnnyyynn",
		},
		{
			"Held",
			func(b *bench, a actor.Actor) error { _, err := b.Machines.Held(ctx, a, "laser"); return err },
			"nnnnnnyyynn",
		},
		{"Tag", func(b *bench, a actor.Actor) error { return b.Orders.Tag(ctx, a, "laser", "worn belt") }, "nnnnynyyynn"},
		{"Stop", func(b *bench, a actor.Actor) error { return b.Orders.Stop(ctx, a, "laser") }, "nnnyynyyynn"},
		{"Revoke", revoke, "nnnnnnyyynn"},
	}
	for _, act := range acts {
		if len(act.may) != len(who) {
			t.Fatalf("%s: %d answers for %d", act.name, len(act.may), len(who))
		}
		for i, w := range who {
			before, err := b.Machines.all(ctx)
			if err != nil {
				t.Fatal(err)
			}
			b.notes, b.order = nil, nil
			err = act.do(b, w.a)
			var denied *actor.Denied
			if act.may[i] == 'y' && err != nil || act.may[i] != 'y' && !errors.As(err, &denied) {
				t.Errorf("%s as %s: %v, want %c", act.name, w.name, err, act.may[i])
			}
			after, err := b.Machines.all(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if act.may[i] != 'y' && (len(b.order) > 0 || len(b.notes) > 0 || !reflect.DeepEqual(after, before)) {
				t.Errorf("%s as %s: refused, and something happened: %v %v", act.name, w.name, b.order, b.notes)
			}
		}
	}
}

func TestMachineSessionIsVisibleOnlyWithReadSessions(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		a   actor.Actor
		may bool
	}{{actor.Actor{Account: "x", Site: actor.Member}, false}, {admin, true},
		{actor.Actor{Account: "x", Machines: map[policy.MachineID]actor.Role{"vinyl": actor.Mentor}}, true},
		{actor.Actor{Account: "x", Site: actor.Member, Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}},
			false}} {
		all, err := b.Machines.List(t.Context(), c.a)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if s := all[0].Standing; (s.Session != nil) != c.may || (s.Tags[0].By != "") != c.may || !s.Online {
			t.Errorf("%+v: %+v", c.a, s)
		}
	}
}

func TestListContainsOnlyMachinesThatTheActorMayRead(t *testing.T) {
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	at := func(m policy.MachineID, site actor.Role) actor.Actor {
		return actor.Actor{Account: "x", Site: site, Machines: map[policy.MachineID]actor.Role{m: actor.Maintainer}}
	}
	for name, c := range map[string]struct {
		a    actor.Actor
		want string
	}{
		"administrator": {admin, "[laser vinyl]"}, "member": {actor.Actor{Account: "x", Site: actor.Member}, "[laser vinyl]"},
		"member and maintainer": {at("laser", actor.Member), "[laser vinyl]"},
		"maintainer of one":     {at("laser", ""), "[laser]"},
		"maintainer of another": {at("vinyl", ""), "[vinyl]"}, "maintainer of none here": {at("saw", ""), "[]"},
	} {
		all, err := b.Machines.List(t.Context(), c.a)
		ids := []policy.MachineID{}
		for _, m := range all {
			ids = append(ids, m.ID)
		}
		if err != nil || fmt.Sprint(ids) != c.want {
			t.Errorf("%s: %v, %v, want %s", name, ids, err, c.want)
		}
	}
}

func TestMachinesOfAnotherSiteAreInvisible(t *testing.T) {
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	o := b.o
	o.Fixed, o.Site = nil, b.db.Site("elsewhere")
	other, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := other.Machines.List(t.Context(), admin); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
	var gone *fault.NotFound
	if err := other.Machines.Revoke(t.Context(), admin, "laser", 1, "x"); !errors.As(err, &gone) {
		t.Error(err)
	}
	if _, err := other.Codes.New(t.Context(), admin, "laser", false); !errors.As(err, &gone) {
		t.Error(err)
	}
}

func TestInvalidMachineIDsAreRefused(t *testing.T) {
	b := newBench(t)
	var invalid *fault.Invalid
	for _, id := range []policy.MachineID{"", "ack", "bundle", "Laser", "a b", "a/b", "a+b", "../x",
		policy.MachineID(strings.Repeat("a", 65)), "vinyl"} {
		if _, err := b.Machines.Add(t.Context(), admin, id); !errors.As(err, &invalid) {
			t.Errorf("%q: %v", id, err)
		}
	}
	var gone *fault.NotFound
	if _, err := b.Codes.New(t.Context(), admin, "press", false); !errors.As(err, &gone) {
		t.Error(err)
	}
	if err := b.Orders.Tag(t.Context(), admin, "press", "x"); !errors.As(err, &gone) || len(b.order) > 0 {
		t.Error(err)
	}
	if _, err := b.Machines.Get(t.Context(), admin, "press"); !errors.As(err, &gone) {
		t.Error(err)
	}
}

func TestRevocationRequiresTheCurrentVersionAndAReason(t *testing.T) {
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	var conflict *fault.Conflict
	if err := b.Machines.Revoke(t.Context(), admin, "laser", 7, "sold"); !errors.As(err, &conflict) || conflict.Have != 1 {
		t.Error(err)
	}
	var invalid *fault.Invalid
	for _, reason := range []string{"", "two\nlines", strings.Repeat("x", 301)} {
		if err := b.Machines.Revoke(t.Context(), admin, "laser", 1, reason); !errors.As(err, &invalid) {
			t.Errorf("%.10q: %v", reason, err)
		}
	}
	if err := b.Machines.Revoke(t.Context(), admin, "vinyl", 0, "it is hub.yaml's"); err != nil {
		t.Error(err)
	}
	all, err := b.Machines.Enrolled(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "vinyl" || !all[0].Revoked {
		t.Errorf("%+v %v", all, err)
	}
	if want := "Ada machines.enrol machine/vinyl revoked: it is hub.yaml's"; b.notes[len(b.notes)-1] != want {
		t.Errorf("%q", b.notes)
	}
	if err := b.Orders.Stop(t.Context(), admin, "vinyl"); err == nil || len(b.order) > 0 {
		t.Error("an order was given to a revoked machine")
	}
}

func TestCommandRefusedByAMachineReturnsAnError(t *testing.T) {
	b := newBench(t)
	b.reply = wire.Reply{Why: "clock not\ntrusted"}
	var refused *Refused
	if err := b.Orders.Stop(t.Context(), admin, "vinyl"); !errors.As(err, &refused) || refused.Why != "clock not trusted" {
		t.Error(err)
	}
	if len(b.notes) != 1 || b.order[0].Do != "stop" {
		t.Errorf("%q %+v", b.notes, b.order)
	}
}

// The database must store only hashes of codes and passwords.
func TestEnrolmentStoresNoSecretInTheDatabase(t *testing.T) {
	b := newBench(t)
	c, err := b.Codes.New(t.Context(), admin, "vinyl", false)
	if err != nil {
		t.Fatal(err)
	}
	code, err := wire.ParseJoinCode(c.Text)
	if err != nil || code.Pins != b.o.Pins.Hash() || !strings.Contains(c.Command, "https://hub.test:8443 "+c.Text) ||
		!c.Expires.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v %v", c, err)
	}
	rows, err := b.Machines.table.site.Query(t.Context(), `SELECT hash, maker FROM machine_code WHERE site = $1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash []byte
		var maker string
		if err := rows.Scan(&hash, &maker); err != nil || strings.Contains(string(hash), code.SecretText()) ||
			len(hash) != 32 ||
			maker != "Ada" {
			t.Errorf("%x %q %v", hash, maker, err)
		}
	}
}

func TestCodeIsInvalidAfterAnHourOrAReplacement(t *testing.T) {
	b := newBench(t)
	secret := func() string {
		c, err := b.Codes.New(t.Context(), admin, "vinyl", false)
		if err != nil {
			t.Fatal(err)
		}
		code, _ := wire.ParseJoinCode(c.Text)
		return code.SecretText()
	}
	first := secret()
	if o, err := b.Codes.find(t.Context(), first); err != nil || o.machine != "vinyl" {
		t.Error(o, err)
	}
	second := secret()
	if _, err := b.Codes.find(t.Context(), first); !errors.Is(err, errNoCode) {
		t.Error(err)
	}
	b.now = b.now.Add(time.Hour - time.Millisecond)
	if _, err := b.Codes.find(t.Context(), second); err != nil {
		t.Error(err)
	}
	b.now = b.now.Add(time.Millisecond)
	if _, err := b.Codes.find(t.Context(), second); !errors.Is(err, errNoCode) {
		t.Error(err)
	}
}

func TestAuthorityIsCreatedOnce(t *testing.T) {
	dir := t.TempDir()
	now := func() time.Time { return start }
	a, err := OpenAuthority(dir, "biklab", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{caFile, caKeyFile} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi, err)
		}
	}
	again, err := OpenAuthority(dir, "biklab", now)
	if err != nil || string(again.Certificate()) != string(a.Certificate()) {
		t.Fatal("another authority was made: ", err)
	}
	if err := os.Remove(filepath.Join(dir, caKeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir, "biklab", now); err == nil || !strings.Contains(err.Error(), "restore the key") {
		t.Error("an authority was made in the place of one whose key is missing: ", err)
	}
}

func TestServerCertificateIsRenewedBeforeItExpires(t *testing.T) {
	now := start
	a, err := OpenAuthority(t.TempDir(), "biklab", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	get := a.Server("hub.test")
	first, err := get(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.VerifyHub([]*x509.Certificate{first.Leaf}, a.cert, "hub.test", now, true); err != nil {
		t.Error(err)
	}
	if wire.VerifyHub([]*x509.Certificate{first.Leaf}, a.cert, "other.test", now, true) == nil {
		t.Error("another name was taken")
	}
	if again, _ := get(nil); again != first {
		t.Error("a certificate was made for nothing")
	}
	for _, at := range []time.Time{start.AddDate(0, 10, 0), start.AddDate(-3, 0, 0)} {
		now = at
		c, err := get(nil)
		if err != nil || c == first || wire.VerifyHub([]*x509.Certificate{c.Leaf}, a.cert, "hub.test", now, true) != nil {
			t.Errorf("%v: %v", at, err)
		}
	}
}

// A machine's certificate must not be valid for the hub, and the hub's certificate must not be valid for a machine.
func TestMachineAndHubCertificatesAreNotInterchangeable(t *testing.T) {
	a, err := OpenAuthority(t.TempDir(), "biklab", func() time.Time { return start })
	if err != nil {
		t.Fatal(err)
	}
	public := func(c elliptic.Curve) []byte {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		b, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	m, err := a.Machine("hub", public(elliptic.P256()), start)
	if err != nil || !a.isMachineCert(m) {
		t.Fatal(err)
	}
	m.DNSNames = []string{"hub"}
	if wire.VerifyHub([]*x509.Certificate{m}, a.cert, "hub", start, true) == nil ||
		wire.VerifyHub([]*x509.Certificate{m}, a.cert, "hub", start, false) == nil {
		t.Error("a machine poses as the hub")
	}
	s, err := a.Server("hub.test")(nil)
	if err != nil || a.isMachineCert(s.Leaf) || a.isMachineCert(a.cert) {
		t.Error("the hub's certificate is a machine's: ", err)
	}
	for name, key := range map[string][]byte{"P-384": public(elliptic.P384()), "nothing": nil, "garbage": []byte("x")} {
		if _, err := a.Machine("laser", key, start); err == nil {
			t.Errorf("%s was signed", name)
		}
	}
}
