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

// What is sent by a page is small; a picture comes in a form of at most this.
const (
	maxOrder = 4 << 10
	maxForm  = MaxPhoto + 64<<10
	// maxUnread is how much of a rejected form is read and thrown away; a photo of a phone has at most some 15 MB.
	maxUnread = 32 << 20
	maxNote   = 500 // characters, as a record has it
	maxParts  = 200
)

// How long a body may take: a stranger who sends nothing holds nothing up for long.
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

// do is POST /do: a touch.
func (s *server) do(w http.ResponseWriter, r *http.Request) {
	var o Touch
	if !s.read(w, r, &o) {
		return
	}
	o.Here = s.here(r)
	if err := s.c.Actions.Do(r.Context(), o); err != nil {
		refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// ask is POST /form: a form for whoever tapped.
func (s *server) ask(w http.ResponseWriter, r *http.Request) {
	var a FormRequest
	if !s.read(w, r, &a) {
		return
	}
	a.Token, a.Here = "", s.here(r)
	if !a.Here {
		refuse(w, r, s.elsewhere())
		return
	}
	f, err := s.c.Actions.Form(r.Context(), a)
	if err != nil {
		refuse(w, r, err)
		return
	}
	if s.c.URL != "" && s.screens.exist() {
		f.URL = strings.TrimSuffix(s.c.URL, "/") + "/form/" + f.Token
		f.QR = newQR(f.URL)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(f)
}

// elsewhere is what a page that is not at the machine reads when it asks for a form: only the code at the machine's
// screen opens one there.
func (s *server) elsewhere() Refusal {
	if !s.screens.exist() {
		return s.noScreen()
	}
	return ScanCode
}

// noScreen is NoScreen in the words of this machine.
func (s *server) noScreen() Refusal {
	return Refusal(s.display.face().say(View{Line: policy.Text(NoScreen)}).Line)
}

// read takes a small JSON body.
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

// form is GET /form/TOKEN: the form on a phone.
func (s *server) form(w http.ResponseWriter, r *http.Request) {
	if s.c.Actions == nil {
		s.leaf(w, http.StatusNotFound, notHere, false)
		return
	}
	here := s.here(r)
	if !here && !s.screens.exist() {
		s.leaf(w, http.StatusForbidden, s.noScreen(), false)
		return
	}
	f, err := s.c.Actions.Form(r.Context(), FormRequest{Token: r.PathValue("token"), Here: here})
	if err != nil {
		s.leaf(w, http.StatusGone, err, false)
		return
	}
	name := s.display.face().name
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, phone(f, name))
}

// write is POST /form/TOKEN: a form filled in, by the panel's own page or by a phone.
func (s *server) write(w http.ResponseWriter, r *http.Request) {
	script := strings.Contains(r.Header.Get("Accept"), "application/json")
	done, err := s.submit(w, r)
	switch {
	case err != nil && script:
		refuse(w, r, err)
	case err != nil:
		s.leaf(w, http.StatusConflict, err, true)
	case script && done.waits != (policy.Text{}):
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(done.waits)
	case script:
		w.WriteHeader(http.StatusNoContent)
	case done.waits != (policy.Text{}):
		s.sentence(w, http.StatusOK, done.waits, false)
	case done.form.Do == OpenTag:
		s.sentence(w, http.StatusOK, Tagged(), false)
	default:
		s.leaf(w, http.StatusOK, nil, false)
	}
}

// submitted is a form that was taken, and what is still to do; an empty text: nothing.
type submitted struct {
	form  Form
	waits policy.Text
}

// submit takes a form in.
func (s *server) submit(w http.ResponseWriter, r *http.Request) (submitted, error) {
	if s.c.Actions == nil {
		return submitted{}, notHere
	}
	token, here := r.PathValue("token"), s.here(r)
	if !here && !s.screens.exist() {
		return submitted{}, s.noScreen()
	}
	// The form is looked up before a picture is read.
	f, err := s.c.Actions.Form(r.Context(), FormRequest{Token: token, Here: here})
	if err != nil {
		return submitted{}, err
	}
	turn := s.phoneForm
	if here {
		turn = s.screenForm
	}
	select { // one at a time: a picture is held in memory until it is on the disk
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
		// A phone that is still sending reads no answer: it would see a connection reset.
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

// entry reads what was filled in, part by part: a picture is never held twice, and there is one. On an error too, the
// caller drops it.
func (s *server) entry(r *http.Request) (e Entry, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return e, notOurs
	}
	for range 16 { // more fields than any form has
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

// notNow says that it is our own fault, and tells the log why.
func notNow(err error) Refusal {
	slog.Warn("panel form failed", "err", err)
	return Refusal{
		FR: "La machine n’a pas pu le noter : réessayez dans un moment",
		EN: "The machine could not write it down: try again in a moment",
	}
}

// refuse answers a page: a Refusal in both languages, anything else as our own fault.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	code, text := http.StatusConflict, Refusal{}
	if !errors.As(err, &text) {
		code, text = http.StatusServiceUnavailable, notNow(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(policy.Text(text))
}

// leaf is a page of one sentence, on a phone. nil: it is done. again says that what was written stands on the page
// before, to be sent again.
func (s *server) leaf(w http.ResponseWriter, code int, err error, again bool) {
	t := Refusal{FR: "Merci, c’est noté.", EN: "Thank you, it is written down."}
	if err != nil && !errors.As(err, &t) {
		t, code = notNow(err), http.StatusServiceUnavailable
	}
	s.sentence(w, code, policy.Text(t), again)
}

// sentence is leaf for a text that is no error.
func (s *server) sentence(w http.ResponseWriter, code int, t policy.Text, again bool) {
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

// ties are where a line must not break, as panel.js has them: French sets a space before : ; ? ! » and after «; a
// number and its unit are one word, and so are a day and its month.
var ties = regexp.MustCompile(`(?i)« | [:;?!»]|\d (?:h|min|s|j|d|Mo|MB)\b(?: \d)?` +
	`|\d(?:er)? (?:jan|fév|feb|mar|avr|apr|mai|may|jui|jun|jul|aoû|aug|sep|oct|nov|déc|dec)`)

func tie(s string) string {
	return ties.ReplaceAllStringFunc(s, func(m string) string { return strings.ReplaceAll(m, " ", "\u00a0") })
}

// both is a text in French and in English, one under the other: a phone's owner need not choose.
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

// phone is a form as a page that needs no script; with one, pictures are made smaller before they are sent.
func phone(f Form, machine policy.Text) string {
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
