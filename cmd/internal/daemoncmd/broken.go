package daemoncmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/daemon/panel"
	"portillon/policy"
)

// runBroken returns errReopen when a journal that failed to open earlier can now be opened. After errReopen, the daemon
// restarts itself.
var errReopen = errors.New("daemon must restart, because its journal can be opened again")

// reopenEvery is the interval between attempts to open a journal that could not be opened.
const reopenEvery = 5 * time.Second

// openBroken serves the panel and the control socket of a machine whose journal cannot be opened. The panel shows the
// reason. No guard is started, so the relay stays off and no card starts the machine.
func (d *Daemon) openBroken(why error) (err error) {
	d.broken, d.brokenStamp = fmt.Errorf("%w; %s", why, d.c.cureJournal()), d.journalStamp()
	d.log.Error("journal cannot be opened, machine stays off", "err", d.broken)
	d.panel = d.newPanel(refuseAll{})
	d.panel.Show(panel.JournalUnusable())
	if d.web, err = d.c.Panel.listen(); err != nil {
		return err
	}
	d.socket, err = control.Listen(d.c.Control)
	return err
}

// refuseAll implements the actions of a panel without a machine, by refusing all of them.
type refuseAll struct{}

// Do implements panel.Actions.
func (refuseAll) Do(context.Context, panel.Touch) error { return panel.NotSaved }

// Form implements panel.Actions.
func (refuseAll) Form(context.Context, panel.FormRequest) (panel.Form, error) {
	return panel.Form{}, panel.NotSaved
}

// Write implements panel.Actions.
func (refuseAll) Write(context.Context, string, panel.Entry) (policy.Text, error) {
	return policy.Text{}, panel.NotSaved
}

// answer returns the control socket's reply to a request.
func (d *Daemon) answer(_ context.Context, r control.Request) control.Reply {
	if r.Do == "status" {
		return control.Reply{OK: true, Status: &control.Status{Site: d.c.Site, Machine: d.c.Machine, Phase: "fault",
			Faults: []string{
				"journal",
			}, NoReader: d.c.Reader.Kind == noReader, Alone: d.c.MQTT.Broker == "", JournalDamage: d.broken.Error()}}
	}
	return control.Reply{Error: d.broken.Error(), Hint: d.c.cureJournal()}
}

// runBroken serves the panel and the control socket until ctx ends or the journal can be opened.
func (d *Daemon) runBroken(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { _ = control.Serve(ctx, d.socket, d.answer) })
	web := limitConnections(d.web, d.c.Panel.Screens)
	page := &http.Server{Handler: d.panel.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	work.Go(func() { _ = page.Serve(web) })
	work.Go(func() { <-ctx.Done(); page.Close() })
	d.runLights(ctx, &work)
	fmt.Printf("ready panel=http://%s/\n", d.web.Addr())
	go notifySystemd(ctx, func() bool { return true })
	t := time.NewTicker(reopenEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
			if d.canOpen(ctx) {
				return errReopen
			}
		}
	}
}

// canOpen reports whether the journal can be opened again.
func (d *Daemon) canOpen(ctx context.Context) bool {
	k, errs := d.c.readKeys(d.c.secrets())
	if len(errs) > 0 {
		return false
	}
	j, err := openExamined(ctx, d.c.journalFile(), d.local.options(k.signer))
	if err == nil {
		return j.Close() == nil
	}
	// the file was replaced, so the restarted daemon will try to salvage the new file
	return journal.IsDamaged(err) && d.journalStamp() != d.brokenStamp
}

// journalStamp returns the size and the modification time of the journal's file.
func (d *Daemon) journalStamp() string {
	fi, err := os.Stat(d.c.journalFile())
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(fi.Size(), fi.ModTime().UnixNano())
}
