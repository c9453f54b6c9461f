// Package panel implements the page beside the machine, which always shows one shape, one sentence and one next step
// for the member.
//
// The daemon serves the page, its style and its script from its own binary, so that the page works without Internet,
// and sends each View to the page as a server-sent event. A page that receives nothing for 5 s shows that its content
// is outdated.
//
// The panel accepts touches (POST /do) only from screens at the machine: this computer's own screen, and the screens at
// the addresses in Config.Screens. POST /form opens a form for the person who tapped in the last minute, and only at a
// screen at the machine. With the form's token, a person may send one entry within ten minutes, at the panel itself or
// on a phone that has read the form's QR code. An entry from a phone is unsigned until its member confirms the entry at
// the machine. A machine without a screen accepts no form from a phone. The machine decides what is allowed (Actions).
// No request to a panel switches a relay on, and no panel receives a card number. Request bodies have at most a few
// kilobytes, and pictures at most 4 MB. A request is refused if its Host is neither an address nor a name of the local
// network, so that no page of the Internet can reach a panel under a foreign name (DNS rebinding).
package panel

import (
	"net/http"
	"net/netip"
	"time"

	"portillon/policy"
)

// Config describes the machine that a panel belongs to.
type Config struct {
	Machine  policy.MachineID
	Name     policy.Text
	Language policy.Language
	Now      func() time.Time // the machine's clock
	Zone     *time.Location
	Framed   string       // origin that may show the page in a frame; empty: none
	URL      string       // address of this panel for phones, such as http://laser.local:8080; empty: none
	Actions  Actions      // handles touches and forms; nil: the panel only displays content
	Photos   Photos       // stores photos; nil: photos are refused
	Screens  []netip.Addr // addresses of the machine's other screens
}

// Panel is the panel of one machine: its content, the pages that show it, and the screens at the machine. The methods
// of a Panel may be called concurrently and never block.
type Panel struct {
	display *display
	screens *screens
	server  *server
}

// New returns a panel that shows, until the first call of Show, that the reader does not answer.
func New(c Config) *Panel {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	open := &pages{}
	p := &Panel{display: newDisplay(c, open.notifyAll), screens: newScreens(c)}
	p.server = &server{
		c: c, display: p.display, screens: p.screens, pages: open,
		phoneForm: make(chan struct{}, 1), screenForm: make(chan struct{}, 1),
	}
	return p
}

// Handler returns the handler for the page at /, its parts, /events, touches and forms.
func (p *Panel) Handler() http.Handler { return p.server.handler() }

// Show sets the view. A temporary answer stays on the panel until its own time has passed.
func (p *Panel) Show(v View) { p.display.show(v) }

// Flash shows a temporary answer for d, then the view of Show again.
func (p *Panel) Flash(v View, d time.Duration) { p.display.showFor(v, d) }

// EndFlash ends a temporary answer.
func (p *Panel) EndFlash() { p.display.change(p.display.endFlash) }

// Reading makes the panel show that a card was read, unless the answer follows at once. Show does not end this display,
// so call the returned function once the answer is known.
func (p *Panel) Reading() (done func()) { return p.display.reading() }

// SetHubOnline sets whether the hub acknowledges records.
func (p *Panel) SetHubOnline(up bool) { p.display.setHub(up) }

// SetNote sets the note at the bottom; an empty text removes the note.
func (p *Panel) SetNote(t policy.Text) { p.display.setNote(t) }

// SetMachine sets the machine's name, language, zone and look from a new policy. A nil zone leaves the zone unchanged.
func (p *Panel) SetMachine(name policy.Text, l policy.Language, zone *time.Location, look policy.Look) {
	p.display.setMachine(name, l, zone, look)
}

// SetWording sets the function that adapts sentences to this machine: policy.Machine.Plain.
func (p *Panel) SetWording(f func(policy.Text) policy.Text) {
	p.display.change(func() { p.display.machine.wording = f })
}

// Current returns the present content of a page.
func (p *Panel) Current() Frame { return p.display.frame() }

// Screens returns the state of every screen that has ever reported. Each Fell, Back and Restart is set in the result of
// one call only, so that only one caller acts on it.
func (p *Panel) Screens() []Screen { return p.screens.judgeAll() }

// sign returns the present sign, and whether one of the machine's own screens is silent.
func (p *Panel) sign() (Sign, bool) { return p.display.sign(), p.screens.isStuck() }
