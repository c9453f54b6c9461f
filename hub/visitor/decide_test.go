package visitor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/fault"
	"portillon/policy"
)

// good returns the report about a badge that lets its recipient in.
func good() Report {
	return Report{Badge: "Laser", Verdict: "valid", Local: "laser-user",
		Recipient: Recipient{Readable: true, Hashed: true, Matches: true}}
}

// to returns a change of the recipient.
func to(x Recipient) func(*Report) { return func(r *Report) { r.Recipient = x } }

func TestBadgeLetsInOnlyItsRecipientAndOnlyIfAccepted(t *testing.T) {
	hidden := func(subject string) func(*Report) {
		return func(r *Report) { r.Recipient.Matches, r.Recipient.Subject = false, subject }
	}
	for name, c := range map[string]struct {
		change  func(*Report)
		address string
		want    Reason
	}{
		"a hashed address":               {func(*Report) {}, "lea@x.example", ""},
		"a hashed address, none stated":  {hidden(""), "", NoAddress},
		"another hashed address":         {hidden(""), "tom@x.example", OtherPerson},
		"a plain address, none stated":   {to(Recipient{Readable: true, Addresses: []string{"a@b"}}), "", ""},
		"another plain address":          {to(Recipient{Readable: true, Addresses: []string{"a@b"}}), "c@d", OtherPerson},
		"a subject without an address":   {to(Recipient{Readable: true, Subject: "did:x"}), "", ""},
		"a subject with an address":      {to(Recipient{Readable: true, Subject: "did:x"}), "a@b", ""},
		"a subject and a hash":           {hidden("did:x"), "", ""},
		"a subject and another's hash":   {hidden("did:x"), "a@b", OtherPerson},
		"no recipient":                   {to(Recipient{Readable: true}), "", NoRecipient},
		"no recipient, but an address":   {to(Recipient{Readable: true}), "a@b", NoRecipient},
		"out of reach":                   {func(r *Report) { r.Recipient.Readable = false }, "lea@x.example", Unreadable},
		"the zero report":                {func(r *Report) { *r = Report{} }, "", Unreadable},
		"invalid":                        {func(r *Report) { r.Verdict = "invalid" }, "lea@x.example", NotValid},
		"no verdict":                     {func(r *Report) { r.Verdict = "" }, "lea@x.example", NotValid},
		"a status list out of reach":     {func(r *Report) { r.Verdict = "indeterminate" }, "lea@x.example", Undetermined},
		"not accepted":                   {func(r *Report) { r.Local = "" }, "lea@x.example", NotAccepted},
		"a badge of the site":            {func(r *Report) { r.Own = true }, "lea@x.example", OwnBadge},
		"a badge that a member has":      {func(r *Report) { r.Holder = "m-lea" }, "lea@x.example", BadgeTaken},
		"an invalid badge of a member":   {func(r *Report) { r.Holder, r.Verdict = "m-lea", "invalid" }, "", NotValid},
		"a badge of a member, not named": {func(r *Report) { hidden("")(r); r.Holder = "m" }, "", BadgeTaken},
	} {
		r := good()
		c.change(&r)
		if got := r.Refuse(c.address); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestRecipientsAddressIsTheProvenOne(t *testing.T) {
	for _, c := range []struct {
		r            Recipient
		stated, want string
	}{
		{Recipient{Matches: true, Hashed: true}, "lea@x.example", "lea@x.example"},
		{Recipient{Matches: true, Addresses: []string{"a@b", "c@d"}}, "c@d", "c@d"},
		{Recipient{Addresses: []string{"a@b", "c@d"}}, "", "a@b"},
		{Recipient{Subject: "did:x"}, "mine@x.example", ""}, // an address that the badge does not name proves nothing
		{Recipient{}, "", ""},
	} {
		if got := c.r.address(c.stated); got != c.want {
			t.Errorf("%+v with %q: %q, want %q", c.r, c.stated, got, c.want)
		}
	}
}

func day(d int) policy.Date { return policy.Date{Year: 2026, Month: 11, Day: d} }

func TestEverythingMissingIsToldAtOnce(t *testing.T) {
	full := Entry{Name: "Lea", Identity: true, Consent: true, Tap: "t-1", Until: day(10)}
	done := Visit{Proof: Proven{Kind: ByMail}, Consent: Consented{Version: 1, At: time.Unix(1, 0)}}
	for name, c := range map[string]struct {
		v      Visit
		change func(*Entry)
		days   int
		want   string
	}{
		"nothing":                   {Visit{}, func(*Entry) {}, 1, ""},
		"all":                       {Visit{}, func(e *Entry) { *e = Entry{} }, 1, "name proof consent card until"},
		"a code in place":           {Visit{}, func(e *Entry) { e.Identity, e.Code = false, "X" }, 1, ""},
		"no proof":                  {Visit{}, func(e *Entry) { e.Identity = false }, 1, "proof"},
		"an earlier proof":          {done, func(e *Entry) { e.Identity, e.Consent = false, false }, 1, ""},
		"no consent":                {Visit{}, func(e *Entry) { e.Consent = false }, 1, "consent"},
		"two cards":                 {Visit{}, func(e *Entry) { e.Number = "04A2" }, 1, "card"},
		"a card by its number":      {Visit{}, func(e *Entry) { e.Tap, e.Number = "", "04A2" }, 1, ""},
		"no card":                   {Visit{}, func(e *Entry) { e.Tap = "" }, 1, "card"},
		"no name":                   {Visit{}, func(e *Entry) { e.Name = "" }, 1, "name"},
		"yesterday":                 {Visit{}, func(e *Entry) { e.Until = day(9) }, 1, "until"},
		"tomorrow for a day":        {Visit{}, func(e *Entry) { e.Until = day(11) }, 1, "until"},
		"the last of three days":    {Visit{}, func(e *Entry) { e.Until = day(12) }, 3, ""},
		"the day after three days":  {Visit{}, func(e *Entry) { e.Until = day(13) }, 3, "until"},
		"a visit of no days at all": {Visit{}, func(*Entry) {}, 0, "until"},
	} {
		e := full
		c.change(&e)
		var got []string
		for _, f := range Missing(c.v, e, day(10), c.days) {
			got = append(got, f.Field)
			if f.Wrong == "" || f.Right == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

func TestVisitEndsAndIsErasedByItself(t *testing.T) {
	now := time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)
	in := Stay{Member: "m-1", Until: day(10), Erase: day(20)}
	ended := Stay{Member: "m-1", Until: day(10), Erase: day(20), Ended: now}
	early := Stay{Member: "m-1", Until: day(15), Erase: day(9), Ended: now}
	for name, c := range map[string]struct {
		v     Visit
		today policy.Date
		want  Step
	}{
		"a person who waits":            {Visit{Made: now.Add(-23 * time.Hour)}, day(10), Nothing},
		"a person who waited a day":     {Visit{Made: now.Add(-24 * time.Hour)}, day(10), Drop},
		"the last day":                  {Visit{Made: now.Add(-48 * time.Hour), Stay: in}, day(10), Nothing},
		"the day after":                 {Visit{Stay: in}, day(11), End},
		"long after, with the hub off":  {Visit{Stay: in}, day(25), End},
		"after the end":                 {Visit{Stay: ended}, day(19), Nothing},
		"the day of the erasure":        {Visit{Stay: ended}, day(20), Erase},
		"after the day of the erasure":  {Visit{Stay: ended}, day(21), Erase},
		"before the last day, but over": {Visit{Stay: early}, day(10), Erase},
	} {
		if got := Due(c.v, now, c.today); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestRefusalNamesTheFieldAndASentence(t *testing.T) {
	sentences := map[string]bool{}
	for _, reason := range Reasons() {
		err := error(&Refused{Report: Report{Badge: strings.Repeat("é", 70)}, Reason: reason})
		var inv *fault.Invalid
		if !errors.As(err, &inv) || len(inv.Faults) != 1 || !strings.Contains(err.Error(), string(reason)) {
			t.Fatalf("%s: %v", reason, err)
		}
		f := inv.Faults[0]
		want := "badge"
		if reason == OtherPerson || reason == NoAddress {
			want = "address"
		}
		if f.Field != want || f.Given != strings.Repeat("é", 60)+"…" || f.Right == "" || sentences[f.Wrong] {
			t.Errorf("%s: %+v", reason, f)
		}
		sentences[f.Wrong] = true
	}
	if len(sentences) != 9 || !sentences["the badge is not valid"] {
		t.Errorf("%v", sentences)
	}
	if clip(strings.Repeat("x", 60)) != strings.Repeat("x", 60) {
		t.Error("a text of 60 characters was cut")
	}
}

// A change of the text needs a new version, because the database stores to which version a visitor consented.
func TestTextOfTheConsentHasAVersion(t *testing.T) {
	text := Consent(30)
	sum := sha256.Sum256([]byte(text.FR + "\x00" + text.EN))
	want := map[int64]string{1: "4e24018e06713f51"}
	if got := hex.EncodeToString(sum[:8]); got != want[ConsentVersion] {
		t.Errorf("the text of version %d has the hash %s, want %s: increase ConsentVersion", ConsentVersion, got,
			want[ConsentVersion])
	}
	if !strings.Contains(text.EN, "30 days") || !strings.Contains(text.FR, "30 jours") {
		t.Errorf("%+v", text)
	}
}

func TestBroughtBadgeIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		b    Brought
		ok   bool
		want Brought
	}{
		"a file": {Brought{File: "a.png", Data: []byte("x"), Text: "ignored"}, true,
			Brought{File: "a.png", Data: []byte("x")}},
		"an address":       {Brought{Text: "  https://lab.example/b \n"}, true, Brought{Text: "https://lab.example/b"}},
		"a plain address":  {Brought{Text: "http://lab.example/b"}, true, Brought{Text: "http://lab.example/b"}},
		"JSON":             {Brought{Text: `{"a":1}`}, true, Brought{File: "badge", Data: []byte(`{"a":1}`)}},
		"nothing":          {Brought{Text: " \n"}, false, Brought{}},
		"the largest file": {Brought{Data: make([]byte, MaxBadge)}, true, Brought{Data: make([]byte, MaxBadge)}},
		"a file too large": {Brought{Data: make([]byte, MaxBadge+1)}, false, Brought{}},
		"the longest text": {Brought{Text: strings.Repeat("x", MaxText)}, true,
			Brought{File: "badge", Data: []byte(strings.Repeat("x", MaxText))}},
		"a text that is long": {Brought{Text: strings.Repeat("x", MaxText+1)}, false, Brought{}},
	} {
		got, err := c.b.badge()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if c.ok && (got.File != c.want.File || string(got.Data) != string(c.want.Data) || got.Text != c.want.Text) {
			t.Errorf("%s: %.80v", name, got)
		}
	}
}

func TestWhatAPersonSaysIsNormalisedAndBounded(t *testing.T) {
	got, err := Person{Name: "  Lea \t Martin ", Address: " lea@x.example ", Language: "de"}.tidy()
	if err != nil || got != (Person{Name: "Lea Martin", Address: "lea@x.example"}) {
		t.Errorf("%+v %v", got, err)
	}
	for _, l := range []string{"fr", "en"} {
		if got, _ := (Person{Language: l}).tidy(); got.Language != l {
			t.Errorf("%+v", got)
		}
	}
	if _, err := (Person{Name: strings.Repeat("é", 100), Address: "a@" + strings.Repeat("b", 252)}).tidy(); err != nil {
		t.Error(err)
	}
	for field, p := range map[string][]Person{
		"name":    {{Name: strings.Repeat("é", 101)}, {Name: "a\u202eb"}, {Name: "a\ufffdb"}},
		"address": {{Address: "lea"}, {Address: "a@" + strings.Repeat("b", 253)}, {Address: "a@b\u202e"}},
	} {
		for _, x := range p {
			var inv *fault.Invalid
			if _, err := x.tidy(); !errors.As(err, &inv) || inv.Faults[0].Field != field {
				t.Errorf("%+v: %v", x, err)
			}
		}
	}
}

func TestSettingsOfVisitsAreBounded(t *testing.T) {
	for _, c := range []struct {
		days, keep int
		want       []string
	}{{1, 1, nil}, {31, 365, nil}, {0, 0, []string{"days", "keep"}}, {32, 366, []string{"days", "keep"}}} {
		var got []string
		for _, f := range checkValues(Values{Days: c.days, Keep: c.keep}) {
			got = append(got, f.Field)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestEachRefusalHasItsSentence(t *testing.T) {
	for reason, want := range map[Reason]string{Unreadable: "not a badge", NotValid: "is not valid",
		Undetermined: "out of reach", NotAccepted: "accepts no such badge", OwnBadge: "issues this badge itself",
		BadgeTaken: "has this badge already", OtherPerson: "another address", NoAddress: "state the address",
		NoRecipient: "names no recipient"} {
		if got := (&Refused{Reason: reason}).wrong(); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}
