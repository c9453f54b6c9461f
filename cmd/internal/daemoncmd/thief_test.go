package daemoncmd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon"
	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// route is a method of attack by a thief of the hub key.
type route struct {
	name string
	// wins runs the attack, and reports whether the thief has reached the goal. The result err is the reason for which the
	// machine rejected the thief's bundle, or nil.
	wins func(v *victim) (won bool, err error)
}

// bundleAttack returns an attack with one forged bundle, which is made from the genuine bundle in force.
func bundleAttack(do func(f forgery, s *thiefSite), won func(*victim) bool) func(*victim) (bool, error) {
	return func(v *victim) (bool, error) {
		genuine := v.s.build(1, 1, "policy.yaml", thiefNow, nil)
		v.offerGenuine(genuine)
		if won(v) {
			v.s.t.Error("the thief has won before they did anything")
		}
		f := v.s.forge(genuine, thiefNow)
		do(f, v.s)
		err := v.offer(f.sign(v.s))
		return won(v), err
	}
}

func opened(card string) func(*victim) bool {
	return func(v *victim) bool { return v.startsLaser(card) }
}

// cardOf returns the entry of a card in a bundle.
func cardOf(s *thiefSite, number string) string {
	uid, err := rfid.ParseUID(number)
	if err != nil {
		s.t.Fatal(err)
	}
	return roster.Card(s.card, uid)
}

func routes() []route {
	out := []route{
		{name: "rebind-card", wins: bundleAttack(func(f forgery, s *thiefSite) {
			f.changeMember("victim", func(m *wire.Member) { m.Cards = append(m.Cards, cardOf(s, freeCard)) })
		}, opened(freeCard))},
		{name: "rebind-address", wins: bundleAttack(func(f forgery, s *thiefSite) {
			f.takeOver("victim", func(m *wire.Member) { m.Emails = []string{"victim@example.org"} })
		}, opened(thiefCard))},
		{name: "rebind-subject", wins: bundleAttack(func(f forgery, s *thiefSite) {
			f.takeOver("subject", func(m *wire.Member) { m.Subjects = []string{"did:example:subject"} })
		}, opened(thiefCard))},
		{name: "lift-block", wins: bundleAttack(func(f forgery, _ *thiefSite) {
			f.changeMember("blocked", func(m *wire.Member) { m.Blocked = false })
		}, opened(blockedCard))},
		{name: "lift-until", wins: bundleAttack(func(f forgery, _ *thiefSite) {
			f.changeMember("lapsed", func(m *wire.Member) { m.Until, m.Critical = "", nil })
		}, opened(lapsedCard))},
		{name: "lift-lost", wins: bundleAttack(func(f forgery, s *thiefSite) {
			f.changeMember("loser", func(m *wire.Member) { m.CardStates, m.Cards = nil, append(m.Cards, cardOf(s, lostCard)) })
		}, opened(lostCard))},
		{name: "old-policy", wins: oldPolicy},
		{
			name: "changed-policy",
			wins: bundleAttack(func(f forgery, s *thiefSite) {
				f.putChunk(wire.PolicyChunk, []byte(s.policyText("    mode: "+
					"warn\n")))
			},
				opened(thiefCard)),
		},
		{name: "own-policy-key", wins: bundleAttack(func(f forgery, s *thiefSite) { f.ownPolicy(s) }, opened(thiefCard))},
		{name: "old-status-list", wins: oldStatusList},
		{name: "unrevoke", wins: unrevoke},
		{name: "unsigned-status-list", wins: unsignedList},
		{name: "invent-badge", wins: bundleAttack(func(f forgery, s *thiefSite) {
			f.addBadge("thief", s.issue(s.rogue, s.lab.DID(), "https://lab.example/user", "thief@example.org", nil))
		}, opened(thiefCard))},
		{name: "block-member", wins: bundleAttack(func(f forgery, _ *thiefSite) {
			f.changeMember("victim", func(m *wire.Member) { m.Blocked = true })
		}, func(v *victim) bool { return !v.startsLaser(victimCard) })},
		{name: "rename-member", wins: bundleAttack(func(f forgery, _ *thiefSite) {
			f.changeMember("victim", func(m *wire.Member) { m.Name = "Another" })
		}, func(v *victim) bool {
			p, _ := v.r.Person(policy.MemberID(memberID("victim")))
			return p.Name == "Another"
		})},
		{name: "untag", wins: untag},
		{name: "old-command", wins: oldCommand},
		{name: "stop-machine", wins: stopMachine},
		{name: "acknowledge-other-records", wins: acknowledge(strings.Repeat("00", 32))},
		{name: "forged-acknowledgement", wins: acknowledge("")},
	}
	return append(out, documentRoutes()...)
}

// takeOver moves the badges of another member to the thief's member, with the data that identifies the recipient. The
// other member no longer has the badges.
func (f forgery) takeOver(from string, recipient func(*wire.Member)) {
	var badges []string
	f.changeMember(from, func(m *wire.Member) { badges, m.Badges = m.Badges, nil })
	var credentials [][]byte
	change(f, wire.BadgesChunk(wire.Bucket(policy.MemberID(memberID(from)))),
		func(b *wire.BadgesBucket) { credentials = b.Credentials })
	for _, c := range credentials {
		if slices.Contains(badges, wire.Hash(c)) {
			f.addBadge("thief", c)
		}
	}
	f.changeMember("thief", recipient)
}

// ownPolicy replaces the policy by one that the thief signed with a separate policy key, under a high policy number.
func (f forgery) ownPolicy(s *thiefSite) {
	text := []byte(s.policyText("    mode: warn\n"))
	f.putChunk(wire.PolicyChunk, text)
	doc, _ := f.b.Manifest.Chunk(wire.DocumentsChunk)
	signed, err := wire.SignPolicy(wire.SignedPolicy{Site: "biklab", Number: 99, Policy: wire.Hash(text),
		Documents: doc.SHA256, Bindings: f.b.Manifest.BindingsHash()}, s.thief)
	if err != nil {
		f.t.Fatal(err)
	}
	f.b.Manifest.SignedPolicy = string(signed)
}

// documentRoutes returns attacks that insert a key of the thief into a document on which badges depend, and a badge
// signed with that key into the bundle.
func documentRoutes() []route {
	var out []route
	for name, x := range map[string]struct{ issuer, achievement, url, file string }{
		"forged-did-web": {"did:web:school.example", "https://school.example/user",
			"https://school.example/.well-known/did.json",
			"documents/school.example/.well-known/did.json"},
		"forged-profile": {"https://maker.example/profile", "https://maker.example/user", "https://maker.example/profile",
			"documents/maker.example/profile"},
		"forged-jwks": {"https://jwk.example/issuer", "https://jwk.example/user", "https://jwk.example/keys.json",
			"documents/jwk.example/keys.json"},
	} {
		out = append(out, route{name: name, wins: bundleAttack(func(f forgery, s *thiefSite) {
			f.setDocument(wire.DocumentsChunk, x.url, s.webKeys(s.rogue)[x.file])
			f.addBadge("thief", s.issue(s.rogue, x.issuer, x.achievement, "thief@example.org", nil))
		}, opened(thiefCard))})
	}
	return append(out, route{name: "forged-hosted-badge", wins: bundleAttack(func(f forgery, _ *thiefSite) {
		b, _ := json.Marshal(hosted("https://old.example/badges/9", "thief@example.org"))
		f.setDocument(wire.DocumentsChunk, "https://old.example/badges/9", b).addBadge("thief", b)
	}, opened(thiefCard))})
}

// oldPolicy is an attack with an earlier policy of the site, which allowed everybody to use the machine. The thief
// offers the old policy again, with its genuine signature.
func oldPolicy(v *victim) (bool, error) {
	open := v.s.build(1, 1, "warn.yaml", thiefNow, nil)
	v.offerGenuine(open)
	closed := v.s.build(2, 2, "policy.yaml", thiefNow, nil)
	v.offerGenuine(closed)
	f := v.s.forge(closed, thiefNow)
	text := open.Chunks[open.Manifest.Chunks[0].SHA256]
	f.putChunk(wire.PolicyChunk, text)
	f.b.Manifest.SignedPolicy = open.Manifest.SignedPolicy
	v.restart()
	err := v.offer(f.sign(v.s))
	return v.startsLaser(thiefCard), err
}

// oldStatusList is an attack with a badge that the issuer has revoked. The machine has not received the revocation, and
// the thief withholds the new status list.
func oldStatusList(v *victim) (bool, error) {
	before := v.now.AddDate(0, 0, -20)
	old := v.s.statusList(before)
	v.now = before
	genuine := v.s.build(1, 1, "policy.yaml", before, map[string][]byte{"status/1.json": old})
	v.offerGenuine(genuine)
	if !v.startsLaser(revokedCard) {
		v.s.t.Error("the badge opens nothing while its list is new")
	}
	v.now = thiefNow
	f := v.s.forge(genuine, thiefNow).setDocument(wire.StatusChunk, listURL, old)
	err := v.offer(f.sign(v.s))
	return v.startsLaser(revokedCard), err
}

// unrevoke is an attack with a revoked badge whose revocation the machine has already received. The thief offers the
// previous status list again and changes the encoding of the credential.
func unrevoke(v *victim) (bool, error) {
	genuine := v.s.build(1, 1, "policy.yaml", thiefNow, nil)
	v.offerGenuine(genuine)
	if !v.startsLaser(revokedCard) {
		v.s.t.Error("the badge opens nothing before it is revoked")
	}
	revoked := v.s.build(2, 1, "policy.yaml", thiefNow, map[string][]byte{"status/1.json": v.s.statusList(thiefNow, 7)})
	v.offerGenuine(revoked)
	if v.startsLaser(revokedCard) {
		v.s.t.Error("the badge opens though it is revoked")
	}
	v.restart()
	f := v.s.forge(revoked, thiefNow).setDocument(wire.StatusChunk, listURL, v.s.statusList(thiefNow))
	other, err := os.ReadFile(filepath.Join(v.s.dir, "badges", "revoked.json"))
	if err != nil {
		v.s.t.Fatal(err)
	}
	f.changeMember("revoked", func(m *wire.Member) { m.Badges = nil }).addBadge("revoked", append(other, '\n'))
	err = v.offer(f.sign(v.s))
	return v.startsLaser(revokedCard), err
}

// unsignedList is an attack with a badge that was revoked on an unsigned list. The machine has not received the
// revocation.
func unsignedList(v *victim) (bool, error) {
	genuine := v.s.build(1, 1, "policy.yaml", thiefNow, nil)
	v.offerGenuine(genuine)
	v.now = thiefNow.AddDate(0, 0, 20)
	f := v.s.forge(genuine, v.now).setDocument(wire.StatusChunk, plainListURL, plainList("urn:x:other"))
	err := v.offer(f.sign(v.s))
	return v.startsLaser(plainCard), err
}

// runVictim runs the victim's machine, so that the machine accepts commands of the hub.
func (v *victim) runVictim(do func(d *Daemon, hub note.Signer)) {
	t := v.s.t
	t.Helper()
	v.offerGenuine(v.s.build(1, 1, "policy.yaml", thiefNow, nil))
	key, _ := signer(t, "laser.biklab")
	j, err := journal.Open(filepath.Join(v.dir, "journal.db"), journal.Options{Site: "biklab", Machine: "laser",
		Signer: key, Trusted: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	now := func() time.Time { return thiefNow }
	log := slog.New(slog.DiscardHandler)
	d := &Daemon{
		c:       Config{Site: "biklab", Machine: "laser", Data: v.dir},
		journal: j,
		log:     log,
		clock:   clock{trusted: func() bool { return true }},
		orders:  &wire.Commands{Site: "biklab", Machine: "laser", Keys: v.s.keys},
	}
	d.clock.offset = time.Until(thiefNow)
	d.local = &localJournal{c: d.c, clock: d.clock, log: log, journal: j}
	d.machine = daemon.New(
		daemon.Config{
			Site:    "biklab",
			Machine: "laser",
			Now:     now,
			Trusted: func() bool { return true },
			NewID:   newID,
			Logger:  log,
			Journal: diskJournal{j},
			Switch:  &stopwatch{},
			Panel:   panel.New(panel.Config{}),
			Roster:  v.r,
		},
	)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.machine.Run(ctx, time.Hour) }()
	defer func() { cancel(); <-done }()
	do(d, v.s.hub)
}

// sendCommand signs a command with the hub key, and reports whether the machine has executed the command.
func (v *victim) sendCommand(d *Daemon, hub note.Signer, do string, issued time.Time) bool {
	v.s.t.Helper()
	b, err := wire.SignCommand(wire.Command{Site: "biklab", Machine: "laser", ID: do + "-1", Do: do, Tag: "t1",
		Reason: "r", Issued: issued, Expires: issued.Add(wire.CommandLife)}, hub)
	if err != nil {
		v.s.t.Fatal(err)
	}
	var r wire.Reply
	if err := json.Unmarshal(d.executeCommand(v.s.t.Context(), b), &r); err != nil {
		v.s.t.Fatal(err)
	}
	return r.OK
}

func tags(v *victim, d *Daemon) int {
	v.s.t.Helper()
	rep := d.machine.Do(v.s.t.Context(), control.Request{Do: "status"})
	if rep.Status == nil {
		v.s.t.Fatalf("%+v", rep)
	}
	return len(rep.Status.Tags)
}

func untag(v *victim) (won bool, _ error) {
	v.runVictim(func(d *Daemon, hub note.Signer) {
		if v.sendCommand(d, hub, "tag", d.clock.now()); tags(v, d) != 1 {
			v.s.t.Error("no tag hangs")
		}
		v.sendCommand(d, hub, "untag", d.clock.now())
		won = tags(v, d) == 0
	})
	return won, nil
}

func oldCommand(v *victim) (won bool, _ error) {
	v.runVictim(func(d *Daemon, hub note.Signer) { won = v.sendCommand(d, hub, "stop", d.clock.now().Add(-time.Minute)) })
	return won, nil
}

func stopMachine(v *victim) (won bool, _ error) {
	v.runVictim(func(d *Daemon, hub note.Signer) { won = v.sendCommand(d, hub, "tag", d.clock.now()) && tags(v, d) == 1 })
	return won, nil
}

// acknowledge returns an attack that acknowledges all records of the machine with this root. If the argument root is
// empty, the attack uses the true root.
func acknowledge(root string) func(*victim) (bool, error) {
	return func(v *victim) (won bool, _ error) {
		v.runVictim(func(d *Daemon, hub note.Signer) {
			if _, err := d.journal.Append(journal.Entry{Kind: wire.Booted, Body: wire.BootBody{Version: "1"}}); err != nil {
				v.s.t.Fatal(err)
			}
			n := d.journal.Len()
			own, err := d.journal.Root(n)
			if err != nil {
				v.s.t.Fatal(err)
			}
			root := root
			if root == "" {
				root = hex.EncodeToString(own[:])
			}
			b, err := wire.SignAck(wire.Ack{Site: "biklab", Machine: "laser", Seq: n, Root: root,
				Generation: d.journal.Generation()}, hub)
			if err != nil {
				v.s.t.Fatal(err)
			}
			d.local.storeAck(b)
			won = d.local.olderThanAcked(keys{hub: v.s.keys}) == nil
			if d.journal.Len() != n {
				v.s.t.Error("records are gone")
			}
		})
		return won, nil
	}
}

// documented is a row of the table in docs/security.md: the results of an attack in the three situations.
type documented map[string]string

var rowForm = regexp.MustCompile(
	"(?m)^\\| `([a-z-]+)` \\|[^|]*\\| (open|stopped) \\| (open|stopped) \\| (open|stopped) \\|[^|]*\\|$",
)

func readDocumented(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile("../../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "## The thief of the hub key")
	table, _, _ = strings.Cut(table, "\n## ")
	out := map[string]documented{}
	for _, m := range rowForm.FindAllStringSubmatch(table, -1) {
		if out[m[1]] != nil {
			t.Errorf("docs/security.md has %s twice", m[1])
		}
		out[m[1]] = documented{}
		for i, s := range situations {
			out[m[1]][s.name] = m[2+i]
		}
	}
	if rows := strings.Count(table, "\n| `"); !ok || rows != len(out) || rows < 20 {
		t.Fatalf("docs/security.md: %d rows, %d of them can be read", rows, len(out))
	}
	return out
}

// refusedForThePolicy lists the attacks whose bundle a machine with separate keys must reject as a whole, with the
// reason.
var refusedForThePolicy = map[string]string{
	"rebind-card":         wire.BindingUnsigned,
	"rebind-address":      wire.BindingUnsigned,
	"rebind-subject":      wire.BindingUnsigned,
	"lift-block":          wire.BindingUnsigned,
	"lift-until":          wire.BindingUnsigned,
	"lift-lost":           wire.BindingUnsigned,
	"old-policy":          wire.OlderPolicy,
	"changed-policy":      wire.PolicyUnsigned,
	"own-policy-key":      wire.PolicyUnsigned,
	"forged-did-web":      wire.PolicyUnsigned,
	"forged-profile":      wire.PolicyUnsigned,
	"forged-jwks":         wire.PolicyUnsigned,
	"forged-hosted-badge": wire.PolicyUnsigned,
}

// The table in docs/security.md says for each attack by a thief of the hub key whether it is stopped. This test runs
// all attacks in each situation of a site and compares the results with the table.
func TestResultsOfAttacksWithTheHubKeyEqualTheTableInTheDocs(t *testing.T) {
	skipIfShort(t, "plays each attack against a daemon of its own")
	want := readDocumented(t)
	all := routes()
	for _, at := range situations {
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			s := newThiefSite(t, at)
			for _, r := range all {
				runAttack(s, r, want[r.name])
			}
		})
	}
	if len(all) != len(want) {
		t.Errorf("docs/security.md has %d routes, %d are played", len(want), len(all))
	}
}

// runAttack runs an attack against a new machine, and compares the result with the table.
func runAttack(s *thiefSite, r route, want documented) {
	s.t.Helper()
	if want == nil {
		s.t.Errorf("docs/security.md does not name %s", r.name)
		return
	}
	won, err := r.wins(s.machine())
	got := map[bool]string{true: "open", false: "stopped"}[won]
	if got != want[s.at.name] {
		s.t.Errorf("%s: %s, docs/security.md says %s (%v)", r.name, got, want[s.at.name], err)
	}
	if code := refusedForThePolicy[r.name]; code != "" && got == "stopped" &&
		(err == nil || !strings.HasPrefix(err.Error(), code+": ")) {
		s.t.Errorf("%s: stopped with %v, want the refusal %s", r.name, err, code)
	}
}

// Genuine bundles are accepted in each situation. This test exists because a machine that rejects every bundle would
// pass the tests of attacks.
func TestMachineWithSeparateKeysAcceptsGenuineBundles(t *testing.T) {
	skipIfShort(t, "starts a daemon for each bundle")
	for _, at := range situations {
		s := newThiefSite(t, at)
		v := s.machine()
		v.offerGenuine(s.build(1, 1, "policy.yaml", thiefNow, nil))
		for card, want := range map[string]bool{victimCard: true, "62E3000008": true, thiefCard: false, blockedCard: false,
			lapsedCard: false, lostCard: false,
			newCard: true, revokedCard: true, plainCard: true, "62E3000009": true, freeCard: false} {
			if got := v.startsLaser(card); got != want {
				t.Errorf("%s: card %s opens: %v, want %v", at.name, card, got, want)
			}
		}
		p, _ := v.r.Person(policy.MemberID(memberID("web")))
		if n := len(p.Member.Holdings); n != 4 {
			t.Errorf("%s: %d of the 4 badges that rest on documents count", at.name, n)
		}
	}
}
