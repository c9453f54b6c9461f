package panel

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// declaredSigns returns the values of all constants of type Sign in this folder.
func declaredSigns(t *testing.T) []Sign {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var out []Sign
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Sign" && len(v.Values) == 1 {
				out = append(out, Sign(strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)))
			}
			return true
		})
	}
	return out
}

func TestEverySignHasOneCompleteRowInTheTableOfStates(t *testing.T) {
	declared := declaredSigns(t)
	if len(declared) < 20 || len(states) != len(declared) {
		t.Errorf("%d signs are declared, %d rows are in the table", len(declared), len(states))
	}
	for _, s := range declared {
		row, ok := s.row()
		if !ok {
			t.Errorf("sign %q has no row", s)
			continue
		}
		switch {
		case row.shape == "":
			t.Errorf("sign %q has no shape", s)
		case row.lamps == lamps{}:
			t.Errorf("sign %q has no lamps", s)
		case row.example == nil:
			t.Errorf("sign %q has no example", s)
		}
		v := row.example(Clock{time.UTC}, noon)
		if v.Sign != s || v.Line == (policy.Text{}) {
			t.Errorf("the example of sign %q has sign %q and line %+v", s, v.Sign, v.Line)
		}
	}
}

// refusing lists the states in which a tap was refused. All other known states accept the tap.
var refusing = []Sign{
	SignRefused, SignExpired, SignRecent, SignHours, SignUnknown, SignOccupied, SignClockNotSet, SignTagged, SignFault,
}

func TestTapIsRefusedOnlyInRefusingStates(t *testing.T) {
	for _, s := range declaredSigns(t) {
		if got := s.IsRefusal(); got != slices.Contains(refusing, s) {
			t.Errorf("sign %q is a refusal: %v", s, got)
		}
	}
}

func TestSignWithoutARowIsShownAsARefusal(t *testing.T) {
	forgotten := Sign("forgotten")
	if !forgotten.IsRefusal() {
		t.Error("a tap that ends in an unknown state is answered as accepted")
	}
	if forgotten.signal().lit != lampsRefused {
		t.Errorf("lamps %+v", forgotten.signal())
	}
	p := New(Config{})
	p.Show(View{
		Sign:   forgotten,
		Line:   policy.Text{FR: "Machine en marche", EN: "Machine on"},
		Offers: []Offer{OfferLog()},
	})
	v := p.Current()
	if v.Sign != SignRefused || strings.Contains(v.Line.FR, "marche") || len(v.Offers) != 0 {
		t.Errorf("the page shows %+v", v.View)
	}
	if empty := (state{}); empty.accepts || empty.offers {
		t.Error("a row without its columns accepts")
	}
}

// The page's drawings contain all the data that the script needs about a state.
func TestPageContainsTheDrawingOfEveryState(t *testing.T) {
	w := httptest.NewRecorder()
	New(Config{}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://laser/", nil))
	page := w.Body.String()
	for _, s := range states {
		if n := strings.Count(page, ` data-sign="`+s.sign.name()+`"`); n != 1 {
			t.Errorf("%d drawings of sign %q", n, s.sign)
		}
		if !strings.Contains(page, s.shape) {
			t.Errorf("the page lacks the shape of sign %q", s.sign)
		}
	}
	script, err := web.ReadFile("web/panel.js")
	if err != nil {
		t.Fatal(err)
	}
	style, err := web.ReadFile("web/panel.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.colour != ink && !strings.Contains(string(style), "[data-colour="+string(s.colour)+"]") {
			t.Errorf("panel.css lacks the colour %q", s.colour)
		}
		if slices.Contains([]Sign{SignRefused, SignReaderSilent, SignOn}, s.sign) {
			// These words are not signs: the script's fallback, its name for the empty sign, and the value of a form's checkbox.
			continue
		}
		if name := "'" + s.sign.name() + "'"; strings.Contains(string(script), name) {
			t.Errorf("panel.js names %s: what it knows of a state belongs into the table", name)
		}
	}
}

// sharedLamps lists the groups of states that ask the member for the same action. The actions are: continue the session
// and watch it; wait a moment; keep away while a maintainer works; find what is missing.
var sharedLamps = [][]Sign{
	{SignOn, SignSupervised, SignWorkshop},
	{SignReading, SignThanks},
	{SignMaintenance, SignPoweredOff},
	{SignRefused, SignExpired, SignRecent, SignHours, SignUnknown, SignOccupied},
}

func TestStatesShareLampsOnlyIfTheyAskForTheSameAction(t *testing.T) {
	byLamps := map[lamps][]Sign{}
	for _, s := range states {
		byLamps[s.lamps] = append(byLamps[s.lamps], s.sign)
	}
	var got, want []string
	for signs := range maps.Values(byLamps) {
		if len(signs) > 1 {
			got = append(got, fmt.Sprint(slices.Sorted(slices.Values(signs))))
		}
	}
	for _, signs := range sharedLamps {
		want = append(want, fmt.Sprint(slices.Sorted(slices.Values(signs))))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("states share lamps:\n%q\nwant:\n%q", got, want)
	}
}

// lampSequence describes which of the three lamps are on during the first twelve seconds of a state, by their place and
// not their colour.
func lampSequence(x lamps) string {
	var b strings.Builder
	for t := time.Duration(0); t < 12*time.Second; t += frame {
		for _, r := range []rhythm{x.red, x.amber, x.green} {
			fmt.Fprint(&b, map[bool]string{true: "#", false: "."}[r.lit(t)])
		}
	}
	return b.String()
}

func TestStatesDifferInWhichLampsAreOnOrInTheirRhythm(t *testing.T) {
	seen := map[string]lamps{}
	for _, s := range states {
		f := lampSequence(s.lamps)
		if other, ok := seen[f]; ok && other != s.lamps {
			t.Errorf("%+v and %+v look alike", other, s.lamps)
		}
		if !strings.Contains(f, "#") {
			t.Errorf("sign %q lights no lamp", s.sign)
		}
		seen[f] = s.lamps
	}
}
