package panel

import (
	"context"
	"io"
	"time"

	"portillon/policy"
)

// Actions is the machine as people use it at its panel. Its methods block until the machine's loop has answered, and
// may be called at once. A Refusal says why something cannot be, in words for whoever asked; nothing of it switches a
// relay on.
type Actions interface {
	// Do carries out what needs a touch and nothing more.
	Do(ctx context.Context, o Touch) error
	// Form opens a form to write in, for whoever tapped in the last minute; or, with a token, the one that was opened
	// before.
	Form(ctx context.Context, a FormRequest) (Form, error)
	// Write fills the form in. It is used up once its record is on the disk, or once it waits for its member to
	// confirm it at the machine: waits says then what is still to do, and is empty otherwise. The picture belongs to
	// Actions from then on; on an error it stays the caller's.
	Write(ctx context.Context, token string, e Entry) (waits policy.Text, err error)
}

// Refusal is an answer that somebody at the panel reads.
type Refusal policy.Text

// Error implements error.
func (r Refusal) Error() string { return r.EN }

// Touch is one touch of a button.
type Touch struct {
	Do    Action   `json:"do"`              // role, extend, power-off, untag, vouch, confirm, deny, attest, decline
	Arg   string   `json:"arg,omitempty"`   // the role, the tag, the form, the intervention
	Items []string `json:"items,omitempty"` // vouch: what the learner did well
	At    uint64   `json:"at,omitempty"`    // Visitor.At as it was shown; 0: whoever stands there
	Here  bool     `json:"-"`               // from the screen at the machine
}

// FormRequest asks for a form.
type FormRequest struct {
	Do    Action `json:"do,omitempty"`   // log, report, tag
	Item  string `json:"item,omitempty"` // what was touched already
	Token string `json:"token,omitempty"`
	At    uint64 `json:"at,omitempty"` // as in Touch
	Here  bool   `json:"-"`            // likewise
}

// Form is a one-time permission to write one thing, bound to who tapped and to their session. It is for whoever holds
// its token.
type Form struct {
	Token string      `json:"token"`
	Do    Action      `json:"do"`
	Title policy.Text `json:"title"`
	Items []Choice    `json:"items"`
	Item  string      `json:"item,omitempty"`
	// how long the work took, as far as the machine knows; the form asks for it
	Minutes int       `json:"minutes,omitempty"`
	Parts   bool      `json:"parts,omitempty"` // the form asks for what was put in
	Stop    string    `json:"stop,omitempty"`  // with this item the form asks whether to stop at once
	Ends    time.Time `json:"ends"`
	URL     string    `json:"url,omitempty"` // where a phone finds it; empty: phones cannot reach this panel
	QR      *QR       `json:"qr,omitempty"`
	At      uint64    `json:"at,omitempty"` // Visitor.At of who opened it
}

// Entry is a form filled in.
type Entry struct {
	Item    string
	Minutes int
	Parts   string
	Note    string
	Now     bool
	Photo   Picture
	Here    bool // from the screen at the machine
}

// Picture is a photo that Photos took in, until its record is written or nothing came of it. The zero Picture is none.
type Picture struct {
	Name string // the SHA-256 of what it holds, in hexadecimal
	keep func() error
	drop func()
}

// Keep has the picture stay for good, under its name. To keep it again changes nothing.
func (p Picture) Keep() error {
	if p.keep == nil {
		return nil
	}
	return p.keep()
}

// Drop deletes it, unless another record's is the same.
func (p Picture) Drop() {
	if p.drop != nil {
		p.drop()
	}
}

// Choice is one of several that may be touched.
type Choice struct {
	ID    string      `json:"id"`
	Label policy.Text `json:"label"`
}

// Offer is a button that does what it says.
type Offer struct {
	Do    Action      `json:"do"` // as in Touch, or log, report, tag: it opens a form
	Arg   string      `json:"arg,omitempty"`
	Label policy.Text `json:"label"`
}

// Photos takes pictures in. Save reads one of at most MaxPhoto bytes; an error of type Refusal says what is wrong with
// it.
type Photos interface {
	Save(r io.Reader) (Picture, error)
}
