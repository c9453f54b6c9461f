// Package panel is what stands beside the machine and speaks to the member: one page, one shape, one sentence, one next
// step.
//
// It serves the page, its style and its script from the binary, so that it works with no Internet, and sends
// each View as a server-sent event. A browser that hears nothing for 5 s says so instead of showing what is stale.
//
// It accepts touches (POST /do) from the screen at the machine alone (this computer's own, and the addresses of
// Config.Screens), and forms: POST /form opens one, at that screen alone, for whoever tapped in the last minute, and
// gives a token that is good for one entry and for ten minutes, at the panel itself or on a phone that reads its QR
// code. What a phone sends is unsigned until its member confirms it at the machine. A machine without a screen takes
// no form from elsewhere. What may be done is the machine's to say (Actions); nothing that comes through a panel
// switches a relay on, and no panel ever sees a card number. Bodies are small, pictures at most 4 MB; a request whose
// Host is no address or name of the local network is refused, so that no page of the Internet can reach a panel by a
// name of its own (DNS rebinding).
package panel

import (
	"net/http"
	"net/netip"
	"time"

	"portillon/policy"
)

// Config is what a page needs to know of its machine.
type Config struct {
	Machine  policy.MachineID
	Name     policy.Text
	Language policy.Language
	Now      func() time.Time // the machine's clock
	Zone     *time.Location
	Framed   string       // an origin that may show the page in a frame; empty: none
	URL      string       // where phones find this panel, as http://laser.local:8080; empty: they cannot
	Actions  Actions      // nil: a panel that only shows
	Photos   Photos       // nil: none are kept
	Screens  []netip.Addr // of screens that stand at the machine, beside this computer's own
}

// Panel is the panel of one machine: what it shows, the pages that show it, and the screens at the machine. Its methods
// may be called at once and never block.
type Panel struct {
	display *display
	screens *screens
	server  *server
}

// New shows nothing but the reader that does not answer, until it is told more.
func New(c Config) *Panel {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	open := &pages{}
	p := &Panel{display: newDisplay(c, open.wake), screens: newScreens(c)}
	p.server = &server{
		c: c, display: p.display, screens: p.screens, pages: open,
		phoneForm: make(chan struct{}, 1), screenForm: make(chan struct{}, 1),
	}
	return p
}

// Handler serves the page at /, its parts, /events, and what is touched and written.
func (p *Panel) Handler() http.Handler { return p.server.handler() }

// Show sets what is seen from now on. An answer that still flashes stays until its time is up.
func (p *Panel) Show(v View) { p.display.show(v) }

// Flash shows an answer for d, then what Show set last.
func (p *Panel) Flash(v View, d time.Duration) { p.display.showFor(v, d) }

// EndFlash ends an answer that flashes.
func (p *Panel) EndFlash() { p.display.change(p.display.endFlash) }

// Reading says, unless an answer comes at once, that a card was read. Show does not end it; call what it returns once
// the answer is there.
func (p *Panel) Reading() (done func()) { return p.display.reading() }

// SetHubOnline says whether the hub acknowledges.
func (p *Panel) SetHubOnline(up bool) { p.display.setHub(up) }

// SetNote sets the line at the foot; an empty text removes it.
func (p *Panel) SetNote(t policy.Text) { p.display.setNote(t) }

// SetMachine takes the machine's name, language, zone and look from a new policy. A nil zone leaves the zone as it was.
func (p *Panel) SetMachine(name policy.Text, l policy.Language, zone *time.Location, look policy.Look) {
	p.display.setMachine(name, l, zone, look)
}

// SetWording sets what a sentence is for the people of this machine, as its policy says: policy.Machine.Plain.
func (p *Panel) SetWording(f func(policy.Text) policy.Text) {
	p.display.change(func() { p.display.machine.wording = f })
}

// Current is what a page sees now.
func (p *Panel) Current() Frame { return p.display.frame() }

// Screens judges every screen that has ever reported itself, at this moment. Fell, Back and Restart are answered once:
// one caller acts on them.
func (p *Panel) Screens() []Screen { return p.screens.judgeAll() }

// sign is what the panel shows at this moment, and whether one of the machine's own screens is silent.
func (p *Panel) sign() (Sign, bool) { return p.display.sign(), p.screens.isStuck() }
