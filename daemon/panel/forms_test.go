package panel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"portillon/policy"
)

// fakeActions implements Actions with one form, which accepts one entry.
type fakeActions struct {
	did   []Touch
	wrote []Entry
	no    error
	asked Action // action of the form if the page names no action
	waits policy.Text
}

func (d *fakeActions) Do(_ context.Context, o Touch) error {
	d.did = append(d.did, o)
	return d.no
}

func (d *fakeActions) Form(_ context.Context, a FormRequest) (Form, error) {
	if a.Token != "" && a.Token != "t0ken" || len(d.wrote) > 0 && d.no == nil {
		return Form{}, FormOver
	}
	return Form{
		Token:   "t0ken",
		Do:      a.Do + d.asked,
		Title:   ReportQuestion("<Léa>"),
		Items:   []Choice{{"noise", ProblemName("noise")}, {"dangerous", ProblemName("dangerous")}},
		Stop:    "dangerous",
		Parts:   true,
		Minutes: 12,
	}, nil
}

func (d *fakeActions) Write(_ context.Context, _ string, e Entry) (policy.Text, error) {
	d.wrote = append(d.wrote, e)
	return d.waits, d.no
}

// tablet is the address of another computer that serves as a screen of the machine.
var tablet = []netip.Addr{netip.MustParseAddr("192.168.1.40")}

type part struct{ name, file, data string }

func filled(parts ...part) (string, io.Reader) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		if p.file == "" {
			w.WriteField(p.name, p.data)
			continue
		}
		f, _ := w.CreateFormFile(p.name, p.file)
		io.WriteString(f, p.data)
	}
	w.Close()
	return w.FormDataContentType(), &b
}

func post(t *testing.T, p *Panel, path, kind string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", "http://laser"+path, body)
	if path == "/form" { // forms are opened at the machine
		r.RemoteAddr = "192.168.1.40:4711"
	}
	r.Header.Set("Content-Type", kind)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, r)
	return w
}

func TestOnlyValidTouchesFromThePanelsPageAreAccepted(t *testing.T) {
	d := &fakeActions{}
	p := New(Config{Screens: tablet, Actions: d})
	for _, c := range []struct {
		body, site string
		code       int
	}{{
		`{"do":"untag","arg":"t1"}`,
		"same-origin",
		204,
	}, {`{"do":"untag","arg":"t1"}`, "cross-site", 403}, {`{"do":"untag","relay":true}`, "", 400}, {``, "", 400},
		{`{"do":"` + strings.Repeat("x", maxOrder) + `"}`, "", 400}} {
		if w := post(t, p, "/do", "application/json", strings.NewReader(c.body), "Sec-Fetch-Site", c.site); w.Code != c.code {
			t.Errorf("%.40s from %q: %d %s", c.body, c.site, w.Code, w.Body)
		}
	}
	if len(d.did) != 1 || d.did[0].Arg != "t1" {
		t.Errorf("%+v", d.did)
	}
	d.no = CardFirst
	w := post(t, p, "/do", "application/json", strings.NewReader(`{"do":"power-off"}`))
	var said policy.Text
	if json.Unmarshal(w.Body.Bytes(), &said) != nil || w.Code != http.StatusConflict || said != policy.Text(CardFirst) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(t, New(Config{}), "/do", "", strings.NewReader(`{"do":"x"}`)); w.Code != http.StatusConflict {
		t.Error("a panel without a machine")
	}
}

func TestFormIsOpenedWithItsCodeAndFilledInOnce(t *testing.T) {
	d := &fakeActions{}
	p := New(
		Config{
			Screens: tablet,
			Actions: d,
			URL:     "http://laser.local:8037/",
			Photos:  &Album{Dir: t.TempDir(), Max: 1 << 20, Most: 10},
		},
	)
	w := post(t, p, "/form", "application/json", strings.NewReader(`{"do":"report"}`))
	var f Form
	if json.Unmarshal(w.Body.Bytes(), &f) != nil || f.URL != "http://laser.local:8037/form/t0ken" || f.QR == nil ||
		f.QR.Size < 29+8 ||
		!strings.HasPrefix(f.QR.Path, "M4 4h7v1h-7z") {
		t.Fatalf("%s", w.Body)
	}
	kind, body := filled(
		part{name: "item", data: "noise"},
		part{name: "minutes", data: "15"},
		part{name: "parts", data: " courroie "},
		part{name: "note", data: "<script>alert(1)</script>\r\nça grince\x00\u202e"},
		part{
			name: "now",
			data: "on",
		},
		part{name: "photo", file: "p.jpg", data: string(photograph(t))},
		part{name: "sudo", data: "1"},
	)
	if w := post(t, p, "/form/t0ken", kind, body, "Accept", "application/json"); w.Code != http.StatusNoContent {
		t.Fatal(w.Code, w.Body)
	}
	e := d.wrote[0]
	if e.Item != "noise" || e.Minutes != 15 || e.Parts != "courroie" || e.Note != "<script>alert(1)</script>\nça grince" ||
		!e.Now ||
		len(e.Photo.Name) != 64 {
		t.Errorf("%+v", e)
	}
	kind, body = filled(part{name: "item", data: "noise"})
	if w := post(t, p, "/form/t0ken", kind, body); w.Code != http.StatusConflict ||
		!strings.Contains(w.Body.String(), "déjà servi") ||
		len(d.wrote) != 1 {
		t.Error(w.Code, w.Body)
	}
}

func TestPhoneFormEscapesAllText(t *testing.T) {
	w := httptest.NewRecorder()
	New(
		Config{Screens: tablet, Actions: &fakeActions{}, Name: policy.Text{FR: "Découpe <b>", EN: "Laser"}},
	).Handler().
		ServeHTTP(w, httptest.NewRequest("GET", "http://laser/form/t0ken", nil))
	s := w.Body.String()
	if w.Code != 200 || strings.Contains(s, "<Léa>") || strings.Contains(s, "<b>") ||
		!strings.Contains(s, "&lt;Léa&gt;, quel est le problème") ||
		!strings.Contains(s, `value="12"`) {
		t.Error(w.Code, s)
	}
	w = httptest.NewRecorder()
	New(
		Config{Screens: tablet, Actions: &fakeActions{}},
	).Handler().
		ServeHTTP(w, httptest.NewRequest("GET", "http://laser/form/other", nil))
	if w.Code != http.StatusGone || !strings.Contains(w.Body.String(), "expiré") {
		t.Error(w.Code, w.Body)
	}
}

// If a form waits for its member's confirmation, a phone must receive the note about the confirmation as a page, and
// the machine's own page must receive the note as text.
func TestUnconfirmedFormIsAnsweredAsWaiting(t *testing.T) {
	for accept, want := range map[string]string{
		"application/json": `{"FR":"C’est reçu, pas encore noté`,
		"text/html":        "<h1>C’est reçu, pas encore noté",
	} {
		kind, body := filled(part{name: "item", data: "noise"})
		w := post(
			t,
			New(Config{Screens: tablet, Actions: &fakeActions{asked: "log", waits: FormWaits()}}),
			"/form/t0ken",
			kind,
			body,
			"Accept",
			accept,
		)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", accept, w.Code, w.Body)
		}
	}
}

func TestPhoneThatTagsAMachineOutReadsThatOnlyTheRelayIsOpen(t *testing.T) {
	for do, want := range map[Action]bool{"tag": true, "report": false} {
		kind, body := filled(part{name: "item", data: "noise"})
		w := post(t, New(Config{Screens: tablet, Actions: &fakeActions{asked: do}}), "/form/t0ken", kind, body)
		if got := strings.Contains(w.Body.String(), "n’ouvre que le relais"); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s", do, w.Code, w.Body)
		}
	}
}

func TestInvalidEntriesAreRefusedWithTheReason(t *testing.T) {
	if testing.Short() {
		t.Skip("short: sends forms of many sizes")
	}
	long := strings.Repeat("é", 501)
	for name, c := range map[string]struct {
		p    part
		want string
	}{
		"a photo of 50 MB": {
			part{"photo", "p.jpg", string(photograph(t)) + strings.Repeat("x", 50<<20)},
			"4\u00a0Mo au plus",
		},
		"a photo just too big": {part{"photo", "p.jpg", strings.Repeat("x", MaxPhoto+1)}, "4\u00a0Mo au plus"},
		"a text as a photo":    {part{"photo", "p.jpg", "MZ\x90"}, "pas une photo JPEG"},
		"a picture of SVG":     {part{"photo", "p.svg", "<svg onload=alert(1)>"}, "pas une photo JPEG"},
		"a long note":          {part{"note", "", long}, "500 caractères"},
		"long parts":           {part{"parts", "", long}, "200 caractères"},
		"minutes":              {part{"minutes", "", "-3"}, "de 0 à 1440"},
		"more minutes":         {part{"minutes", "", "an hour"}, "de 0 à 1440"},
	} {
		d := &fakeActions{}
		kind, body := filled(part{name: "item", data: "noise"}, c.p)
		w := post(
			t,
			New(Config{Screens: tablet, Actions: d, Photos: &Album{Dir: t.TempDir(), Max: 64 << 20, Most: 10}}),
			"/form/t0ken",
			kind,
			body,
		)
		if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), c.want) || len(d.wrote) != 0 {
			t.Errorf("%s: %d %.200s, %d written", name, w.Code, w.Body, len(d.wrote))
		}
	}
	d := &fakeActions{}
	panel := New(Config{Screens: tablet, Actions: d})
	w := post(t, panel, "/form/t0ken", "application/json", strings.NewReader("{}"))
	if w.Code != http.StatusConflict || len(d.wrote) != 0 {
		t.Error(w.Code, w.Body)
	}
	d.no = errors.New("database is locked: /var/lib/portillon/secret")
	kind, body := filled(part{name: "item", data: "noise"})
	w = post(t, panel, "/form/t0ken", kind, body)
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret") {
		t.Error(w.Code, w.Body)
	}
}

// The holder of one token must not be able to fill the album, neither with many photos in one form nor with forms that
// fail.
func TestFailedFormLeavesNoPhoto(t *testing.T) {
	a := &Album{Dir: t.TempDir(), Max: 64 << 20, Most: 10}
	d := &fakeActions{}
	p := New(Config{Screens: tablet, Actions: d, Photos: a})
	kept := func() int { all, _ := os.ReadDir(a.Dir); return len(all) }
	photo := part{"photo", "p.jpg", string(photograph(t))}
	kind, body := filled(part{name: "item", data: "noise"}, photo, photo)
	if w := post(t, p, "/form/t0ken", kind, body); w.Code != http.StatusConflict ||
		!strings.Contains(w.Body.String(), "Une seule photo") ||
		kept() != 0 {
		t.Errorf("two photos: %d, %d kept", w.Code, kept())
	}
	kind, body = filled(photo, part{name: "minutes", data: "-3"})
	if w := post(t, p, "/form/t0ken", kind, body); w.Code != http.StatusConflict || kept() != 0 {
		t.Errorf("a form that is refused: %d, %d kept", w.Code, kept())
	}
	d.no = ChooseFromList
	kind, body = filled(part{name: "item", data: "nonsense"}, photo)
	if w := post(t, p, "/form/t0ken", kind, body); w.Code != http.StatusConflict || kept() != 0 {
		t.Errorf("an entry that the machine refuses: %d, %d kept", w.Code, kept())
	}
}

// A picture is in memory until it is on the disk, so only one form is processed at a time.
func TestFormsAreProcessedOneAtATime(t *testing.T) {
	p := New(Config{Screens: tablet, Actions: &fakeActions{}})
	p.server.phoneForm <- struct{}{}
	kind, body := filled(part{name: "item", data: "noise"})
	if w := post(t, p, "/form/t0ken", kind, body); w.Code != http.StatusConflict ||
		!strings.Contains(w.Body.String(), "réessayez dans un instant") {
		t.Errorf("%d %.200s", w.Code, w.Body)
	}
	kind, body = filled(part{name: "item", data: "noise"})
	r := httptest.NewRequest("POST", "http://laser/form/t0ken", body)
	r.RemoteAddr = "192.168.1.40:4711"
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	if p.Handler().ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Errorf("the machine's own screen waits for a phone: %d", w.Code)
	}
	p.server.c.Actions = &fakeActions{}
	<-p.server.phoneForm
	kind, body = filled(part{name: "item", data: "noise"})
	if w := post(t, p, "/form/t0ken", kind, body); w.Code != http.StatusOK || len(p.server.phoneForm) != 0 {
		t.Errorf("%d: the place is not given back", w.Code)
	}
}

// The sender's address decides whether a touch comes from the machine's own screen. The content of the request does
// not.
func TestOnlyTheAddressDecidesWhetherAScreenIsAtTheMachine(t *testing.T) {
	d := &fakeActions{}
	p := New(Config{Screens: tablet, Actions: d})
	for from, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "192.168.1.40:1": true,
		"192.168.1.41:1": false, "@": false,
	} {
		r := httptest.NewRequest("POST", "http://laser/do", strings.NewReader(`{"do":"extend"}`))
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		p.Handler().ServeHTTP(httptest.NewRecorder(), r)
		if got := d.did[len(d.did)-1].Here; got != want {
			t.Errorf("from %s: %v", from, got)
		}
		w := httptest.NewRecorder()
		r = httptest.NewRequest("GET", "http://laser/", nil)
		r.RemoteAddr = from
		if p.Handler().ServeHTTP(w, r); strings.Contains(w.Body.String(), `data-here="true"`) != want {
			t.Errorf("the page for %s thinks otherwise", from)
		}
	}
	w := post(t, p, "/do", "application/json", strings.NewReader(`{"do":"extend","here":true}`))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a page says by itself where it is: %d", w.Code)
	}
}

func TestHostMustBeALocalNameOrAddress(t *testing.T) {
	p := New(Config{URL: "http://atelier.example.org:8037"})
	for host, want := range map[string]int{
		"127.0.0.1:8037": 200, "[::1]:8037": 200, "laser": 200, "laser.local:80": 200, "192.168.1.7": 200,
		"atelier.example.org:8037": 200, "": 200,
		"evil.example.com": 421, "127.0.0.1.evil.example": 421, "laser.local.evil.example": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if p.Handler().ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: %d, want %d", host, w.Code, want)
		}
	}
}

// photograph returns a JPEG as a phone makes it: with a location in Exif, a comment, and data after its end.
func photograph(t testing.TB) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 32, 24))
	for i := range 32 * 24 {
		img.Set(i%32, i/32, color.RGBA{byte(i), byte(7 * i), byte(i * i), 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00GPS 48.85 2.35"
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	out = append(out, 0xff, 0xfe, 0, 6, 'p', 'r', 'i', 'v')
	out = append(out, b.Bytes()[2:]...)
	return append(out, "PK\x03\x04 a zip behind the picture"...)
}

func TestPhotoIsStoredWithoutItsLocation(t *testing.T) {
	a := &Album{Dir: t.TempDir(), Max: 10 << 10, Most: 10}
	save := func() Picture {
		t.Helper()
		p, err := a.Save(bytes.NewReader(photograph(t)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	files := func() int {
		all, _ := os.ReadDir(a.Dir)
		return len(all)
	}
	first := save()
	if err := errors.Join(first.Keep(), first.Keep()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(a.Dir + "/" + first.Name + ".jpg")
	if err != nil || bytes.Contains(b, []byte("GPS")) || bytes.Contains(b, []byte("priv")) ||
		bytes.Contains(b, []byte("zip")) {
		t.Errorf("%v: it says where it was taken: %q", err, b)
	}
	if img, err := jpeg.Decode(bytes.NewReader(b)); err != nil || img.Bounds().Dx() != 32 {
		t.Errorf("the picture is lost: %v", err)
	}
	again := save()
	if err := again.Keep(); err != nil || again.Name != first.Name {
		t.Error(err)
	}
	if again.Drop(); files() != 1 { // another record has the same picture, so the file must remain
		t.Error("a picture of two records is deleted with one of them")
	}
	waits := save()
	if files() != 2 {
		t.Error("a picture that waits is not on the disk")
	}
	if waits.Drop(); files() != 1 {
		t.Error("a form that came to nothing leaves its picture")
	}
	other := bytes.Clone(photograph(t))
	other[bytes.Index(other, []byte{0xff, 0xda})+20] ^= 1
	a.Max = int64(len(b)) + 100
	if _, err := a.Save(bytes.NewReader(other)); !errors.Is(err, error(errFull)) {
		t.Error(err)
	}
	if a.Max, a.Most = 1<<20, 1; true {
		if _, err := a.Save(bytes.NewReader(other)); !errors.Is(err, error(errFull)) {
			t.Error("pictures are not counted: ", err)
		}
	}
	if first.Drop(); files() != 0 {
		t.Error("a form whose record was not written leaves its picture")
	}
	a.Most = 10
	save().Keep()
	save() // a form that still waits for a card when the daemon ends
	os.WriteFile(a.Dir+"/new-1", nil, 0o600)
	if a.Forget(); files() != 1 {
		t.Errorf("%d files after the start, want the picture that was kept", files())
	}
}

// After removing segments from any JPEG, the standard library must decode the rest like the original.
func FuzzJPEG(f *testing.F) {
	f.Add(photograph(f))
	f.Add([]byte{0xff, 0xd8, 0xff, 0xd9})
	f.Add(
		append(
			append(
				[]byte{0xff, 0xd8, 0xff, 0xff, 0xff, 0xe1, 0, 2, 0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff, 0xd0},
				make([]byte, minJPEG)...),
			0xff,
			0xd9,
		),
	)
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := stripMetadata(bytes.Clone(data))
		if err != nil {
			return
		}
		if again, err := stripMetadata(bytes.Clone(out)); err != nil || !bytes.Equal(again, out) {
			t.Errorf("what was kept is no picture any more, or not bare: %v", err)
		}
		if len(data) > 1<<16 {
			return
		}
		was, err1 := jpeg.DecodeConfig(bytes.NewReader(data))
		if is, err2 := jpeg.DecodeConfig(bytes.NewReader(out)); err1 == nil && (err2 != nil || is.Width != was.Width) {
			t.Errorf("%v, %dx%d was %dx%d", err2, is.Width, is.Height, was.Width, was.Height)
		}
	})
}

// A phone that is still sending its photo must receive the reason of the refusal, and not a connection reset.
func TestPhoneReceivesTheReasonWhyItsPhotoIsTooBig(t *testing.T) {
	p := New(Config{Screens: tablet, Actions: &fakeActions{}, Photos: &Album{Dir: t.TempDir(), Max: 64 << 20, Most: 10}})
	s := httptest.NewServer(p.Handler())
	defer s.Close()
	kind, body := filled(
		part{name: "item", data: "noise"},
		part{"photo", "p.jpg", string(photograph(t)) + strings.Repeat("x", 12<<20)},
	)
	resp, err := http.Post(s.URL+"/form/t0ken", kind, body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusConflict || !strings.Contains(string(text), "4\u00a0Mo au plus") {
		t.Errorf("%d, %v: %.200s", resp.StatusCode, err, text)
	}
}
