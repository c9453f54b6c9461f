package panel

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"portillon/policy"
)

// These are the limits of the requests of a page, in bytes. Only a form may contain a picture.
const (
	maxOrder = 4 << 10
	maxForm  = MaxPhoto + 64<<10
	// maxUnread is how much of a rejected form is read and discarded at most. A phone's photo has up to about 15 MB.
	maxUnread = 32 << 20
	maxNote   = 500 // largest text of a form in characters, as in a record
	maxParts  = 200
)

// These time limits for reading a body ensure that a client that sends nothing does not block others for long.
const (
	orderTime = 5 * time.Second
	formTime  = 30 * time.Second
)

var (
	busyNow = Refusal{
		FR: "Un autre formulaire est en train d’arriver : réessayez dans un instant",
		EN: "Another form is arriving: try again in a moment",
	}
	onePhoto = Refusal{FR: "Une seule photo par formulaire", EN: "One photo for each form"}
	notOurs  = Refusal{
		FR: "Ce formulaire n’est pas lisible : présentez à nouveau votre carte",
		EN: "This form cannot be read: tap your card again",
	}
)

var notHere = Refusal{FR: "Ce panneau n’a pas de machine derrière lui", EN: "No machine stands behind this panel"}

// do serves POST /do, which carries out a touch.
func (s *server) do(w http.ResponseWriter, r *http.Request) {
	var o Touch
	if !s.read(w, r, &o) {
		return
	}
	o.Here = s.isAtMachine(r)
	if err := s.c.Actions.Do(r.Context(), o); err != nil {
		refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// openForm serves POST /form, which opens a form for the person who tapped.
func (s *server) openForm(w http.ResponseWriter, r *http.Request) {
	var a FormRequest
	if !s.read(w, r, &a) {
		return
	}
	a.Token, a.Here = "", s.isAtMachine(r)
	if !a.Here {
		refuse(w, r, s.elsewhereRefusal())
		return
	}
	f, err := s.c.Actions.Form(r.Context(), a)
	if err != nil {
		refuse(w, r, err)
		return
	}
	if s.c.URL != "" && s.screens.hasScreen() {
		f.URL = strings.TrimSuffix(s.c.URL, "/") + "/form/" + f.Token
		f.QR = newQR(f.URL)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(f)
}

// elsewhereRefusal returns the refusal of a form for a page away from the machine. Only the code on the machine's own
// screen opens a form on a phone.
func (s *server) elsewhereRefusal() Refusal {
	if !s.screens.hasScreen() {
		return s.noScreenRefusal()
	}
	return ScanCode
}

// noScreenRefusal returns NoScreen in this machine's wording.
func (s *server) noScreenRefusal() Refusal {
	return Refusal(s.display.face().adapt(View{Line: policy.Text(NoScreen)}).Line)
}

// read decodes a small JSON body. After a failure, read answers the request and returns false.
func (s *server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(orderTime))
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		http.Error(w, "invalid request: "+err.Error(), http.StatusBadRequest)
		return false
	}
	if s.c.Actions == nil {
		refuse(w, r, notHere)
		return false
	}
	return true
}

// form serves GET /form/TOKEN, which shows the form on a phone.
func (s *server) form(w http.ResponseWriter, r *http.Request) {
	if s.c.Actions == nil {
		s.answerPhone(w, http.StatusNotFound, notHere, false)
		return
	}
	here := s.isAtMachine(r)
	if !here && !s.screens.hasScreen() {
		s.answerPhone(w, http.StatusForbidden, s.noScreenRefusal(), false)
		return
	}
	f, err := s.c.Actions.Form(r.Context(), FormRequest{Token: r.PathValue("token"), Here: here})
	if err != nil {
		s.answerPhone(w, http.StatusGone, err, false)
		return
	}
	name := s.display.face().name
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, phonePage(f, name))
}

// write serves POST /form/TOKEN, which submits a filled-in form from the panel's own page or from a phone.
func (s *server) write(w http.ResponseWriter, r *http.Request) {
	script := strings.Contains(r.Header.Get("Accept"), "application/json")
	done, err := s.submit(w, r)
	switch {
	case err != nil && script:
		refuse(w, r, err)
	case err != nil:
		s.answerPhone(w, http.StatusConflict, err, true)
	case script && done.waits != (policy.Text{}):
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(done.waits)
	case script:
		w.WriteHeader(http.StatusNoContent)
	case done.waits != (policy.Text{}):
		s.sentencePage(w, http.StatusOK, done.waits, false)
	case done.form.Do == OpenTag:
		s.sentencePage(w, http.StatusOK, Tagged(), false)
	default:
		s.answerPhone(w, http.StatusOK, nil, false)
	}
}

// submitted is an accepted form, with a text about what the member must still do; empty: nothing.
type submitted struct {
	form  Form
	waits policy.Text
}

// submit processes a filled-in form.
func (s *server) submit(w http.ResponseWriter, r *http.Request) (submitted, error) {
	if s.c.Actions == nil {
		return submitted{}, notHere
	}
	token, here := r.PathValue("token"), s.isAtMachine(r)
	if !here && !s.screens.hasScreen() {
		return submitted{}, s.noScreenRefusal()
	}
	// Look up the form before reading a picture.
	f, err := s.c.Actions.Form(r.Context(), FormRequest{Token: token, Here: here})
	if err != nil {
		return submitted{}, err
	}
	turn := s.phoneForm
	if here {
		turn = s.screenForm
	}
	select { // process one form at a time, because a picture is in memory until it is on the disk
	case turn <- struct{}{}:
		defer func() { <-turn }()
	default:
		return submitted{}, busyNow
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(formTime))
	body := r.Body
	r.Body = http.MaxBytesReader(w, body, maxForm)
	e, err := s.entry(r)
	e.Here = here
	if err != nil {
		// A phone reads the answer only after sending. If the rest of the request stayed unread, the phone would see a
		// connection reset.
		io.CopyN(io.Discard, body, maxUnread)
		e.Photo.Drop()
		return submitted{}, err
	}
	waits, err := s.c.Actions.Write(r.Context(), token, e)
	if err != nil {
		e.Photo.Drop()
		return submitted{}, err
	}
	return submitted{form: f, waits: waits}, nil
}

// entry reads a filled-in form part by part, so that a picture is in memory only once. Only one picture is allowed. On
// an error the caller must drop the picture.
func (s *server) entry(r *http.Request) (e Entry, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return e, notOurs
	}
	for range 16 { // 16 is more than the number of fields of any form
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		switch {
		case err != nil:
		case part.FormName() != "photo":
			err = field(&e, part)
		case part.FileName() == "":
		case e.Photo.Name != "":
			err = onePhoto
		case s.c.Photos == nil:
			err = errFull
		default:
			e.Photo, err = s.c.Photos.Save(part)
		}
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			return e, errTooBig
		}
		if err != nil {
			return e, err
		}
	}
	return e, notOurs
}

func field(e *Entry, part *multipart.Part) error {
	b, err := io.ReadAll(io.LimitReader(part, 8*maxNote))
	if err != nil {
		return err
	}
	switch s := printable(string(b)); part.FormName() {
	case "item":
		e.Item = s
	case "minutes":
		if e.Minutes, err = strconv.Atoi(s); s != "" && (err != nil || e.Minutes < 0 || e.Minutes > 24*60) {
			return Refusal{FR: "Les minutes vont de 0 à 1440", EN: "Minutes go from 0 to 1440"}
		}
	case "parts":
		e.Parts = s
		return bounded(s, maxParts)
	case "note":
		e.Note = s
		return bounded(s, maxNote)
	case "now":
		e.Now = s == "on" || s == "true"
	}
	return nil
}

func bounded(s string, most int) error {
	if utf8.RuneCountInString(s) > most {
		return tooLong(most)
	}
	return nil
}

// internalRefusal logs an internal error, and returns a general refusal for the person.
func internalRefusal(err error) Refusal {
	slog.Warn("panel form failed", "err", err)
	return Refusal{
		FR: "La machine n’a pas pu le noter : réessayez dans un moment",
		EN: "The machine could not write it down: try again in a moment",
	}
}

// refuse answers a page with a Refusal in both languages. Any other error becomes internalRefusal.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	code, text := http.StatusConflict, Refusal{}
	if !errors.As(err, &text) {
		code, text = http.StatusServiceUnavailable, internalRefusal(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(policy.Text(text))
}

// answerPhone answers a phone with a page of one sentence: the refusal, or thanks if err is nil. again adds that the
// entry is still on the previous page and can be sent again.
func (s *server) answerPhone(w http.ResponseWriter, code int, err error, again bool) {
	t := Refusal{FR: "Merci, c’est noté.", EN: "Thank you, it is written down."}
	if err != nil && !errors.As(err, &t) {
		t, code = internalRefusal(err), http.StatusServiceUnavailable
	}
	s.sentencePage(w, code, policy.Text(t), again)
}

// sentencePage answers like answerPhone, with a text that is not an error.
func (s *server) sentencePage(w http.ResponseWriter, code int, t policy.Text, again bool) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	name := s.display.face().name
	back := ""
	if again {
		back = `<p>` + both(policy.Text{
			FR: "Revenez en arrière : ce qui était écrit y est encore.",
			EN: "Go back: what was written is still there.",
		}) + `</p>`
	}
	fmt.Fprintf(w, phoneHead+`<p>%s</p><h1>%s</h1>%s</main></html>`, "Portillon", both(name), both(t), back)
}

const phoneHead = `<!doctype html><html lang="fr" translate="no"><meta charset="utf-8">` +
	`<meta name="google" content="notranslate"><meta name="viewport" content="width=device-width, initial-scale=1">` +
	`<title>%s</title><link rel="stylesheet" href="/panel.css"><main class="phone">`

// noBreak matches places where a line must not break, as in panel.js. French sets a space before : ; ? ! » and after «.
// A number stays with its unit, and a day with its month.
var noBreak = regexp.MustCompile(`(?i)« | [:;?!»]|\d (?:h|min|s|j|d|Mo|MB)\b(?: \d)?` +
	`|\d(?:er)? (?:jan|fév|feb|mar|avr|apr|mai|may|jui|jun|jul|aoû|aug|sep|oct|nov|déc|dec)`)

func tie(s string) string {
	return noBreak.ReplaceAllStringFunc(s, func(m string) string { return strings.ReplaceAll(m, " ", "\u00a0") })
}

// both returns a text in French and in English, one below the other, so that nobody has to choose a language.
func both(t policy.Text) string {
	fr, en := html.EscapeString(tie(t.FR)), html.EscapeString(tie(t.EN))
	switch {
	case t.FR == "" && en != "":
		return `<span lang="en">` + en + `</span>`
	case t.FR == t.EN:
		return en
	case t.EN == "":
		return fr
	}
	return fr + ` <small lang="en">` + en + `</small>`
}

// phonePage returns a form as a page that works without scripts. With scripts, the page makes pictures smaller before
// sending.
func phonePage(f Form, machine policy.Text) string {
	var b strings.Builder
	title := machine.FR
	if title == "" {
		title = machine.EN
	}
	fmt.Fprintf(&b, phoneHead, html.EscapeString(title))
	fmt.Fprintf(&b, `<p>%s</p><h1>%s</h1><form method="post" enctype="multipart/form-data"><fieldset><legend>%s</legend>`,
		both(machine), both(f.Title), both(policy.Text{FR: "Choix", EN: "Choice"}))
	for _, c := range f.Items {
		checked := ""
		if c.ID == f.Item {
			checked = " checked"
		}
		fmt.Fprintf(
			&b,
			`<label><input type="radio" name="item" required value="%s"%s> <span>%s</span></label>`,
			html.EscapeString(c.ID),
			checked,
			both(c.Label),
		)
	}
	b.WriteString(`</fieldset>`)
	ask := func(name, attributes string, t policy.Text) {
		fmt.Fprintf(&b, `<label>%s<input name="%s" %s></label>`, both(t), name, attributes)
	}
	if f.Parts {
		ask(
			"minutes",
			fmt.Sprintf(`type="number" min="0" max="1440" value="%d"`, f.Minutes),
			policy.Text{FR: "Minutes", EN: "Minutes"},
		)
		ask("parts", `maxlength="200"`, policy.Text{FR: "Pièces remplacées", EN: "Parts replaced"})
	}
	fmt.Fprintf(&b, `<label>%s<textarea name="note" maxlength="500" rows="3"></textarea></label>`, both(policy.Text{
		FR: "Précisions (une phrase suffit)",
		EN: "Details (one sentence is enough)",
	}))
	ask("photo", `type="file" accept="image/jpeg" data-small`, policy.Text{FR: "Photo", EN: "Photo"})
	if f.Stop != "" {
		fmt.Fprintf(&b, `<label class="row"><input type="checkbox" name="now"> <span>%s</span></label>`,
			both(policy.Text{
				FR: "En cas de danger : arrêter tout de suite, sans attendre la fin du travail",
				EN: "In danger: stop at once, do not wait for the job to end",
			}))
	}
	fmt.Fprintf(
		&b,
		`<button>%s</button></form></main><script src="/phone.js"></script></html>`,
		both(policy.Text{FR: "Envoyer", EN: "Send"}),
	)
	return b.String()
}
