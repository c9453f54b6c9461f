package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAckContainsTheReasonOfARefusalWithinLimits(t *testing.T) {
	s, v := keys(t)
	long := strings.Repeat("é", 1000)
	for name, c := range map[string]struct {
		in   *AckRefused
		want *AckRefused
	}{
		"none":    {nil, nil},
		"no code": {&AckRefused{Detail: "x"}, nil},
		"code and sentence": {&AckRefused{"bad-checkpoint", "no trusted key has signed this"},
			&AckRefused{"bad-checkpoint", "no trusted key has signed this"}},
		"control characters": {&AckRefused{"malformed", "a\x1b[31m\nb"}, &AckRefused{"malformed", "a [31m b"}},
		"too long": {&AckRefused{strings.Repeat("c", 99), long},
			&AckRefused{strings.Repeat("c", maxRefusedCode), strings.Repeat("é", maxRefusedDetail/2)}},
	} {
		data, err := SignAck(Ack{Site: "biklab", Machine: "laser", Seq: 5, Root: "00", Refused: c.in}, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenAck(data, v, "biklab", "laser")
		if err != nil || (got.Refused == nil) != (c.want == nil) || c.want != nil && *got.Refused != *c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got.Refused, err, c.want)
		}
		if plain := strings.Contains(string(data), `"refused"`); plain != (c.want != nil) {
			t.Errorf("%s: signed text %s", name, data)
		}
	}
}

// If a hub ignores the limits, its text must still not fill a machine's status.
func TestMachineCutsTooLongRefusalTexts(t *testing.T) {
	s, v := keys(t)
	data, err := sign(
		"portillon ack",
		Ack{Site: "biklab", Machine: "laser", Refused: &AckRefused{"forked", strings.Repeat("x\n", 5000)}},
		s,
	)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenAck(data, v, "biklab", "laser")
	if err != nil || len(got.Refused.Detail) > maxRefusedDetail || strings.Contains(got.Refused.Detail, "\n") {
		t.Errorf("%+v, %v", got.Refused, err)
	}
}

func FuzzAckRefusedFitsItsLimits(f *testing.F) {
	f.Add("bad-checkpoint", "a sentence")
	f.Add("\xff\x00", strings.Repeat("\u2028é", 200))
	f.Fuzz(func(t *testing.T, code, detail string) {
		r := NewAckRefused(code, detail)
		if len(r.Code) > maxRefusedCode || len(r.Detail) > maxRefusedDetail || !utf8.ValidString(r.Code+r.Detail) ||
			strings.ContainsAny(r.Code+r.Detail, "\n\r\x00\x1b") {
			t.Fatalf("%+q", r)
		}
		if again := NewAckRefused(r.Code, r.Detail); *again != *r {
			t.Fatalf("%+q becomes %+q", r, again)
		}
	})
}

func TestStateHasFieldsOfMissingAcknowledgementsOnlyIfSomeAreMissing(t *testing.T) {
	plain, _ := json.Marshal(State{Machine: "laser", Phase: "off"})
	if want := `{"machine":"laser","phase":"off","relay":false,"tagged":false,"bundle":0,"journal":0}`; string(
		plain,
	) != want {
		t.Errorf("%s, want %s", plain, want)
	}
	in := State{Machine: "laser", Format: 2, UnackedSince: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		UnackedWhy: "hub-refuses/bad-checkpoint", SilentScreen: "127.0.0.1"}
	data, _ := json.Marshal(in)
	for _, want := range []string{`"format":2`, `"unacked_since":"2026-11-23T10:00:00Z"`,
		`"unacked_why":"hub-refuses/bad-checkpoint"`,
		`"silent_screen":"127.0.0.1"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s lacks %s", data, want)
		}
	}
	if out, err := ParseState(data); err != nil || out != in {
		t.Errorf("%+v, %v", out, err)
	}
}
