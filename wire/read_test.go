package wire

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// signText signs a text in the way in which a newer program could have signed it.
func signText(t testing.TB, kind, text string, s note.Signer) []byte {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: kind + "\n" + text + "\n"}, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withFields returns a JSON object with fields added at its end.
func withFields(object, fields string) string {
	return strings.TrimSuffix(object, "}") + "," + fields + "}"
}

// readers lists each format that has "critical": the function that reads the format, and a sample of its outermost
// object.
func readers(t *testing.T) map[string]struct {
	text string
	open func(text string) error
} {
	s, v := keys(t)
	canonical := func(x any) string {
		b, err := Canonical(x)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	chunk := func(x any) func(string) error {
		return func(text string) error { return DecodeChunk([]byte(text), x) }
	}
	type reader = struct {
		text string
		open func(text string) error
	}
	return map[string]reader{
		"manifest": {canonical(manifest()), func(text string) error {
			_, err := OpenManifest(signText(t, "portillon bundle", text, s), v)
			return err
		}},
		"ack": {canonical(Ack{Site: "biklab", Machine: "laser", Seq: 5, Root: "00"}), func(text string) error {
			_, err := OpenAck(signText(t, "portillon ack", text, s), v, "biklab", "laser")
			return err
		}},
		"command": {canonical(command), func(text string) error {
			_, err := (&Commands{Site: "biklab", Machine: "laser", Keys: v}).Open(
				signText(t, "portillon command", text, s),
				at,
				true,
			)
			return err
		}},
		"batch": {string(batch(t, s, sample(t))), func(text string) error {
			_, _, err := ParseBatch([]byte(text))
			return err
		}},
		"roster":    {canonical(RosterBucket{Members: []Member{{ID: "m-1"}}}), chunk(&RosterBucket{})},
		"badges":    {canonical(BadgesBucket{Credentials: [][]byte{{1}}}), chunk(&BadgesBucket{})},
		"documents": {canonical(StatusBucket{Lists: []StatusList{{URL: "u"}}}), chunk(&StatusBucket{})},
	}
}

func TestUnknownFieldsAreSkippedUnlessCritical(t *testing.T) {
	for name, r := range readers(t) {
		for _, fields := range []string{`"novel":{"critical":["deep"]}`, `"critical":[]`, `"critical":["critical"]`,
			`"critical":null`} {
			if err := r.open(withFields(r.text, fields)); err != nil {
				t.Errorf("%s with %s: %v", name, fields, err)
			}
		}
		for _, fields := range []string{`"critical":["novel"],"novel":1`, `"novel":1,"\u0063ritical":["novel"]`} {
			err := r.open(withFields(r.text, fields))
			if err == nil ||
				!strings.Contains(err.Error(), `requires the field "novel", unknown to this program: upgrade the program`) {
				t.Errorf("%s with %s: %v", name, fields, err)
			}
		}
		if err := r.open(withFields(r.text, `"critical":"novel"`)); err == nil {
			t.Errorf("%s with a critical that is no list is taken", name)
		}
	}
	var refusal *Refusal
	r := readers(t)["manifest"]
	if err := r.open(withFields(r.text, `"critical":["novel"]`)); !errors.As(err, &refusal) || refusal.Code != "unusable" {
		t.Errorf("a manifest with an unknown critical field: %v", err)
	}
}

func TestKnownCriticalFieldsAreAccepted(t *testing.T) {
	for name, field := range map[string]string{"manifest": "issued", "ack": "seq", "command": "now", "batch": "checkpoint",
		"roster": "members"} {
		r := readers(t)[name]
		if err := r.open(withFields(r.text, `"critical":["`+field+`"]`)); err != nil {
			t.Errorf("%s that requires %s: %v", name, field, err)
		}
	}
}

func TestTrailingDataAndSecondValuesAreRefused(t *testing.T) {
	for name, r := range readers(t) {
		for _, more := range []string{"{}", "}", "]", "x", " 1"} {
			if err := r.open(r.text + more); err == nil {
				t.Errorf("%s followed by %q is taken", name, more)
			}
		}
	}
}

// If a member has an unknown critical field, only that member is denied, and not the whole roster.
func TestCriticalFieldOfAMemberAffectsOnlyThatMember(t *testing.T) {
	var b RosterBucket
	text := `{"members":[{"critical":["novel"],"id":"m-1","novel":1},{"critical":["badges","blocked"],"id":"m-2"},` +
		`{"id":"m-3","novel":1}]}`
	if err := DecodeChunk([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"novel", "", ""} {
		got := ""
		if u := b.Members[i].Unknown(); u != nil {
			got = u.Name
		}
		if got != want {
			t.Errorf("%s requires %q, want %q", b.Members[i].ID, got, want)
		}
	}
}

func TestStatesWithUnknownFieldsAreAccepted(t *testing.T) {
	s, err := ParseState([]byte(`{"critical":["novel"],"machine":"laser","novel":{"a":1},"phase":"on"}`))
	if err != nil || s.Machine != "laser" || s.Phase != "on" {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := ParseState([]byte(`{"machine":"laser"} {}`)); err == nil {
		t.Error("a state followed by another value is taken")
	}
}

const novelRecord = `{"body":{"novel":[1,"é"]},"boot":"7c1d","clock":"trusted","kind":"novel-kind",` +
	`"machine":"laser","mono":1000,"novel":true,"seq":7,"site":"biklab","wall":"2026-11-23T10:00:00.123Z"}`

func TestRecordsWithUnknownKindsAndFieldsAreAccepted(t *testing.T) {
	r, err := ParseRecord([]byte(novelRecord))
	if err != nil || r.Seq != 7 || r.Kind != "novel-kind" || r.Machine != policy.MachineID("laser") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRecordsThatAreNotCanonicalAreRefused(t *testing.T) {
	swap := func(old, new string) string { return strings.Replace(novelRecord, old, new, 1) }
	for name, text := range map[string]string{
		"blank":             swap(`"seq":7`, `"seq": 7`),
		"order":             swap(`"seq":7,"site":"biklab"`, `"site":"biklab","seq":7`),
		"number":            swap(`"mono":1000`, `"mono":1e3`),
		"escape":            swap(`é`, `\u00e9`),
		"double":            swap(`"seq":7`, `"seq":7,"seq":7`),
		"double in body":    swap(`{"novel":[1,"é"]}`, `{"a":1,"a":1}`),
		"not UTF-8":         swap(`é`, "\xff"),
		"other case":        swap(`"body":`, `"Seq":8,"body":`),
		"other case, alone": swap(`"body":{"novel":[1,"é"]}`, `"Session":"s1","body":{}`),
		"time zone":         swap(`10:00:00.123Z`, `10:00:00.123+01:00`),
		"microseconds":      swap(`10:00:00.123Z`, `10:00:00.123456Z`),
		"trailing":          novelRecord + "\n",
	} {
		if text == novelRecord {
			t.Fatalf("%s changes nothing", name)
		}
		if r, err := ParseRecord([]byte(text)); err == nil {
			t.Errorf("%s: taken as %+v", name, r)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(novelRecord))
	for _, r := range sample(f) {
		b, _ := r.Canonical()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRecord(b)
		if err != nil {
			return
		}
		if r.Seq == 0 || r.Kind == "" || !IsCanonical(b) {
			t.Fatalf("%q is taken", b)
		}
		if _, err := r.Canonical(); err != nil {
			t.Fatalf("%q is taken, and cannot be written: %v", b, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"members":[{"critical":["novel"],"id":"m-1","novel":1}],"critical":["members"]}`))
	f.Add([]byte(`{"id":"c1","do":"tag","critical":["novel"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Member
		if Decode(b, &m) == nil && m.Unknown() != nil {
			t.Fatalf("Decode took %q, whose member requires %q", b, m.Unknown().Name)
		}
		var r RosterBucket
		if Decode(b, &r) == nil {
			for _, m := range r.Members {
				m.Unknown()
			}
		}
		Decode(b, &Batch{})
	})
}
