package panel

import (
	"sync"
	"time"

	"portillon/policy"
)

// patience is how long the panel waits for the answer to a card before it shows that the card was read.
const patience = 150 * time.Millisecond

// Frame is the content of a page: the view, and the data that the panel adds to the view.
type Frame struct {
	View
	Look  string    `json:"look"`
	Hub   bool      `json:"hub"`   // the hub acknowledges records
	Now   time.Time `json:"now"`   // the machine's time, because a browser's clock may be wrong
	Zone  int       `json:"zone"`  // the site's offset from UTC at Now, in seconds
	Build string    `json:"build"` // build of the page: an older page reloads itself
	Rev   uint64    `json:"rev"`   // revision of the content; a page reports the revision that it shows
}

// display stores the content of the panel, and notifies open pages of each change.
type display struct {
	now     func() time.Time
	changed func() // called while the lock is held; must not block

	mu      sync.Mutex // guards all fields below
	base    View       // the view last set by Show
	flash   *View      // a temporary answer shown instead of base; nil: none
	timer   *time.Timer
	hub     bool
	note    policy.Text
	machine machineFace
	rev     uint64    // revision of the content, incremented by each change
	revised time.Time // time of the last change
}

// machineFace holds the machine's name, language, zone, look and wording, from its policy.
type machineFace struct {
	name     policy.Text
	language policy.Language
	zone     *time.Location
	look     policy.Look
	wording  func(policy.Text) policy.Text // adapts sentences to this machine; nil: unchanged
}

// adapt returns a view in this machine's wording.
func (m machineFace) adapt(v View) View {
	if m.wording == nil {
		return v
	}
	v.Line, v.Next, v.Note = m.wording(v.Line), m.wording(v.Next), m.wording(v.Note)
	return v
}

// newDisplay returns the display of a machine. The display calls changed after each change of its content.
func newDisplay(c Config, changed func()) *display {
	return &display{
		now: c.Now, changed: changed, base: ReaderSilent(false), rev: 1, revised: c.Now(),
		machine: machineFace{name: c.Name, language: c.Language, zone: c.Zone},
	}
}

// change makes one change and notifies the pages.
func (d *display) change(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
	d.rev++
	d.revised = d.now()
	d.changed()
}

// changeIf makes a change unless the content stays the same. Therefore a tick alone notifies no page.
func (d *display) changeIf(differs func() bool, do func()) {
	d.mu.Lock()
	differ := differs()
	d.mu.Unlock()
	if differ {
		d.change(do)
	}
}

// show shows a view until the next call of show.
func (d *display) show(v View) {
	d.changeIf(func() bool { return !v.equal(d.base) }, func() { d.base = v })
}

// setHub sets whether the panel shows that the hub is connected.
func (d *display) setHub(up bool) {
	d.changeIf(func() bool { return up != d.hub }, func() { d.hub = up })
}

// setNote sets the machine's note; an empty text removes the note.
func (d *display) setNote(t policy.Text) {
	d.changeIf(func() bool { return t != d.note }, func() { d.note = t })
}

// setMachine replaces the machine's name, language, time zone and appearance.
func (d *display) setMachine(name policy.Text, l policy.Language, zone *time.Location, look policy.Look) {
	d.change(func() {
		d.machine.name, d.machine.language, d.machine.look = name, l, look
		if zone != nil {
			d.machine.zone = zone
		}
	})
}

// showFor shows a temporary view for the given time, and then the view of show again.
func (d *display) showFor(v View, long time.Duration) {
	d.change(func() {
		d.endFlash()
		d.flash = &v
		d.timer = time.AfterFunc(long, func() { d.change(func() { d.flash, d.timer = nil, nil }) })
	})
}

// endFlash ends a temporary answer. The caller must hold the lock.
func (d *display) endFlash() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.flash, d.timer = nil, nil
}

func (d *display) reading() (done func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shown := false
	t := time.AfterFunc(patience, func() {
		d.change(func() {
			if d.flash == nil {
				v := OneMoment()
				d.flash, shown = &v, true
			}
		})
	})
	return func() {
		t.Stop()
		d.change(func() {
			if shown && d.flash != nil && d.flash.Sign == SignReading {
				d.flash = nil
			}
		})
	}
}

// frame returns the present content of a page.
func (d *display) frame() Frame {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.base
	if d.flash != nil {
		v = *d.flash
	}
	v.Visitor, v.Offers, v.Note = d.base.Visitor, d.base.Offers, d.note
	if d.flash != nil && v.Visitor != nil { // a temporary answer hides a question to the visitor
		x := *v.Visitor
		x.Question, x.Line, x.Items = "", policy.Text{}, nil
		v.Visitor = &x
	}
	v = v.orRefusal()
	// In a state without offers the person was just refused or is not known yet, and gets no buttons.
	if row, _ := v.Sign.row(); !row.offers {
		v.Offers = nil
	}
	f := Frame{View: d.machine.adapt(v), Look: d.machine.look.String(), Hub: d.hub, Now: d.now(), Build: build(),
		Rev: d.rev}
	_, f.Zone = f.Now.In(d.machine.zone).Zone()
	return f
}

// sign returns the present sign, which controls the lamps and the buzzer.
func (d *display) sign() Sign {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flash != nil {
		return d.flash.Sign
	}
	return d.base.Sign
}

// face returns the machine's present name, language, zone, look and wording.
func (d *display) face() machineFace {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.machine
}

// revision returns the present revision, and the time of its change.
func (d *display) revision() (uint64, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rev, d.revised
}
