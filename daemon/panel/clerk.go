package panel

import (
	"context"
	"io"
	"time"

	"portillon/policy"
)

// Actions are the functions of a machine that people use at its panel. The methods block until the machine's loop has
// answered, and may be called concurrently. An error of type Refusal contains the reason for the person at the panel.
// No method switches a relay on.
type Actions interface {
	// Do executes an action that needs only a touch.
	Do(ctx context.Context, o Touch) error
	// Form opens a form for the person who tapped in the last minute, or returns the open form with a given token.
	Form(ctx context.Context, a FormRequest) (Form, error)
	// Write submits a filled-in form. The form is used up once its record is on the disk, or once the form waits for
	// the member's confirmation at the machine. In the second case waits describes what the member must still do. The
	// picture belongs to Actions after a success, and to the caller after an error.
	Write(ctx context.Context, token string, e Entry) (waits policy.Text, err error)
}

// Refusal is an answer to the person at the panel, in both languages.
type Refusal policy.Text

// Error implements error.
func (r Refusal) Error() string { return r.EN }

// Touch is one touch of a button.
type Touch struct {
	Do    Action   `json:"do"`              // role, extend, power-off, untag, vouch, confirm, deny, attest, decline
	Arg   string   `json:"arg,omitempty"`   // the role, the tag, the form, the intervention
	Items []string `json:"items,omitempty"` // vouch: the skills that the learner showed
	At    uint64   `json:"at,omitempty"`    // Visitor.At of the shown view; 0: any visitor
	Here  bool     `json:"-"`               // touched at the machine's own screen
}

// FormRequest is a request for a form.
type FormRequest struct {
	Do    Action `json:"do,omitempty"`   // kind of form: log, report or tag
	Item  string `json:"item,omitempty"` // the item that was already touched
	Token string `json:"token,omitempty"`
	At    uint64 `json:"at,omitempty"` // number of the visitor's tap, as in Touch
	Here  bool   `json:"-"`            // requested at the machine's own screen, as in Touch
}

// Form is a permission to write one entry, bound to the person who tapped and to their session. The holder of its token
// may use it once.
type Form struct {
	Token string      `json:"token"`
	Do    Action      `json:"do"`
	Title policy.Text `json:"title"`
	Items []Choice    `json:"items"`
	Item  string      `json:"item,omitempty"`
	// Minutes is the duration of the work, as measured by the machine. The form shows Minutes so that the person can
	// correct the duration.
	Minutes int       `json:"minutes,omitempty"`
	Parts   bool      `json:"parts,omitempty"` // the form asks for replaced parts
	Stop    string    `json:"stop,omitempty"`  // with this item the form asks whether to stop at once
	Ends    time.Time `json:"ends"`
	URL     string    `json:"url,omitempty"` // address of the form for a phone; empty: phones cannot reach this panel
	QR      *QR       `json:"qr,omitempty"`
	At      uint64    `json:"at,omitempty"` // Visitor.At of the person who opened the form
}

// Entry is the content of a filled-in form.
type Entry struct {
	Item    string
	Minutes int
	Parts   string
	Note    string
	Now     bool
	Photo   Picture
	Here    bool // filled in at the machine's own screen
}

// Picture is a stored photo of a form whose record is not written yet. The zero Picture means no photo.
type Picture struct {
	Name string // SHA-256 of the picture's content, in hexadecimal
	keep func() error
	drop func()
}

// Keep stores the picture permanently under its name. Repeated calls change nothing.
func (p Picture) Keep() error {
	if p.keep == nil {
		return nil
	}
	return p.keep()
}

// Drop deletes the picture, unless another record uses the same picture.
func (p Picture) Drop() {
	if p.drop != nil {
		p.drop()
	}
}

// Choice is one of several answers that a person can touch.
type Choice struct {
	ID    string      `json:"id"`
	Label policy.Text `json:"label"`
}

// Offer is a button with its action.
type Offer struct {
	Do    Action      `json:"do"` // an action of Touch; log, report and tag open a form
	Arg   string      `json:"arg,omitempty"`
	Label policy.Text `json:"label"`
}

// Photos stores pictures. Save reads a picture of at most MaxPhoto bytes. An error of type Refusal describes what is
// wrong with the picture.
type Photos interface {
	Save(r io.Reader) (Picture, error)
}
