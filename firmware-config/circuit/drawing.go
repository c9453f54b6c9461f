package circuit

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// These constants limit the size of a drawing.
const (
	maxDrawing = 256 << 10 // bytes
	maxParts   = 200
)

// Part is one line of a netlist.
type Part struct {
	Name, Kind string
	Nodes      []string
	Text       string  // the value as the drawing shows it, without spaces: 470Ω
	Value      float64 // the value in Ω, F, V, A or s; 0 if Text names a type
	Tolerance  float64 // fraction of the value: 0.05 means ±5 %
}

// Drawing is the content of a drawing's file.
type Drawing struct {
	Title    string
	Circuits map[string][]Part
	Order    []string // names of the circuits, in the order of the file
}

// Find returns the part of a circuit with this name.
func Find(parts []Part, name string) (Part, bool) {
	for _, p := range parts {
		if p.Name == name {
			return p, true
		}
	}
	return Part{}, false
}

// kinds maps each kind of part to the number of its nodes and whether its value is a quantity.
var kinds = map[string]struct {
	nodes    int
	quantity bool
	unnamed  bool // true if the drawing need not show the part's name
	word     bool // true if the value is a word that the drawing may show in another text than the part's name
}{
	"R": {nodes: 2, quantity: true}, "C": {nodes: 2, quantity: true}, "FUSE": {nodes: 2,
		quantity: true}, "COIL": {nodes: 2, quantity: true},
	"V": {nodes: 2, quantity: true, unnamed: true}, "TIME": {quantity: true, unnamed: true}, "PIN": {nodes: 1,
		unnamed: true},
	"D": {nodes: 2}, "LED": {nodes: 2}, "TVS": {nodes: 2}, "NPN": {nodes: 3}, "NMOS": {nodes: 3}, "OPTO": {nodes: 4},
	"NC": {nodes: 2, word: true}, "NO": {nodes: 2, word: true}, "LOAD": {nodes: 2, word: true},
}

// units lists the units from the longest to the shortest, because the first match counts.
var units = []struct {
	suffix string
	factor float64
}{{"kΩ", 1e3}, {"MΩ", 1e6}, {"Ω", 1}, {"µF", 1e-6}, {"nF", 1e-9}, {"mA", 1e-3}, {"ms", 1e-3}, {"A", 1}, {"V", 1}, {"s",
	1}}

// parseQuantity parses a value with its unit, such as 4.7kΩ. The result is in Ω, F, V, A or s.
func parseQuantity(s string) (float64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) || v <= 0 {
			return 0, fmt.Errorf("value is %q, want a positive number and a unit", s)
		}
		return v * u.factor, nil
	}
	return 0, fmt.Errorf("value %q has no known unit, want one of kΩ, MΩ, Ω, µF, nF, A, mA, V, s, ms", s)
}

// Read parses a drawing and checks that the drawing shows the content of its netlist.
func Read(svg []byte) (Drawing, error) {
	if len(svg) > maxDrawing {
		return Drawing{}, fmt.Errorf("drawing has %d bytes, want at most %d", len(svg), maxDrawing)
	}
	texts, err := textsOf(svg)
	if err != nil {
		return Drawing{}, err
	}
	d := Drawing{Title: strings.Join(texts["title"], " "), Circuits: map[string][]Part{}}
	if d.Title == "" {
		return Drawing{}, errors.New("drawing has no <title>")
	}
	if err := d.parse(strings.Join(texts["metadata"], "\n")); err != nil {
		return Drawing{}, err
	}
	return d, d.requireShown(texts["text"])
}

// textsOf collects the text of the relevant elements, by element name.
func textsOf(svg []byte) (map[string][]string, error) {
	texts := map[string][]string{}
	in := "" // name of the element whose text is read now
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("drawing is not XML: %w", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				if a.Name.Local == "href" {
					return nil, fmt.Errorf("element <%s> has an href, want a drawing without references to other files", e.Name.Local)
				}
			}
			switch name := e.Name.Local; name {
			case "title", "desc", "metadata", "text":
				in = name
				texts[in] = append(texts[in], "")
			}
		case xml.EndElement:
			if e.Name.Local == in {
				in = ""
			}
		case xml.CharData:
			if in != "" {
				texts[in][len(texts[in])-1] += string(e)
			}
		}
	}
}

func (d *Drawing) parse(netlist string) error {
	name, parts := "", 0
	for line := range strings.Lines(netlist) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || strings.HasPrefix(f[0], "#"):
		case f[0] == "circuit" && len(f) == 2:
			name = f[1]
			if _, twice := d.Circuits[name]; twice {
				return fmt.Errorf("netlist: circuit %s is defined twice", name)
			}
			d.Circuits[name], d.Order = nil, append(d.Order, name)
		case name == "":
			return fmt.Errorf("netlist: line %q is before the first circuit", strings.TrimSpace(line))
		default:
			p, err := parsePart(f)
			if err != nil {
				return fmt.Errorf("netlist: line %q: %w", strings.TrimSpace(line), err)
			}
			if _, twice := Find(d.Circuits[name], p.Name); twice {
				return fmt.Errorf("netlist: circuit %s has two parts with the name %s", name, p.Name)
			}
			if parts++; parts > maxParts {
				return fmt.Errorf("netlist has more than %d parts", maxParts)
			}
			d.Circuits[name] = append(d.Circuits[name], p)
		}
	}
	return nil
}

func parsePart(f []string) (Part, error) {
	if len(f) < 2 {
		return Part{}, errors.New("part is incomplete, want a name, a kind, nodes and a value")
	}
	k, ok := kinds[f[1]]
	if !ok {
		return Part{}, fmt.Errorf("unknown kind of part %s", f[1])
	}
	rest := f[2:]
	p := Part{Name: f[0], Kind: f[1]}
	if n := len(rest); n > 0 && strings.HasPrefix(rest[n-1], "±") {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(rest[n-1], "±"), "%"), 64)
		if err != nil || !(percent > 0 && percent < 100) {
			return Part{}, fmt.Errorf("tolerance is %s, want ±1%% to ±99%%", rest[n-1])
		}
		p.Tolerance, rest = percent/100, rest[:n-1]
	}
	if len(rest) != k.nodes+1 {
		return Part{}, fmt.Errorf("part has %d nodes and values, want %d nodes and one value", len(rest), k.nodes)
	}
	p.Nodes, p.Text = rest[:k.nodes], rest[k.nodes]
	if k.quantity {
		var err error
		if p.Value, err = parseQuantity(p.Text); err != nil {
			return Part{}, err
		}
	}
	return p, nil
}

// requireShown checks that the drawing shows every part with its value and its tolerance.
func (d *Drawing) requireShown(texts []string) error {
	var errs []error
	refuse := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	for _, circuit := range d.Order {
		for _, p := range d.Circuits[circuit] {
			name, _, _ := strings.Cut(p.Name, ".")
			beside := texts // the texts of the drawing that may contain the part's value
			if !kinds[p.Kind].unnamed {
				beside = nil
				for _, t := range texts {
					if hasWord(t, name) {
						beside = append(beside, t)
					}
				}
				if beside == nil {
					refuse("circuit %s: drawing does not show the name %s", circuit, p.Name)
				}
			}
			if kinds[p.Kind].word {
				beside = texts
			}
			if !contains(beside, p.Text) {
				refuse("circuit %s: drawing does not show %s, the value of %s", circuit, p.Text, p.Name)
			}
			if t := fmt.Sprintf("±%g%%", 100*p.Tolerance); p.Tolerance > 0 && !contains(texts, t) {
				refuse("circuit %s: drawing does not show %s, the tolerance of %s", circuit, t, p.Name)
			}
		}
	}
	return errors.Join(errs...)
}

// hasWord reports whether a text contains a name as a whole word.
func hasWord(text, name string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) &&
			!unicode.IsDigit(r)
	}), name)
}

// contains reports whether one of the texts contains a value, with any spacing, and not as the end of another number.
// For example, 47 Ω does not contain 7Ω.
func contains(texts []string, value string) bool {
	for _, t := range texts {
		for i, r := range t {
			if beginsWith(t[i:], value) && !(isNumber(r) && i > 0 && isNumber(rune(t[i-1]))) {
				return true
			}
		}
	}
	return false
}

// beginsWith reports whether a text begins with a value, ignoring spaces inside it.
func beginsWith(text, value string) bool {
	for i, want := range value {
		if i > 0 {
			text = strings.TrimLeftFunc(text, unicode.IsSpace)
		}
		got, size := utf8.DecodeRuneInString(text)
		if size == 0 || got != want {
			return false
		}
		text = text[size:]
	}
	return true
}

func isNumber(r rune) bool { return r >= '0' && r <= '9' || r == '.' }
