package daemon

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// fillByPhone opens a form and submits it from a phone.
func (b *bench) fillByPhone(a panel.FormRequest, e panel.Entry) (policy.Text, error) {
	b.t.Helper()
	a.Here = true
	f, err := b.actions.open(a)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.actions.fillIn(b.t.Context(), f.Token, e)
}

// collectRecords returns a list that grows with each later record.
func (b *bench) collectRecords() *[]session.Record {
	out := &[]session.Record{}
	b.cfg.Journal = bodyRecorder{b.notes, func(r session.Record) { *out = append(*out, r) }}
	return out
}

func TestInterventionFromAPhoneIsRecordedOnlyAfterConfirmation(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	records := b.collectRecords()
	waits, err := b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "lens-cleaning", Minutes: 1,
		Note: "propre"})
	if err != nil || waits != panel.FormWaits() || len(*records) != 0 {
		t.Fatalf("%v %v, %d records", waits, err, len(*records))
	}
	b.now = b.now.Add(2 * session.ChooseFor)
	b.e.apply(t.Context(), session.Tick{})
	const footnote = "Formulaire envoyé d’un téléphone. Inès : présentez votre carte pour le confirmer"
	if v := b.cfg.Panel.Current(); v.Note.FR != footnote ||
		strings.Contains(b.offered(), "confirm") {
		t.Errorf("%q, offered %s", v.Note.FR, b.offered())
	}
	id := b.m.forms.waiting[0].id
	for name, o := range map[string]panel.Touch{"from elsewhere": {Do: "confirm", Arg: id},
		"without a card": {Do: "confirm", Arg: id, Here: true}} {
		if err := b.actions.touch(t.Context(), o); err == nil || len(*records) != 0 {
			t.Errorf("%s: %v, %d records", name, err, len(*records))
		}
	}
	b.tap(zoe)
	if err := b.touch(panel.Touch{Do: "confirm", Arg: id}); !errors.Is(err, panel.NotNow) ||
		strings.Contains(b.offered(), "confirm") {
		t.Errorf("another member: %v, offered %s", err, b.offered())
	}
	b.tap(ines) // the tap ends Inès's session, and also makes the panel ask her about the form
	if got := b.offered(); got != "confirm "+id+", deny "+id+", ask confirm" {
		t.Fatalf("offered %s", got)
	}
	*records = nil
	if err := b.touch(panel.Touch{Do: "confirm", Arg: id}); err != nil || len(*records) != 1 {
		t.Fatal(err, *records)
	}
	if x := (*records)[0].Body.(wire.InterventionBody); x.Minutes != 1 || x.Note != "propre" ||
		(*records)[0].Member == "" ||
		(*records)[0].Member != x.Endorser {
		t.Errorf("%+v", (*records)[0])
	}
	if err := b.touch(panel.Touch{Do: "confirm", Arg: id}); !errors.Is(err, panel.NotNow) || len(*records) != 1 {
		t.Errorf("confirmed twice: %v, %d records", err, len(*records))
	}
}

// A member's first tap after a form was sent in their name makes the panel ask about the form, and starts no session.
// The next tap starts a session again.
func TestFirstTapAfterAFormFromAPhoneOnlyMakesThePanelAsk(t *testing.T) {
	for _, do := range []string{"confirm", "deny", ""} {
		b := newBench(t)
		b.tap(zoe)
		b.tap(lea)
		b.tap(lea)
		records := b.collectRecords()
		if _, err := b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "noise"}); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(5 * time.Minute) // the cooling is over
		b.e.apply(t.Context(), session.Tick{})
		b.wants(b.tap(lea), "[ready]")
		if do != "" {
			if err := b.touch(panel.Touch{Do: panel.Action(do), Arg: b.m.forms.waiting[0].id}); err != nil ||
				len(b.m.forms.waiting) != 0 {
				t.Error(err)
			}
		}
		signed := 0
		for _, r := range *records {
			if r.Kind == wire.Reported && r.Member != "" {
				signed++
			}
		}
		if (signed == 1) != (do == "confirm") {
			t.Errorf("%q: %d signed records", do, signed)
		}
		b.cfg.Panel.EndFlash()
		b.wants(b.tap(lea), "session-start RELAY ON [on]")
	}
}

// A danger that is reported from a phone is recorded at once, without naming a member. The machine continues, and the
// panel shows the danger until a maintainer has worked at the machine.
func TestDangerFromAPhoneStopsTheMachineOnlyAfterConfirmation(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	f, _ := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	b.tap(lea)
	records := b.collectRecords()
	waits, err := b.actions.fillIn(t.Context(), f.Token, panel.Entry{Item: "dangerous", Note: "fumée", Now: true})
	if err != nil || waits != panel.ReportWaits(true) || !b.m.relay || len(b.m.state.Holds.Tags) != 0 {
		t.Fatalf("%v %v, relay %v, %+v", waits, err, b.m.relay, b.m.state.Holds.Tags)
	}
	if len(*records) != 1 || (*records)[0].Kind != wire.Reported || (*records)[0].Member != "" {
		t.Fatalf("%+v", *records)
	}
	if x := (*records)[0].Body.(wire.ReportBody); x.Claimed != "m-9d017e" || x.Tag != "" || x.What != wire.Dangerous ||
		x.Note != "fumée" {
		t.Errorf("%+v", x)
	}
	if v := b.cfg.Panel.Current(); v.Note != panel.DangerUnsigned() {
		t.Errorf("the next person reads %q", v.Note.FR)
	}
	b.tap(zoe)
	if err := b.touch(panel.Touch{Do: "confirm", Arg: b.m.forms.waiting[0].id}); err != nil || b.m.relay ||
		!b.m.forms.dangerAt.IsZero() ||
		len(b.m.state.Holds.Tags) != 1 ||
		b.m.state.Holds.Tags[0].By != "m-9d017e" {
		t.Errorf("%v, relay %v, %+v", err, b.m.relay, b.m.state.Holds.Tags)
	}

	b = newBench(t)
	b.tap(zoe)
	b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "dangerous"})
	b.now = b.now.Add(formLife)
	b.m.forms.expire()
	b.tap(lea)
	if v := b.cfg.Panel.Current(); v.Note != panel.DangerUnsigned() {
		t.Errorf("who comes after the ten minutes reads %q", v.Note.FR)
	}
	b.tap(lea)
	b.tap(ines)
	if v := b.cfg.Panel.Current(); v.Note != panel.DangerUnsigned() {
		t.Errorf("the maintainer reads %q", v.Note.FR)
	}
	b.tap(ines)
	if v := b.cfg.Panel.Current(); v.Note == panel.DangerUnsigned() {
		t.Error("it is shown after the maintainer has been there")
	}
	b.tap(zoe)
	b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "dangerous"})
	b.now = b.now.Add(dangerNoted)
	b.m.forms.expire()
	b.e.show()
	if v := b.cfg.Panel.Current(); v.Note == panel.DangerUnsigned() {
		t.Error("it is shown for more than a day")
	}
}

// When a learner waits for a mentor, the mentor's tap starts the learner's session, even if the panel also has a
// question for the mentor.
func TestMentorWhoseLearnerWaitsIsAskedAboutTheFormLater(t *testing.T) {
	b := newBench(t)
	b.tap(karim)
	b.tap(karim)
	b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "noise"})
	b.now = b.now.Add(5 * time.Minute)
	b.e.apply(t.Context(), session.Tick{})
	b.tap(jules)
	b.wants(b.tap(karim), "session-start RELAY ON [supervised]")
	if got := b.offered(); !strings.Contains(got, "confirm") {
		t.Errorf("offered %s", got)
	}
}

// The photo of a reported problem is kept, because the record of the problem was written at once.
func TestPhotoOfAnUnsignedProblemIsKept(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	photo, dir := newPicture(t)
	b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "broken", Photo: photo})
	b.m.forms.drop(func(unsignedForm) bool { return true })
	if _, err := os.Stat(dir + "/" + photo.Name + ".jpg"); err != nil || !b.m.forms.droppedAt.IsZero() {
		t.Errorf("%v, dropped at %v", err, b.m.forms.droppedAt)
	}
}

func TestUnconfirmedFormIsDroppedWithItsPhotoAndShown(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"after ten minutes": func(b *bench) {
			b.now = b.now.Add(formLife)
			b.m.forms.expire()
			b.e.apply(t.Context(), session.Tick{})
			if v := b.cfg.Panel.Current(); v.Note != panel.NotConfirmed() || !strings.Contains(b.log.String(),
				"form dropped: its member did not confirm it") {
				t.Errorf("%q, log:\n%s", v.Note.FR, b.log.String())
			}
			b.now = b.now.Add(session.ChooseFor)
			if b.e.show(); b.cfg.Panel.Current().Note == panel.NotConfirmed() {
				t.Error("it is said for more than a minute")
			}
		},
		"denied": func(b *bench) {
			if err := b.touch(panel.Touch{Do: "deny", Arg: b.m.forms.waiting[0].id}); err != nil ||
				!strings.Contains(b.log.String(), "form denied by its member") {
				t.Errorf("%v, log:\n%s", err, b.log.String())
			}
		},
		"at the daemon's end": func(b *bench) { b.m.forms.drop(func(unsignedForm) bool { return true }) },
	} {
		b := newBench(t)
		b.tap(ines)
		photo, dir := newPicture(t)
		if _, err := b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "lens-cleaning",
			Photo: photo}); err != nil {
			t.Fatal(err)
		}
		records := b.collectRecords()
		end(b)
		if left, _ := os.ReadDir(dir); len(left) != 0 || len(*records) != 0 || len(b.m.forms.waiting) != 0 {
			t.Errorf("%s: %d photos, %d records, %d forms wait", name, len(left), len(*records), len(b.m.forms.waiting))
		}
	}
	b := newBench(t)
	b.tap(ines)
	photo, dir := newPicture(t)
	b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "lens-cleaning", Photo: photo})
	if err := b.touch(panel.Touch{Do: "confirm", Arg: b.m.forms.waiting[0].id}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/" + photo.Name + ".jpg"); err != nil {
		t.Error("the photo of a confirmed form: ", err)
	}
}

// newPicture stores a photo, and returns the photo and the folder in which it is stored.
func newPicture(t *testing.T) (panel.Picture, string) {
	t.Helper()
	dir := t.TempDir()
	data := append([]byte{0xff, 0xd8, 0xff, 0xda, 0, 2}, make([]byte, 200)...)
	p, err := (&panel.Album{Dir: dir, Max: 1 << 20, Most: 10}).Save(strings.NewReader(string(append(data, 0xff, 0xd9))))
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// Forms from phones are counted separately from the forms and reports that members write at the machine itself.
func TestFormsFromPhonesAreCountedSeparately(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	mine, _ := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	b.tap(zoe)
	sent := 0
	for range 3 * reportsMax {
		if _, err := b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "noise"}); err == nil {
			sent++
		}
	}
	if sent != formsEach || len(b.m.forms.waiting) != formsEach {
		t.Errorf("%d of one member's were taken, %d wait, want %d", sent, len(b.m.forms.waiting), formsEach)
	}
	if err := b.fills(panel.FormRequest{Here: true, Do: "report"}, panel.Entry{Item: "noise"}); err != nil {
		t.Error("a member's own report is refused for what phones sent: ", err)
	}
	if _, ok := b.m.forms.find(mine.Token); !ok {
		t.Error("another member's form is gone")
	}
	b.tap(jules) // a danger is accepted up to the limit of Jules' reports, although no more of his forms can wait
	sent = 0
	for range 3 * reportsMax {
		if _, err := b.fillByPhone(panel.FormRequest{Do: "report"}, panel.Entry{Item: "dangerous"}); err == nil {
			sent++
		}
	}
	if sent != reportsMax {
		t.Errorf("%d dangers of one member's were taken, want %d", sent, reportsMax)
	}
	if err := b.fills(panel.FormRequest{Here: true, Do: "report"}, panel.Entry{Item: "noise"}); err != nil {
		t.Error("a member's own report is refused for what phones sent: ", err)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); err != nil {
		t.Fatal(err)
	}
	for i := range formsMost {
		b.m.forms.open = append(
			b.m.forms.open,
			form{
				opener: policy.MemberID(rune('a' + i)),
				Form:   panel.Form{Token: string(rune('a' + i)), Ends: b.now.Add(formLife)},
			},
		)
	}
	n := len(b.m.forms.open)
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); err == nil || len(b.m.forms.open) != n-1 {
		// At the limit, Jules' oldest form was dropped, but the new form is refused.
		t.Errorf("%v, %d forms of %d", err, len(b.m.forms.open), n)
	}
	b.m.forms.open = b.m.forms.open[len(b.m.forms.open)-formsMost+1:]
	b.tap(ines)
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); err != nil ||
		len(b.m.forms.open) != formsMost {
		t.Errorf("where all places are taken a member's new form replaces their own: %v, %d forms", err, len(b.m.forms.open))
	}
	n = len(b.m.forms.open)
	b.tap(karim)
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.TooManyForms) ||
		len(b.m.forms.open) != n {
		t.Errorf("%v, %d forms of %d", err, len(b.m.forms.open), n)
	}
}
