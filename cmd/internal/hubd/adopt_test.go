package hubd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/actor"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/site"
	"portillon/wire"
)

const cardKeyText = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// oldHub is a file-based hub: two machines with accounts, records of one machine, and a bundle in force.
type oldHub struct {
	t             *testing.T
	files, config string
	machine       *ledgertest.Machine
	signer        note.Signer
	key           note.Verifier
	policySigner  note.Signer // separate policy key; nil: one key signs policies and bundles
	built         *site.Built
}

// newOldHub creates the hub from the example site. The function change may change the site's files before the bundle is
// built. If apart is true, a separate key signs the policy, whose number is 7.
func newOldHub(t *testing.T, apart bool, change func(folder string)) *oldHub {
	t.Helper()
	if testing.Short() {
		t.Skip("short: fills the folder of a hub with a site and a ledger")
	}
	o := &oldHub{t: t, files: filepath.Join(t.TempDir(), "site"), config: filepath.Join(t.TempDir(), "hub.yaml"),
		machine: ledgertest.New(t, "biklab", "laser")}
	if err := os.CopyFS(o.files, os.DirFS("../../../site-example")); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(o.files)
	}
	kind, policyKey := "site", ""
	if apart {
		kind = "hub"
		private, public, err := note.GenerateKey(rand.Reader, "portillon:policy:biklab")
		if err != nil {
			t.Fatal(err)
		}
		if o.policySigner, err = note.NewSigner(private); err != nil {
			t.Fatal(err)
		}
		policyKey = ", policy-key: " + public
	}
	private, public, err := note.GenerateKey(rand.Reader, "portillon:"+kind+":biklab")
	if err != nil {
		t.Fatal(err)
	}
	o.signer, _ = note.NewSigner(private)
	o.key, _ = note.NewVerifier(public)
	_, vinyl, err := note.GenerateKey(rand.Reader, "portillon:machine:vinyl.biklab")
	if err != nil {
		t.Fatal(err)
	}
	o.write("secret.key", private+"\n")
	o.write("p1", "password of the laser\n")
	o.write("p2", "password of the vinyl cutter\n")
	o.write("card.key", cardKeyText+"\n")
	o.write("data/tags/t.json", "{}")
	o.write("data/seal/2026-11-30.key", "k")
	o.write("data/broker/x", "x")
	o.write("hub.yaml", "portillon: 1\nsite: biklab # a comment\ndata: data\nkey: secret.key\nmachines:\n"+
		"  laser: { key: \""+o.machine.VKey+"\", password-file: p1 }\n  vinyl: { key: \""+vinyl+"\", password-file: p2 }\n"+
		"mqtt: { listen: \"127.0.0.1:0\" }\nhttp: 127.0.0.1:0\nbundle: { file: site.bundle, key: "+public+policyKey+" }\n")
	o.build(100)
	return o
}

func (o *oldHub) path(name string) string { return filepath.Join(filepath.Dir(o.config), name) }

func (o *oldHub) write(name, text string) {
	o.t.Helper()
	if err := os.MkdirAll(filepath.Dir(o.path(name)), 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(o.path(name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// build builds the site's bundle like "portillon bundle build".
func (o *oldHub) build(version uint64) {
	o.t.Helper()
	s, err := site.Read(o.files)
	if err != nil {
		o.t.Fatal(err)
	}
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	order := site.Order{Version: version, Issued: time.Now(), Expires: time.Now().Add(time.Hour), Signer: o.signer,
		CardKey: key}
	if o.policySigner != nil {
		order.Policy = site.PolicyOrder{Number: 7, Signer: o.policySigner}
	}
	if o.built, err = s.Build(order); err != nil {
		o.t.Fatal(err)
	}
	var file bytes.Buffer
	if err := wire.WriteBundle(&file, o.built.Signed, o.built.Manifest, o.built.Chunk); err != nil {
		o.t.Fatal(err)
	}
	o.write("site.bundle", file.String())
}

// run runs the old hub: it stores records and installs the bundle.
func (o *oldHub) run(first, last uint64) {
	o.t.Helper()
	c, err := hub.ReadConfig(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	h, err := hub.New(c, hub.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	_, err = h.Ledger().Take("laser", o.machine.Data(first, last))
	if err = errors.Join(err, h.Close()); err != nil {
		o.t.Fatal(err)
	}
}

// adopt runs the command that adopts the hub, and checks its exit code.
func (o *oldHub) adopt(want int, to string, more ...string) string {
	o.t.Helper()
	args := append([]string{"adopt", "-to", to, "-card-key", o.path("card.key"), "-web", "127.0.0.1:0"}, more...)
	return command(o.t, want, append(args, o.files, o.config)...)
}

// machineStore returns the bundle store of a machine that uses the old hub's bundle.
func (o *oldHub) machineStore() wire.Store {
	o.t.Helper()
	s := wire.Store{Dir: filepath.Join(o.t.TempDir(), "machine"), Site: "biklab", Keys: note.VerifierList(o.key)}
	if o.policySigner != nil {
		_, public := o.policyPublic()
		s.Policy = note.VerifierList(public)
	}
	if _, err := s.Install(o.built.Signed, o.built.Chunk, nil); err != nil {
		o.t.Fatal(err)
	}
	return s
}

func (o *oldHub) policyPublic() (hub.Config, note.Verifier) {
	o.t.Helper()
	c, err := hub.ReadConfig(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	return c, c.Bundle.Policy
}

// startAdopted starts the adopted hub.
func (o *oldHub) startAdopted(to string) *hub.Hub {
	o.t.Helper()
	c, err := hub.ReadConfig(filepath.Join(to, "hub.yaml"))
	if err != nil {
		o.t.Fatal(err)
	}
	h, err := hub.New(c, hub.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	o.t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			o.t.Error(err)
		}
		if err := h.Close(); err != nil {
			o.t.Error(err)
		}
	})
	return h
}

// installFrom makes a machine install the bundle of the manifest that the hub serves.
func (o *oldHub) installFrom(m wire.Store, h *hub.Hub) wire.Manifest {
	o.t.Helper()
	signed, _ := h.Manifest()
	got, err := m.Install(signed, func(sha string) ([]byte, error) {
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/chunks/"+sha, nil))
		return w.Body.Bytes(), nil
	}, nil)
	if err != nil {
		o.t.Errorf("the machine refuses the adopted hub's bundle: %v", err)
	}
	return got
}

func TestMachinesAndMembersWorkWithAnAdoptedHubWithoutAChange(t *testing.T) {
	for name, apart := range map[string]bool{"one key": false, "policy key apart": true} {
		t.Run(name, func(t *testing.T) {
			o := newOldHub(t, apart, nil)
			o.machine.Fill(5)
			o.run(1, 3)
			machine := o.machineStore()
			to := filepath.Join(t.TempDir(), "new")
			said := o.adopt(0, to)
			if !strings.Contains(said, "keeps the site biklab") || !strings.Contains(said,
				"13 members, 20 badges, 2 machines, 3 records") {
				t.Error(said)
			}
			if _, err := os.Stat(to + ".new"); err == nil {
				t.Error("the folder of the adoption is left")
			}
			h := o.startAdopted(to)
			text, _ := os.ReadFile(filepath.Join(o.files, "policy.yaml"))
			number := int64(1)
			if apart {
				number = 7
			}
			now := o.installFrom(machine, h)
			if chunk, err := machine.Chunk(now, wire.PolicyChunk); now.Version <= 100 || err != nil || !bytes.Equal(chunk,
				text) {
				t.Errorf("bundle %d, policy %v", now.Version, err)
			}
			if apart && machine.PolicyFloor().Number != uint64(number) {
				t.Errorf("policy number %d, want %d", machine.PolicyFloor().Number, number)
			}
			// The machine sends further records of its journal with the same key and the same account.
			if _, err := h.Ledger().Take("laser", o.machine.Data(4, 5)); err != nil {
				t.Error(err)
			}
			all, err := h.Enrol().Machines.Enrolled(t.Context())
			if err != nil || len(all) != 2 || all[0].Public != o.machine.VKey ||
				all[0].Password != sha256.Sum256([]byte("password of the laser")) {
				t.Errorf("%+v, %v", all, err)
			}
			listed, err := h.Enrol().Machines.List(t.Context(), actor.Local("test"))
			if err != nil || len(listed) != 2 || listed[0].Enrolled.IsZero() {
				t.Errorf("%+v, %v", listed, err)
			}
		})
	}
}

func TestAdoptionCopiesTheFilesAndKeysOfTheOldHub(t *testing.T) {
	o := newOldHub(t, false, nil)
	o.machine.Fill(3)
	o.run(1, 3)
	to := filepath.Join(t.TempDir(), "new")
	o.adopt(0, to)
	was, err := hub.ReadConfig(o.config)
	if err != nil {
		t.Fatal(err)
	}
	is, err := hub.ReadConfig(filepath.Join(to, "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if is.Data != to || is.Key != filepath.Join(to, "keys", "hub.key") ||
		is.Machines[0].PasswordFile != filepath.Join(to, "keys", "laser.password") ||
		is.Machines[0].Public != was.Machines[0].Public ||
		is.MQTT.Listen != was.MQTT.Listen ||
		is.Join.CardKey != filepath.Join(to, "keys", "card.key") {
		t.Errorf("%+v", is)
	}
	for _, c := range [][2]string{{was.Key, is.Key}, {was.Machines[0].PasswordFile, is.Machines[0].PasswordFile},
		{o.path("card.key"), is.Join.CardKey}} {
		a, _ := os.ReadFile(c[0])
		if b, err := os.ReadFile(c[1]); err != nil || string(a) != string(b) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
	for name, there := range map[string]bool{"tags/t.json": true, "seal/2026-11-30.key": true, "broker": false,
		"portillon.db": true} {
		if _, err := os.Stat(filepath.Join(to, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	if said := o.adopt(2, to); !strings.Contains(said, "not empty") {
		t.Error(said)
	}
}

// The adopted hub has the records of a ledger.db that commit fba9679 wrote.
func TestAdoptionConvertsTheLedgerOfAnOlderRelease(t *testing.T) {
	o := newOldHub(t, false, nil)
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("../../../hub/ledger/testdata/fba9679", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	o.write("data/ledger.db", read("ledger.db"))
	text, _ := os.ReadFile(o.config)
	lines := strings.Split(string(text), "\n")
	for i, l := range lines {
		for _, id := range []string{"laser", "vinyl"} {
			if strings.HasPrefix(l, "  "+id+":") {
				lines[i] = "  " + id + ": { key: \"" + strings.TrimSpace(read("portillon-"+id+".pub")) + "\", password-file: p1 }"
			}
		}
	}
	o.write("hub.yaml", strings.Join(lines, "\n"))
	to := filepath.Join(t.TempDir(), "new")
	if said := o.adopt(0, to); !strings.Contains(said, "2 machines, 6 records") {
		t.Error(said)
	}
	is, err := hub.ReadConfig(filepath.Join(to, "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.OpenReadOnly(is.Ledger(), is.Site)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if all, err := l.Generations(t.Context(), "laser"); err != nil || len(all) != 2 || all[0].Records != 270 ||
		all[1].Generation != wire.Generation("2222222222222222") {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := os.Stat(o.path("data/ledger.db")); err != nil {
		t.Errorf("the hub of before has changed: %v", err)
	}
}

// The adoption names each difference between the site's files and the bundle in force. The adoption writes nothing
// until the caller accepts the differences.
func TestAdoptionListsLostDataAndChangedRights(t *testing.T) {
	edit := func(t *testing.T, path, old, new string) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatalf("%s: %v", path, err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), old, new)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put := func(t *testing.T, path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		apart  bool
		change func(t *testing.T, files string)
		says   []string
	}{
		"a member is blocked": {false, func(t *testing.T, files string) {
			edit(t, files+"/members.yaml", "email: lea@example.org,", "email: lea@example.org, blocked: true,")
		}, []string{"changes: m-020dc2 loses user at laser"}},
		"a card is another one": {false, func(t *testing.T, files string) {
			edit(t, files+"/members.yaml", "62E3086CED",
				"62E3086CEE")
		},
			[]string{"changes: m-020dc2 loses the active card", "changes: m-020dc2 gains the active card"}},
		"a lost card": {false, func(t *testing.T, files string) {
			edit(t, files+"/members.yaml", `["62E3086CED"]`, `[{ number: "62E3086CED", state: lost }]`)
		}, []string{"gains the lost card"}},
		"a badge is gone": {false, func(t *testing.T, files string) {
			if err := os.Remove(files + "/badges/malik-laser-user.json"); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(files + "/badges/karim-laser-user.json"); err != nil {
				t.Fatal(err)
			}
		}, []string{"changes: m-be879f loses user at laser"}},
		"a badge of nobody": {false, func(t *testing.T, files string) {
			edit(t, files+"/members.yaml", "email: malik@example.org,", "")
		}, []string{"left behind: badges/malik-laser-user.json: no member has its recipient"}},
		"a file that is no badge": {false, func(t *testing.T, files string) {
			put(t, files+"/badges/notes.json",
				`{"a": 1}`)
		},
			[]string{"left behind: badges/notes.json: not a badge that can be read"}},
		"a signed policy was changed": {true, func(t *testing.T, files string) {
			put(t, files+"/policy.yaml", read(t, files+"/policy.yaml")+"# changed\n")
		},
			[]string{"left behind: policy.yaml differs from policy number 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOldHub(t, c.apart, nil)
			c.change(t, o.files)
			to := filepath.Join(t.TempDir(), "new")
			said := o.adopt(2, to)
			for _, text := range append(c.says, "nothing was written") {
				if !strings.Contains(said, text) {
					t.Errorf("%q is not said in:\n%s", text, said)
				}
			}
			if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 0 {
				t.Errorf("there are %v, %v", left, err)
			}
			o.adopt(0, to, "-accept")
			o.installFrom(o.machineStore(), o.startAdopted(to))
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The command rejects a hub whose adoption would require changes on its machines.
func TestAdoptionRejectsHubsWhoseMachinesWouldNeedChanges(t *testing.T) {
	_, other, err := note.GenerateKey(rand.Reader, "portillon:site:biklab")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(o *oldHub)
		says   string
	}{
		"another card key": {func(o *oldHub) { o.write("card.key", strings.Repeat("ab", 32)) },
			"is not the card key of the bundle in force"},
		"no bundle": {func(o *oldHub) { os.Remove(o.path("site.bundle")) }, "no bundle is in force"},
		"two keys": {func(o *oldHub) {
			o.write("hub.yaml", strings.ReplaceAll(read(t, o.config), publicOf(o),
				other))
		}, "signs bundles and acknowledgements with one key"},
		"a policy's fault": {func(o *oldHub) {
			os.WriteFile(filepath.Join(o.files, "policy.yaml"), []byte("portillon: 1\n"),
				0o600)
		}, "policy.yaml"},
		"another site": {func(o *oldHub) {
			edited := strings.ReplaceAll(read(t, filepath.Join(o.files, "policy.yaml")), "site: biklab", "site: other")
			os.WriteFile(filepath.Join(o.files, "policy.yaml"), []byte(edited), 0o600)
		}, "belongs to site \"other\""},
		"a hub of its own": {func(o *oldHub) { o.write("hub.yaml", managedConfig(o)) }, "already contains web:"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOldHub(t, false, nil)
			c.change(o)
			to := filepath.Join(t.TempDir(), "new")
			if said := o.adopt(2, to, "-accept"); !strings.Contains(said, c.says) {
				t.Errorf("%q is not said in:\n%s", c.says, said)
			}
			if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 0 {
				t.Errorf("there are %v, %v", left, err)
			}
		})
	}
	o := newOldHub(t, false, nil)
	for says, args := range map[string][]string{"is missing": {"adopt", o.files}, "hub.yaml": {"adopt", "-to",
		t.TempDir() + "/x", o.files, "nowhere/hub.yaml"},
		"card key is unknown": {"adopt", "-to", t.TempDir() + "/x", o.files, o.config}} {
		if said := command(t, 2, args...); !strings.Contains(said, says) {
			t.Errorf("%v: %s", args, said)
		}
	}
}

func publicOf(o *oldHub) string {
	c, _ := o.policyPublic()
	return c.Bundle.Public
}

func managedConfig(o *oldHub) string {
	lines := strings.Split(read(o.t, o.config), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "bundle:") })
	return strings.Join(lines, "\n") + "web: { listen: \"127.0.0.1:0\" }\ncard-key: card.key\n"
}
