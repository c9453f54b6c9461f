package account_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"portillon/hub/account"
)

var codeIn = regexp.MustCompile(`(?m)^    ([0-9A-Z]{5}-[0-9A-Z]{3})$`)

// mailCode mails a code from a browser, and returns the code of the mail; empty: no mail was sent.
func (w *browser) mailCode(subject, address, language string) (string, error) {
	w.b.t.Helper()
	err := w.do("POST", func(ctx context.Context) error { return w.b.AddressCodes.Mail(ctx, subject, address, language) })
	w.b.sink.mails = nil
	w.b.SendDue(w.b.t.Context())
	if len(w.b.sink.mails) == 0 {
		return "", err
	}
	m := codeIn.FindStringSubmatch(w.b.sink.mails[0].Body)
	if m == nil {
		w.b.t.Fatalf("no code in %+v", w.b.sink.mails)
	}
	return m[1], err
}

func (w *browser) proveAddress(subject, address, code string) error {
	w.b.t.Helper()
	return w.do("POST", func(ctx context.Context) error { return w.b.AddressCodes.Prove(ctx, subject, address, code) })
}

func TestAddressCodeProvesOneAddressForOneSubjectOnce(t *testing.T) {
	b := open(t)
	w := b.browser()
	code, err := w.mailCode("v-1", " Nora@Other.example ", "fr")
	if err != nil || code == "" {
		t.Fatalf("%q %v", code, err)
	}
	m := b.sink.mails[0]
	if m.To != "nora@other.example" || !strings.HasPrefix(m.Subject, "Votre code pour") ||
		!strings.Contains(m.Subject, code) ||
		!strings.Contains(m.Body, "Voici le code") {
		t.Errorf("%+v", m)
	}
	for name, try := range map[string][3]string{
		"another subject": {"v-2", "nora@other.example", code}, "another address": {"v-1", "tom@other.example", code},
		"another code": {"v-1", "nora@other.example", "AAAAA-AAA"}, "no code": {"v-1", "nora@other.example", ""},
	} {
		if err := w.proveAddress(try[0], try[1], try[2]); !errors.Is(err, account.ErrCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.proveAddress("v-1", "nora", code); !invalid(err) {
		t.Errorf("%v", err)
	}
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " "))
	if err := w.proveAddress("v-1", "NORA@other.example", typed); err != nil {
		t.Errorf("%v", err)
	}
	if err := w.proveAddress("v-1", "nora@other.example", code); !errors.Is(err, account.ErrCode) {
		t.Errorf("the code worked twice: %v", err)
	}
}

func TestAddressCodeExpiresAndIsReplaced(t *testing.T) {
	b := open(t)
	w := b.browser()
	old, err := w.mailCode("v-1", "nora@other.example", "")
	if err != nil || !strings.HasPrefix(b.sink.mails[0].Subject, "Your code for") {
		t.Fatalf("%v %+v", err, b.sink.mails)
	}
	code, err := w.mailCode("v-1", "nora@other.example", "en")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.proveAddress("v-1", "nora@other.example", old); !errors.Is(err, account.ErrCode) {
		t.Errorf("the earlier code: %v", err)
	}
	b.now = b.now.Add(15 * time.Minute)
	if err := w.proveAddress("v-1", "nora@other.example", code); !errors.Is(err, account.ErrCode) {
		t.Errorf("after 15 minutes: %v", err)
	}
	code, _ = w.mailCode("v-1", "nora@other.example", "en")
	b.now = b.now.Add(15*time.Minute - time.Millisecond)
	if err := w.proveAddress("v-1", "nora@other.example", code); err != nil {
		t.Errorf("before 15 minutes: %v", err)
	}
}

// A guesser has five attempts for one visit from any address, and a right code is refused while the guesser waits.
func TestAddressCodesCannotBeGuessed(t *testing.T) {
	b := open(t)
	code, err := b.browser().mailCode("v-1", "nora@other.example", "en")
	if err != nil {
		t.Fatal(err)
	}
	wrong, refused := 0, 0
	for i := range 8 {
		w := b.browser()
		w.from = "192.0.2." + string(rune('1'+i)) + ":1"
		switch err := w.proveAddress("v-1", "nora@other.example", "AAAAA-AAA"); {
		case errors.Is(err, account.ErrCode):
			wrong++
		case throttled(err):
			refused++
		default:
			t.Errorf("%v", err)
		}
	}
	if wrong != 5 || refused != 3 {
		t.Errorf("%d wrong, %d refused", wrong, refused)
	}
	w := b.browser()
	w.from = "192.0.2.99:1"
	if err := w.proveAddress("v-1", "nora@other.example", code); !throttled(err) {
		t.Errorf("%v", err)
	}
	b.now = b.now.Add(3 * time.Minute)
	if err := w.proveAddress("v-1", "nora@other.example", code); err != nil {
		t.Errorf("after a wait: %v", err)
	}
	// A right code costs neither limit an attempt: many visitors may prove their addresses at one desk.
	desk := b.browser()
	desk.from = "198.51.100.1:1"
	for i := range 12 {
		who := string(rune('a' + i))
		code, err := desk.mailCode("v-"+who, who+"@other.example", "en")
		if err == nil {
			err = desk.proveAddress("v-"+who, who+"@other.example", code)
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
		b.now = b.now.Add(time.Minute)
	}
}

func TestAddressCodesAreMailedRarely(t *testing.T) {
	b := open(t)
	w := b.browser()
	for range 3 {
		if code, err := w.mailCode("v-1", "nora@other.example", "en"); err != nil || code == "" {
			t.Fatalf("%q %v", code, err)
		}
	}
	if code, err := w.mailCode("v-2", "nora@other.example", "en"); !throttled(err) || code != "" {
		t.Errorf("a fourth mail to one address: %q %v", code, err)
	}
	for i := range 7 {
		if _, err := w.mailCode("v-1", string(rune('a'+i))+"@other.example", "en"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.mailCode("v-1", "z@other.example", "en"); !throttled(err) {
		t.Errorf("an eleventh mail from one address: %v", err)
	}
	if _, err := w.mailCode("v-1", "nora", "en"); !invalid(err) {
		t.Errorf("%v", err)
	}
	b.o.Mail = nil
	sv, err := account.New(b.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := sv.AddressCodes.Mail(t.Context(), "v-1", "nora@other.example", "en"); !errors.Is(err, account.ErrNoMail) ||
		sv.AddressCodes.Sends() || !b.AddressCodes.Sends() {
		t.Errorf("%v", err)
	}
}

func TestArrivalsFromOneAddressAreLimited(t *testing.T) {
	b := open(t)
	w := b.browser()
	count := func() error { return w.do("POST", b.AddressCodes.Count) }
	for i := range 20 {
		if err := count(); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := count(); !throttled(err) {
		t.Errorf("%v", err)
	}
	w.from = "192.0.2.77:1"
	if err := count(); err != nil {
		t.Errorf("another address: %v", err)
	}
}
