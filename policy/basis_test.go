package policy_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/internal/sample"
	. "portillon/policy"
)

// inUTC returns a decision as text, with its times in UTC.
func inUTC(d Decision) string {
	d.Outcomes = slices.Clone(d.Outcomes)
	for i, o := range d.Outcomes {
		missing := o.Missing()
		for k := range missing {
			missing[k].At = missing[k].At.UTC()
		}
		d.Outcomes[i] = NewOutcome(o.Role, o.Verdict, missing...)
	}
	text, err := json.Marshal(d)
	return fmt.Sprint(string(text), err)
}

// kept encodes a basis as JSON and returns the decoded copy.
func kept(t *testing.T, b Basis) Basis {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var out Basis
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestQuestionRestoredFromABasisGetsTheSameDecision(t *testing.T) {
	if testing.Short() {
		t.Skip("short: judges thousands of generated cases")
	}
	seen := map[Verdict]int{}
	codes := map[Code]int{}
	g := newGen(21, 22)
	for range sample.Count(400) {
		m := g.Accepting()
		x := &m.Machines[0]
		x.Card, x.Pass, x.Bookings = CardStrength(g.IntN(2)), ClockPass(g.IntN(8)), g.Bookings()
		if g.IntN(3) == 0 {
			x.Fresh = time.Duration(1+g.IntN(20)) * days
		}
		for i := range x.Grants {
			if x.Grants[i].Quota.Day = time.Duration(g.IntN(3)) * 4 * time.Minute; x.Grants[i].Supervisor != nil {
				x.Grants[i].Learners = g.IntN(3)
			}
			x.Grants[i].Quota.Sessions = g.IntN(3)
		}
		p := mustNew(t, m)
		for range 25 {
			q := g.WithCircumstances(g.WithForeign(g.Question(), p))
			d := p.Decide(q)
			b := kept(t, BasisOf(q, d))
			again, err := b.Question(q.Machine)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := inUTC(p.Decide(again)), inUTC(d); got != want || b.Verdict != d.Verdict {
				t.Fatalf("the decision was\n%s\nits basis gets\n%s\nbasis %+v", want, got, b)
			}
			seen[d.Verdict]++
			for _, c := range d.Codes() {
				codes[c]++
			}
		}
	}
	if len(seen) != 3 || seen[Allow] < sample.Count(200) || len(codes) < len(Codes()) {
		t.Errorf("little was compared: %v %v", seen, codes)
	}
}

// The test sets every field of a question, at every depth, to a non-zero value. If the basis lacked a field, the
// restored question would differ.
func TestBasisStoresEveryFieldOfAQuestion(t *testing.T) {
	var q Question
	fill(t, reflect.ValueOf(&q).Elem())
	got, err := kept(t, BasisOf(q, Decision{})).Question(q.Machine)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, q) {
		t.Errorf("the question\n%+v %+v\ncame back as\n%+v %+v", q, q.Member, got, got.Member)
	}
}

// fill sets every field below v to a valid non-zero value: numbers to 1, and texts to "x".
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 9, 0, 0, 123456789, time.UTC)))
		return
	case Date:
		v.Set(reflect.ValueOf(Date{Year: 2026, Month: 12, Day: 31}))
		return
	case time.Duration:
		v.SetInt(int64(2600*time.Hour + 7)) // this is more than 2^53 nanoseconds
		return
	case MachineID:
		v.SetString("m") // Question and Practice must have the same machine
		return
	case Standing:
		v.Set(reflect.ValueOf(Revoked))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			// skip unexported fields: they make decisions faster, but do not change them
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Int:
		v.SetInt(1)
	default:
		t.Fatalf("a question contains a %v: add a case that fills this type", v.Type())
	}
}

func TestABasisWithTooManyBadgesIsMarkedAsTruncated(t *testing.T) {
	q := Question{At: monday, Machine: "m", Member: &Member{ID: "m-1"}, Supervisor: &Member{ID: "m-2"}}
	long := BadgeID(strings.Repeat("b", 64))
	for range 300 {
		h := Holding{Badge: long, Standing: Verified, From: monday, Until: monday, Checked: monday}
		q.Member.Holdings, q.Supervisor.Holdings = append(q.Member.Holdings, h), append(q.Supervisor.Holdings, h)
	}
	whole := BasisOf(q, Decision{})
	text, _ := json.Marshal(whole)
	if b := whole.Fit(len(text)); b.Truncated || len(b.Member.Holdings) != 300 {
		t.Error("a basis that just fits was truncated")
	}
	b := whole.Fit(len(text) - 1)
	if !b.Truncated || b.Member.ID != "m-1" || b.Member.Holdings != nil || b.Supervisor.Holdings != nil {
		t.Errorf("%+v", b)
	}
	if len(whole.Member.Holdings) != 300 {
		t.Error("Fit changed the basis that it was given")
	}
	if _, err := b.Question("m"); err == nil {
		t.Error("Question accepted a truncated basis")
	}
	if b := whole.Fit(100); !b.Truncated || b.Member != nil || b.Supervisor != nil {
		t.Errorf("%+v", b)
	}
}

func TestEveryBasisCanBeEncoded(t *testing.T) {
	west, east := time.FixedZone("", -5*3600), time.FixedZone("", 5*3600)
	q := Question{At: monday, Clock: Trusted, Machine: "m", CardState: 77, Member: &Member{ID: "m-1", Holdings: []Holding{
		{
			Badge:    "a",
			Standing: 9,
			From:     time.Date(0, 1, 1, 0, 0, 0, 0, east),
			Until:    time.Date(9999, 12, 31, 23, 59, 59, 0, west),
		}}}}
	got, err := kept(t, BasisOf(q, Decision{})).Question("m")
	if err != nil || got.CardState != BlockedCard || got.Member.Holdings[0].Standing != Unverified {
		t.Errorf("%+v, %v", got, err)
	}
	if h := got.Member.Holdings[0]; h.From.Year() != 0 || h.Until.Year() != 9999 {
		t.Errorf("%+v", h)
	}
}

func TestABasisWithUnknownWordsGivesAnError(t *testing.T) {
	for _, text := range []string{`{"card":"gold"}`, `{"card_state":"found"}`, `{"member":{"id":"a","until":"soon"}}`,
		`{"supervisor":{"id":"a","until":"soon"}}`, `{"member":{"id":"a","badges":[{"badge":"b","standing":"great"}]}}`,
		`{"member":{"id":"a","practice":{"logged":"long"}}}`} {
		var b Basis
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Fatal(err)
		}
		if q, err := b.Question("m"); err == nil {
			t.Errorf("%s: %+v", text, q)
		}
	}
}

func TestBasisThatIsTooLongWithoutBadgesOmitsThePeople(t *testing.T) {
	b := Basis{Policy: strings.Repeat("x", 100)}.Fit(10)
	if !b.Truncated || b.Member != nil || b.Supervisor != nil {
		t.Errorf("%+v", b)
	}
}
