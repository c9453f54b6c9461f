package daemon

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// attestedRoster returns the roster of the example site, with a policy that asks an endorser to confirm each
// intervention at the laser while the endorser is still at the machine.
func attestedRoster(t *testing.T) *roster.Roster {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../site-example")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "policy.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	with := bytes.Replace(
		text,
		[]byte("endorsed-by: laser-maintainer }"),
		[]byte("endorsed-by: laser-maintainer, endorsed: at-the-time }"),
		1,
	)
	if bytes.Equal(with, text) {
		t.Fatal("the example has no evidence rule for the laser")
	}
	if err := os.WriteFile(file, with, 0o600); err != nil {
		t.Fatal(err)
	}
	return rosterOf(t, dir)
}

// benchAfterHelpersIntervention returns a bench on which Inès maintains the laser and Léa, her helper, has logged a
// lens cleaning at the machine's screen. The second result points to the list of
// the records that the session has written since then.
func benchAfterHelpersIntervention(t *testing.T, r *roster.Roster) (*bench, *[]session.Record) {
	t.Helper()
	b := benchOf(t, r)
	b.tap(ines)
	b.tap(lea)
	records := b.collectRecords()
	if err := b.fills(panel.FormRequest{Here: true, Do: "log"}, panel.Entry{Item: "lens-cleaning",
		Minutes: 1}); err != nil {
		t.Fatal(err)
	}
	return b, records
}

// The sequence at the panel is: Léa logs an intervention; Inès's card ends the session and makes the panel ask Inès
// about the intervention; one touch of Inès endorses it.
func TestEndorserConfirmsWithTheirCardAndOneTouch(t *testing.T) {
	r := attestedRoster(t)
	b, records := benchAfterHelpersIntervention(t, r)
	if len(*records) != 1 {
		t.Fatalf("%+v", *records)
	}
	did := (*records)[0]
	work := did.Body.(wire.InterventionBody)
	if work.ID == "" || work.Attested || work.Endorser == did.Member {
		t.Errorf("%+v", work)
	}
	if v := b.cfg.Panel.Current(); v.Line.FR != "Intervention notée pour Léa : Nettoyage de la lentille" ||
		v.Next.FR != "À la fin, Inès présente sa carte et atteste l’intervention ici" ||
		v.Next.EN != "At the end, Inès taps their card and endorses the intervention here" {
		t.Errorf("%+v %+v", v.Line, v.Next)
	}
	order := panel.Touch{Do: "attest", Arg: work.ID}
	if err := b.touch(order); !errors.Is(err, panel.NotNow) || strings.Contains(b.offered(), "attest") {
		t.Errorf("the member who did it: %v, offered %s", err, b.offered())
	}
	b.cfg.Panel.EndFlash()
	b.wants(b.tap(ines), "relay off session-end [cooling]")
	if got := b.offered(); got != "attest "+work.ID+", decline "+work.ID+", ask attest" {
		t.Fatalf("offered %s", got)
	}
	v := b.cfg.Panel.Current()
	if v.Visitor.Line.FR != "Inès, attester ce que Léa a fait ?" ||
		v.Visitor.Line.EN != "Inès, endorse what Léa did?" ||
		v.Offers[0].Label.FR != "Attester : nettoyage de la lentille (1 min)" ||
		v.Offers[0].Label.EN != "Endorse: lens cleaning (1 min)" {
		t.Errorf("%+v %+v", v.Visitor.Line, v.Offers)
	}
	if err := b.actions.touch(t.Context(), order); !errors.Is(err, panel.OnlyHere) {
		t.Errorf("from elsewhere: %v", err)
	}
	*records = nil
	if err := b.touch(order); err != nil || len(*records) != 1 {
		t.Fatal(err, *records)
	}
	x := (*records)[0]
	if x.Kind != wire.Attested || x.Session != did.Session || x.Member != work.Endorser ||
		x.Body != (wire.AttestBody{Intervention: work.ID}) {
		t.Errorf("%+v", x)
	}
	if v := b.cfg.Panel.Current(); v.Line.FR != "Attesté par Inès : nettoyage de la lentille" ||
		strings.Contains(b.offered(), "attest ") {
		t.Errorf("%q, offered %s", v.Line.FR, b.offered())
	}
	if err := b.touch(order); !errors.Is(err, panel.NotNow) || len(*records) != 1 {
		t.Errorf("twice: %v, %d records", err, len(*records))
	}
}

func TestOnlyTheEndorserAtTheMachineCanConfirm(t *testing.T) {
	r := attestedRoster(t)
	b, records := benchAfterHelpersIntervention(t, r)
	id := b.m.attests.waiting[0].id
	b.tap(ines)
	b.now = b.now.Add(session.ChooseFor)
	for name, card := range map[string]string{"nobody": "", "another member": zoe, "another maintainer's learner": jules,
		"a stranger": "DEADBEEF"} {
		if card != "" {
			b.tap(card)
		}
		before := len(b.m.attests.waiting)
		for _, do := range []string{"attest", "decline"} {
			if err := b.touch(panel.Touch{Do: panel.Action(do), Arg: id}); err == nil || len(b.m.attests.waiting) != before {
				t.Errorf("%s may %s", name, do)
			}
		}
	}
	for _, x := range *records {
		if x.Kind == wire.Attested {
			t.Errorf("%+v", x)
		}
	}
}

// A maintainer who taps at the machine and then fills in the form there has confirmed the intervention by filling in
// the form. The panel does not ask this maintainer to confirm the intervention again.
func TestInterventionLoggedByItsEndorserIsConfirmed(t *testing.T) {
	r := attestedRoster(t)
	b := benchOf(t, r)
	b.tap(ines)
	b.tap(lea)
	b.tap(ines)
	records := b.collectRecords()
	if got := b.offered(); !strings.HasSuffix(got, "ask log") {
		t.Fatalf("offered %s", got)
	}
	if err := b.fills(panel.FormRequest{Here: true, Do: "log"}, panel.Entry{Item: "extraction", Minutes: 1}); err != nil ||
		len(*records) != 1 ||
		len(b.m.attests.waiting) != 0 {
		t.Fatal(err, *records)
	}
	if w := (*records)[0].Body.(wire.InterventionBody); !w.Attested || w.ID != "" || (*records)[0].Member == w.Endorser {
		t.Errorf("%+v", w)
	}
	if v := b.cfg.Panel.Current(); v.Next != (policy.Text{}) {
		t.Errorf("%+v", v.Next)
	}
}

// A form from a phone, even one with the maintainer's own code, does not confirm an intervention. To confirm the
// intervention, the person who opened the form presents their card at the machine and touches the screen.
func TestFormFromAPhoneIsNotAConfirmation(t *testing.T) {
	r := attestedRoster(t)
	b := benchOf(t, r)
	b.tap(ines)
	b.tap(lea)
	b.tap(ines)
	records := b.collectRecords()
	if waits, err := b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "extraction",
		Minutes: 1}); err != nil ||
		waits == (policy.Text{}) ||
		len(*records) != 0 {
		t.Fatal(waits, err, *records)
	}
	b.now = b.now.Add(2 * session.ChooseFor)
	b.tap(ines)
	if err := b.touch(panel.Touch{Do: "confirm", Arg: b.m.forms.waiting[0].id}); err != nil || len(*records) != 1 ||
		!(*records)[0].Body.(wire.InterventionBody).Attested {
		t.Error("the maintainer, at the machine", err, *records)
	}

	b = benchOf(t, r) // the member has confirmed their own form, but the endorser has not confirmed the intervention yet
	b.tap(ines)
	b.tap(lea)
	b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "extraction", Minutes: 1})
	records = b.collectRecords()
	b.now = b.now.Add(session.ChooseFor)
	b.tap(lea)
	if err := b.touch(panel.Touch{Do: "confirm", Arg: b.m.forms.waiting[0].id}); err != nil || len(*records) != 1 {
		t.Fatal(err, *records)
	}
	if w := (*records)[0].Body.(wire.InterventionBody); w.Attested || w.ID == "" || len(b.m.attests.waiting) != 1 {
		t.Errorf("%+v, %d wait", w, len(b.m.attests.waiting))
	}
}

// If a session ended without the endorser's card, the panel can ask the endorser for another ten minutes. The
// endorser's next tap only makes the panel ask the question, and starts no session.
func TestEndorserIsAskedForTenMinutesAfterTheSession(t *testing.T) {
	r := attestedRoster(t)
	for _, do := range []string{"attest", "decline", ""} {
		b, records := benchAfterHelpersIntervention(t, r)
		b.now = b.now.Add(2 * formLife) // the session continues
		b.e.apply(t.Context(), session.Tick{})
		b.e.apply(t.Context(), session.Stop{})
		b.now = b.now.Add(formLife - time.Minute)
		b.e.apply(t.Context(), session.Tick{})
		b.cfg.Panel.EndFlash()
		if v := b.cfg.Panel.Current(); v.Note.FR != "Inès : présentez votre carte pour attester une intervention" ||
			v.Note.EN != "Inès: tap your card to endorse an intervention" {
			t.Errorf("%q %q", v.Note.FR, v.Note.EN)
		}
		b.wants(b.tap(ines), "[ready]")
		*records = nil
		if do != "" {
			if err := b.touch(panel.Touch{Do: panel.Action(do), Arg: b.m.attests.waiting[0].id}); err != nil ||
				len(b.m.attests.waiting) != 0 {
				t.Error(do, err)
			}
		}
		if (len(*records) == 1) != (do == "attest") {
			t.Errorf("%q: %+v", do, *records)
		}
		b.cfg.Panel.EndFlash()
		b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	}
	b, _ := benchAfterHelpersIntervention(t, r)
	b.e.apply(t.Context(), session.Stop{})
	b.now = b.now.Add(formLife)
	b.e.apply(t.Context(), session.Tick{})
	if len(b.m.attests.waiting) != 0 || b.cfg.Panel.Current().Note != (policy.Text{}) ||
		!strings.Contains(b.log.String(), "intervention was not endorsed in time") {
		t.Errorf("%+v", b.m.attests.waiting)
	}
}

func TestEndorserIsAskedAgainIfTheirConfirmationCannotBeRecorded(t *testing.T) {
	b, _ := benchAfterHelpersIntervention(t, attestedRoster(t))
	b.tap(ines)
	b.notes.full = true
	if err := b.touch(panel.Touch{Do: "attest", Arg: b.m.attests.waiting[0].id}); !errors.Is(err, panel.NotSaved) ||
		len(b.m.attests.waiting) != 1 {
		t.Error(err, b.m.attests.waiting)
	}
	b.notes.full = false
	if err := b.touch(panel.Touch{Do: "attest", Arg: b.m.attests.waiting[0].id}); err != nil ||
		len(b.m.attests.waiting) != 0 {
		t.Error(err, b.m.attests.waiting)
	}
}

func TestEndorserIsAskedOnlyIfThePolicyRequiresEndorsement(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds a bundle of its own")
	}
	b, records := benchAfterHelpersIntervention(t, exampleRoster(t))
	if w := (*records)[0].Body.(wire.InterventionBody); w.ID != "" || w.Attested || len(b.m.attests.waiting) != 0 {
		t.Errorf("%+v", w)
	}
	r := attestedRoster(t)
	b = benchOf(t, r)
	b.tap(ines)
	records = b.collectRecords()
	if err := b.fills(panel.FormRequest{Here: true, Do: "log"}, panel.Entry{Item: "lens-cleaning",
		Minutes: 1}); err != nil {
		t.Fatal(err)
	}
	if w := (*records)[0].Body.(wire.InterventionBody); w.ID != "" || w.Attested || len(b.m.attests.waiting) != 0 {
		t.Errorf("one's own work: %+v", w)
	}
}

func TestNumberOfWaitingConfirmationsIsLimited(t *testing.T) {
	b, _ := benchAfterHelpersIntervention(t, attestedRoster(t))
	for range 2 * maxAttestations {
		b.e.apply(t.Context(), session.Log{What: "lens-cleaning", ID: b.cfg.NewID()})
	}
	if len(b.m.attests.waiting) != maxAttestations || !strings.Contains(b.log.String(), "too many are waiting") {
		t.Errorf("%d interventions are waiting", len(b.m.attests.waiting))
	}
}

func TestMinutesOfAnInterventionAreLimitedByItsSession(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	b.now = b.now.Add(12*time.Minute - 3*time.Second)
	b.tap(lea)
	b.tap(ines) // the session has lasted 12 min and 3 s
	b.now = b.now.Add(30 * time.Second)
	f, err := b.actions.open(panel.FormRequest{Here: true, Do: "log"})
	if err != nil {
		t.Fatal(err)
	}
	n := len(b.notes.said)
	if err := b.fill(f.Token, panel.Entry{Item: "extraction", Minutes: 14}); !errors.Is(err, panel.TooManyMinutes(13)) ||
		len(b.notes.said) != n {
		t.Error(err)
	}
	if err := b.fill(f.Token, panel.Entry{Item: "extraction", Minutes: 13}); err != nil || b.since(n) != "intervention" {
		t.Error(err, b.since(n))
	}
}
