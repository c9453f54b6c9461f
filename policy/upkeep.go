package policy

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// Item is one of a list that a machine's people choose from: a kind of intervention, something that a learner did well.
type Item struct {
	ID   string // a slug
	Name Text   // as people read it
}

// Upkeep is a piece of maintenance that comes due again and again: by running hours, by days, or by whichever comes
// first.
type Upkeep struct {
	Kind  string        // of intervention: one that is logged starts it anew
	Hours time.Duration // running time of the machine; zero: it does not count
	Every time.Duration // time on the wall, whole days; zero: it does not count
	Block bool          // once it is due the machine is tagged out until it is done
}

// Done is when a kind of maintenance was last done.
type Done struct {
	At  time.Time     `json:"at"`  // zero: nobody knows, the clock was not set
	Ran time.Duration `json:"ran"` // the machine's running time then
}

// Wear is what a machine has been through.
type Wear struct {
	Now   time.Time
	Clock Clock
	Ran   time.Duration   // running time, in all
	Done  map[string]Done // by kind; a kind that is not here counts from nothing run and no day passed
}

// Work is a piece of maintenance that is due, or will be soon: once a tenth of its interval, or less, is left.
type Work struct {
	Upkeep
	Over      bool          // it is due now
	ByHours   bool          // what is left is running time; else time on the wall
	Remaining time.Duration // until it is due, or negative: since
}

// Due lists what the machine needs, or needs soon: what is due first, then what has least left of its interval. While
// the clock is not trusted, days are not counted.
func (m *Machine) Due(w Wear) []Work {
	var out []Work
	for _, u := range m.Maintenance {
		if x, ok := u.standing(w); ok {
			out = append(out, x)
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Over != out[j].Over {
			return out[i].Over
		}
		return out[i].Remaining < out[j].Remaining
	})
	return out
}

// standing is where u stands, and whether anybody needs to know. Where hours and days both call, hours speak first.
func (u Upkeep) standing(w Wear) (Work, bool) {
	done, known := w.Done[u.Kind]
	by := func(every, spent time.Duration, hours bool) (Work, bool) {
		left := every - spent
		return Work{Upkeep: u, Over: left <= 0, ByHours: hours, Remaining: left}, every > 0 && left <= every/10
	}
	since := w.Ran - done.Ran
	if since < 0 { // what hours are counted from is another now, and began at nothing
		since = w.Ran
	}
	ran, called := by(u.Hours, since, true)
	if w.Clock != Trusted || !known || done.At.IsZero() || done.At.After(w.Now) {
		return ran, called
	}
	wall, calls := by(u.Every, w.Now.Sub(done.At), false)
	if calls && (!called || wall.Over && !ran.Over) {
		return wall, true
	}
	return ran, called
}

// InterventionKinds returns the kinds that may be logged at the machine: those it lists, those that come due, and those
// that count towards any of its badges. They are sorted.
func (p *Policy) InterventionKinds(id MachineID) []string {
	var out []string
	for b, rule := range p.Evidence {
		if slices.Contains(p.MachinesOf(b), id) {
			out = append(out, rule.Kinds...)
		}
	}
	if m, ok := p.Machine(id); ok {
		for _, x := range m.Interventions {
			out = append(out, x.ID)
		}
		for _, u := range m.Maintenance {
			out = append(out, u.Kind)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// KindName is a kind of intervention as people read it: the machine's own name for it, or the slug with spaces, which
// is all that no machine knows.
func (m *Machine) KindName(kind string) Text {
	if m == nil {
		return nameOf(nil, kind)
	}
	return nameOf(m.Interventions, kind)
}

// SkillName is something that a mentor may vouch for, likewise.
func (m *Machine) SkillName(id string) Text {
	if m == nil {
		return nameOf(nil, id)
	}
	return nameOf(m.Vouch, id)
}

func nameOf(items []Item, id string) Text {
	if i := slices.IndexFunc(items, func(x Item) bool { return x.ID == id }); i >= 0 {
		return items[i].Name
	}
	plain := strings.ReplaceAll(id, "-", " ")
	return Text{plain, plain}
}

// Names is how much of members' names a panel shows. The zero Names is the first name alone.
type Names uint8

const (
	FirstName Names = iota // Léa
	Initial                // Léa M.
	FullName               // Léa Martin
	Letters                // L. M.
)

var nameWords = [...]string{"first", "initial", "full", "letters"}

// ParseNames reads first, initial, full or letters; "" is first.
func ParseNames(s string) (Names, error) {
	n, err := number("way to show names", nameWords[:], s)
	return Names(n), err
}

// Of shortens a name as a site chose.
func (n Names) Of(full string) string {
	words := strings.Fields(full)
	if len(words) == 0 {
		return ""
	}
	initial := func(s string) string { return string([]rune(s)[:1]) + "." }
	last := words[len(words)-1]
	switch {
	case n == FullName:
		return strings.Join(words, " ")
	case n == Letters && len(words) > 1:
		return initial(words[0]) + " " + initial(last)
	case n == Letters:
		return initial(words[0])
	case n == Initial && len(words) > 1:
		return words[0] + " " + initial(last)
	}
	return words[0]
}

// Look is ink on paper or paper on ink. The zero Look is what each screen prefers.
type Look uint8

const (
	AutoLook Look = iota
	Light
	Dark
)

var lookWords = [...]string{"auto", "light", "dark"}

func (l Look) String() string { return word(lookWords[:], int(l)) }

// ParseLook reads auto, light or dark; "" is auto.
func ParseLook(s string) (Look, error) {
	n, err := number("look", lookWords[:], s)
	return Look(n), err
}
