package setup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/acceptance"
	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
	"portillon/wire"
)

// pollInterval is the pause between two requests for the daemon's status.
const pollInterval = 200 * time.Millisecond

// unfinished is the name of the file that stores an unfinished test, in the folder of the protocols.
const unfinished = "unfinished.json"

// WiringOf returns the properties of a machine's configuration that determine which steps of the test apply.
func WiringOf(c daemoncmd.Config) acceptance.Wiring {
	r := c.Relay
	return acceptance.Wiring{EStop: r.EStop != "", Door: r.Door != "", Feedback: r.Feedback != "",
		Busy: r.Busy != "", Exhaust: r.Exhaust != "",
		Reader: c.Reader.Kind != "none", ReaderTells: c.Reader.ReaderTells()}
}

// Fingerprint returns the SHA-256 of a machine.yaml, in hexadecimal.
func Fingerprint(path string) (string, error) {
	b, err := readSmall(path)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// Accepted returns the machine's last protocol, passed or failed, and the fingerprint of the present machine.yaml.
func Accepted(c daemoncmd.Config, file string) (acceptance.Protocol, string, error) {
	_, public, err := c.Signer("/etc/credstore")
	if err != nil {
		return acceptance.Protocol{}, "", err
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return acceptance.Protocol{}, "", err
	}
	last, err := acceptance.Last(acceptance.Folder(c.Data), note.VerifierList(v))
	if err != nil {
		return acceptance.Protocol{}, "", err
	}
	sum, err := Fingerprint(file)
	return last, sum, err
}

// trial guides a person through the acceptance test.
type trial struct {
	*Setup
	c      daemoncmd.Config
	folder string
	plan   []acceptance.Step
	p      acceptance.Progress
	signer note.Signer
}

// trial runs the acceptance test. If a reboot or a power cut has interrupted the test, trial continues the test.
func (s *Setup) trial(ctx context.Context, c daemoncmd.Config, path string) error {
	signer, public, err := c.Signer(s.store())
	if err != nil {
		return err
	}
	sum, err := Fingerprint(path)
	if err != nil {
		return err
	}
	r := &trial{Setup: s, c: c, folder: acceptance.Folder(c.Data), plan: acceptance.Plan(WiringOf(c)), signer: signer}
	if err := r.load(sum); err != nil {
		return err
	}
	if r.p.Began.IsZero() {
		v, err := note.NewVerifier(public)
		if err != nil {
			return err
		}
		if last, err := acceptance.Last(r.folder, note.VerifierList(v)); err == nil && last.Passed() && last.Wiring == sum &&
			!s.Again {
			s.Term.Say(tf("Essai de réception déjà réussi le %s par %s, %d étape(s) laissée(s) de côté. Recommencer : "+
				"portillon setup --again",
				"The acceptance test was passed on %s by %s, %d step(s) skipped. To repeat it: portillon setup --again",
				last.Ended.Format(time.DateOnly), last.By, last.Count(acceptance.Skipped)))
			return nil
		}
		if err := r.begin(ctx, sum); err != nil {
			return err
		}
	}
	return r.run(ctx)
}

// load reads the progress of an unfinished test, if the wiring has not changed since the test began.
func (r *trial) load(sum string) error {
	path := filepath.Join(r.folder, unfinished)
	b, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var p acceptance.Progress
	if err := json.Unmarshal(b, &p); err != nil {
		r.Term.Say(tf("%s ne se lit pas : l’essai recommence", "%s cannot be read: the test begins anew", path))
		return nil
	}
	if p.Wiring != sum || p.Program != r.Version {
		r.Term.Say(t("Le câblage ou le programme a changé depuis : l’essai recommence",
			"The wiring or the program has changed since: the test begins anew"))
		return nil
	}
	r.p = p
	return nil
}

// begin tells the person what the test requires, and asks for the person's name.
func (r *trial) begin(ctx context.Context, sum string) error {
	yes, err := r.Term.ConfirmDanger(
		ctx,
		r.LampInPlace,
		tf("\nEssai de réception, %d étapes. Débranchez la machine et mettez une "+
			"lampe à sa place. Si elle n’a pas de fiche, ou une fiche triphasée, un électricien la débranche et raccorde "+
			"la lampe ; personne n’ouvre le coffret pendant les essais. C’est fait ?",
			"\nAcceptance test, %d steps. Pull the machine’s plug and put a lamp in its place. Where it has no "+
				"plug, or a three-phase one, an electrician disconnects it and connects the lamp; nobody opens the "+
				"box during the test. Is that done?",
			len(r.plan)),
	)
	if err != nil {
		return err
	}
	if !yes {
		return ErrIncomplete
	}
	for range tries {
		if r.By != "" {
			r.p = acceptance.Progress{Wiring: sum, Program: r.Version, By: acceptance.OneLine(r.By), Began: r.Host.Now()}
			return nil
		}
		if r.By, err = r.Term.Ask(ctx, t("Votre nom (il reste sur cette machine)",
			"Your name (it stays on this machine)")); err != nil {
			return err
		}
		r.By = acceptance.OneLine(r.By)
	}
	return errors.New("--by: name of the person who performs the test is missing")
}

// storeProgress stores the unfinished test on the disk, because the next step may cut the power.
func (r *trial) storeProgress() error {
	b, err := json.Marshal(r.p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder, 0o700); err != nil {
		return err
	}
	// The daemon's user owns the parent folder, so root must not follow a link here.
	if fi, err := os.Lstat(r.folder); err != nil || !fi.IsDir() {
		return errors.Join(fmt.Errorf("path %s is a link, want a folder", r.folder), err)
	}
	return wire.WriteFile(filepath.Join(r.folder, unfinished), b, 0o600)
}

// run executes the test until it is finished, or until the Pi loses its power.
func (r *trial) run(ctx context.Context) error {
	in := acceptance.Input{}
	for {
		in.Now, in.Boot = r.Host.Now(), r.Host.BootID()
		var out acceptance.Output
		r.p, out = acceptance.Next(r.plan, r.p, in)
		if out.Call != acceptance.Look { // reading the status has not changed the progress
			if err := r.storeProgress(); err != nil {
				return err
			}
		}
		if out.First {
			r.printHead(out.Step)
		}
		var err error
		switch out.Call {
		case acceptance.End:
			return r.finish(ctx)
		case acceptance.Quit:
			r.Term.Say(t("Arrêté ici. Continuer : sudo portillon setup",
				"Stopped here. To go on: sudo portillon setup"))
			return ErrIncomplete
		case acceptance.Off:
			if err := r.Host.Systemctl(ctx, "poweroff"); err != nil {
				return err
			}
			return ErrReboot
		case acceptance.Prompt:
			in, err = r.prompt(ctx, out)
		case acceptance.Look:
			in = acceptance.Input{Event: acceptance.Seen, Status: r.status(ctx)}
		case acceptance.Carry:
			in = acceptance.Input{Event: acceptance.Did}
			if err := r.Host.Do(ctx, r.c, out.Deed); err != nil {
				in.Err = err.Error()
			}
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}

// printHead prints the introduction of a step.
func (r *trial) printHead(step acceptance.Step) {
	head := func(l policy.Language) string {
		return fmt.Sprintf("\n%d/%d  %s (%s)\n  %s\n  → %s", r.p.At+1, len(r.plan), step.Title.In(l), step.ID,
			step.Do.In(l), step.See.In(l))
	}
	r.Term.Say(policy.Text{FR: head(policy.French), EN: head(policy.English)})
}

// prompt shows a prompt and reads the person's answer.
func (r *trial) prompt(ctx context.Context, out acceptance.Output) (acceptance.Input, error) {
	step := out.Step
	if out.Again != (policy.Text{}) {
		r.Term.Say(out.Again)
	}
	keys := map[acceptance.Keys]policy.Text{
		acceptance.Done:  t("Entrée = fait", "Enter = done"),
		acceptance.YesNo: t("o/n", "y/n"),
		acceptance.Decide: t("r = recommencer l’étape, Entrée = noter l’échec",
			"r = repeat the step, Enter = record the failure"),
		acceptance.PowerOn: t("couper maintenant", "cut it now"),
	}[out.Keys]
	text := out.Text
	if out.Keys == acceptance.Decide {
		text = policy.Text{FR: "NON CONFORME : " + r.p.Failure + "\n" + text.FR,
			EN: "NOT AS IT MUST BE: " + r.p.Failure + "\n" + text.EN}
	}
	line, err := r.Term.Ask(ctx, policy.Text{FR: "[" + step.ID + "] " + text.FR + " (" + keys.FR + ")",
		EN: "[" + step.ID + "] " + text.EN + " (" + keys.EN + ")"})
	return acceptance.Input{Event: acceptance.Line, Line: line}, err
}

// status asks the daemon for its status, after a short pause.
func (r *trial) status(ctx context.Context) acceptance.Status {
	r.Host.Pause(ctx, pollInterval)
	st, err := r.Host.Status(ctx, r.c.Control)
	if err != nil {
		return acceptance.Status{}
	}
	return acceptance.Status{Answers: true, Relay: st.Relay, Reader: st.Reader || st.NoReader, Phase: st.Phase,
		Faults: st.Faults}
}

// finish signs the protocol and prints the result.
func (r *trial) finish(ctx context.Context) error {
	clock := "untrusted"
	if st, err := r.Host.Status(ctx, r.c.Control); err == nil && st.Clock != "" {
		clock = st.Clock
	}
	now := r.Host.Now()
	p := acceptance.Protocol{Site: r.c.Site, Machine: r.c.Machine, Wiring: r.p.Wiring, Program: r.Version,
		Computer: Computer(r.Root), Clock: clock,
		Began: r.p.Began, Ended: now, By: r.p.By, Results: r.p.Results}
	data, err := p.Sign(r.signer)
	if err != nil {
		return err
	}
	path := acceptance.File(r.folder, now)
	if err := wire.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.folder, unfinished)); err != nil {
		return err
	}
	r.Term.Say(policy.Text{FR: "\n" + Summary(p, policy.French), EN: "\n" + Summary(p, policy.English)})
	r.Term.Say(tf("protocole signé : %s", "signed protocol: %s", path))
	if !p.Passed() {
		return ErrNotPassed
	}
	return nil
}

// Summary returns a protocol as text for a person.
func Summary(p acceptance.Protocol, l policy.Language) string {
	words := map[acceptance.Verdict]policy.Text{acceptance.Passed: t("réussi", "passed"),
		acceptance.Failed: t("ÉCHEC", "FAILED"), acceptance.Skipped: t("passé", "skipped")}
	out := tf("Machine %s, lieu %s : essai de réception du %s par %s\n",
		"Machine %s, site %s: acceptance test of %s by %s\n", p.Machine, p.Site,
		p.Ended.UTC().Format(time.DateOnly), p.By).In(l)
	for _, r := range p.Results {
		why := ""
		if r.Why != "" {
			why = ": " + r.Why
		}
		out += fmt.Sprintf("  %-8s %s%s\n", words[r.Verdict].In(l), r.Step, why)
	}
	verdict := tf("RÉUSSI : %d étapes réussies, %d laissées de côté", "PASSED: %d steps passed, %d skipped",
		p.Count(acceptance.Passed), p.Count(acceptance.Skipped))
	if !p.Passed() {
		verdict = tf("NON RÉUSSI : %d étapes en échec. N’utilisez pas la machine avant de les avoir corrigées",
			"NOT PASSED: %d steps failed. Do not use the machine before they are mended",
			p.Count(acceptance.Failed))
	}
	return out + verdict.In(l)
}
