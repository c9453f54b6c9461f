package hub_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	policyfile "portillon/policy/file"
	"portillon/wire"
)

const sitePolicy = `portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
issuers:
  biklab: { name: BIK'LAB, keys: ["did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"] }
badges:
  laser-maintainer: { name: { fr: "Découpe laser - Mainteneur", en: "Laser cutting - maintainer" }, issuer: ` +
	`biklab, achievement: "https://example.org/laser-maintainer" }
machines:
  laser: { name: { fr: Découpe laser, en: Laser cutter }, grants: [ { role: maintainer, needs: laser-maintainer } ] }
  laser-2: { name: { fr: Seconde, en: Second }, grants: [ { role: maintainer, needs: laser-maintainer } ] }
evidence:
  laser-maintainer: { interventions: 5, kinds: [lens-cleaning, mirror-alignment], within: 180d, endorsed-by: ` +
	`laser-maintainer }
`

// appendWork appends n sessions to the journal. In each, lea does an intervention that ines confirms.
func appendWork(m *ledgertest.Machine, n int) {
	for range n {
		s := fmt.Sprintf("s-%d", m.Len())
		m.Append(
			wire.SessionStart,
			s,
			"ines",
			wire.StartBody{Role: policy.Maintainer, Badges: []policy.BadgeID{"laser-maintainer"}, Card: "uid"},
		)
		m.Append(wire.Assisted, s, "lea", wire.AssistBody{With: "ines"})
		m.Append(
			wire.Intervened,
			s,
			"lea",
			wire.InterventionBody{What: "lens-cleaning", Endorser: "ines", Minutes: 10, Note: "très sale\nvraiment"},
		)
		m.Append(wire.Faulted, "", "", wire.FaultBody{What: "e-stop"})
		m.Append(wire.SessionEnd, s, "ines", wire.EndBody{Cause: wire.CauseTap, Seconds: 9})
	}
}

// The hub receives records over MQTT, computes a member's progress from them, and exports them as a signed evidence
// file.
func TestRecordedWorkIsExportedAsValidEvidence(t *testing.T) {
	p, err := policyfile.Parse("policy.yaml", []byte(sitePolicy))
	if err != nil {
		t.Fatal(err)
	}
	one, two := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "laser-2")
	one.Fill(40)
	appendWork(one, 3)
	o := run(t, configure(t, []*ledgertest.Machine{one, two}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"), c.topics.Ack("laser-2"))
	c.awaitAck(o, one, 0)
	c.publish(c.topics.Records("laser"), one.Data(1, one.Len()))
	c.awaitAck(o, one, one.Len())
	now, ctx := one.Now.Add(time.Hour), context.Background()
	progress := func() evidence.Progress {
		all, err := hub.Progress(ctx, o.Ledger(), p, now)
		if err != nil || len(all) != 1 || all[0].Member != "lea" {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	if got := progress(); got.Complete || got.Missing() != 2 {
		t.Errorf("%+v", got)
	}
	appendWork(two, 2)
	c.publish(c.topics.Records("laser-2"), two.Data(1, two.Len()))
	c.awaitAck(o, two, two.Len())
	if got := progress(); !got.Complete || len(got.Counted) != 5 || len(got.Rejected) != 0 {
		t.Errorf("%+v", got)
	}
	signer, err := o.config.Signer()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := ledger.OpenReadOnly(o.config.Ledger(), "biklab") // as the command-line tool does while the hub runs
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	data, err := hub.Export(ctx, reader, p, "lea", "laser-maintainer", now, signer)
	if err != nil {
		t.Fatal(err)
	}
	f, got, err := evidence.Verify(data, note.VerifierList(o.key), o.config.Machine)
	if err != nil || !got.Complete || len(got.Counted) != 5 || len(f.Records) != 5+5*2 || f.Site != "biklab" {
		t.Errorf("%d records, %+v, %v", len(f.Records), got, err)
	}
	if bad := strings.Replace(string(data), "lens-cleaning", "mirror-alignment", 1); bad == string(data) {
		t.Error("nothing was changed")
	} else if _, _, err := evidence.Verify([]byte(bad), note.VerifierList(o.key), o.config.Machine); err == nil {
		t.Error("a changed file verifies")
	}
	if _, err := hub.Export(ctx, reader, p, "lea", "laser-user", now, signer); err == nil {
		t.Error("a badge without a rule was exported")
	}
}

// Readers accept the largest evidence file that can be created.
func TestEvidenceOfManySessionsIsAcceptedByReaders(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	p, err := policyfile.Parse("policy.yaml", []byte(sitePolicy))
	if err != nil {
		t.Fatal(err)
	}
	m := ledgertest.New(t, "biklab", "laser")
	c := configure(t, []*ledgertest.Machine{m})
	l, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"), "biklab", c.Keys())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range evidence.MaxCounted + 20 { // do each intervention in a separate session
		appendWork(m, 1)
	}
	for first := uint64(1); first <= m.Len(); first += 100 {
		if _, err := l.Take("laser", m.Data(first, min(first+99, m.Len()))); err != nil {
			t.Fatal(err)
		}
	}
	signer, key := ledgertest.NewKey(t, "portillon-hub")
	data, err := hub.Export(context.Background(), l, p, "lea", "laser-maintainer", m.Now, signer)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := evidence.Verify(data, note.VerifierList(key), c.Machine)
	if err != nil || len(got.Counted) != evidence.MaxCounted {
		t.Errorf("%d count, %v", len(got.Counted), err)
	}
	t.Logf("%d bytes", len(data))
}
