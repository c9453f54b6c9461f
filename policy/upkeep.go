package policy

import (
	"slices"
	"sort"
	"strings"
	"time"
)

// Item is an entry of a list from which people choose at the machine: a kind of intervention, or a skill.
type Item struct {
	ID   string // a slug
	Name Text   // the name that people read at the machine
}

// Upkeep is recurring maintenance. Upkeep is due after a number of running hours, after a number of days, or, if both
// are set, after the interval that ends first.
type Upkeep struct {
	Kind  string        // kind of the intervention that resets the interval
	Hours time.Duration // interval in running time; zero for no such interval
	Every time.Duration // interval in whole days; zero for no such interval
	Block bool          // true if the machine is tagged out from the due date until the work is done
}

// Done is when a kind of maintenance was last done.
type Done struct {
	At  time.Time     `json:"at"`  // when the work was done; zero if the clock was not set
	Ran time.Duration `json:"ran"` // the machine's total running time at that moment
}

// Wear is the total use of a machine.
type Wear struct {
	Now   time.Time
	Clock Clock
	Ran   time.Duration // total running time
	// when each kind of maintenance was last done; a kind that is missing counts as done today and at running time 0
	Done map[string]Done
}

// Work is maintenance that is due or due soon. Work is due soon when at most a tenth of the interval is left.
type Work struct {
	Upkeep
	Over      bool          // the maintenance is due now
	ByHours   bool          // true if Remaining is running time, false if it is calendar time
	Remaining time.Duration // time until the maintenance is due; negative if it is overdue
}

// Due lists the maintenance that is due or due soon: first the maintenance that is due, then by the share of the
// interval that is left. While the clock is not trusted, intervals in days are ignored.
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

// standing returns the state of one maintenance, and whether to report it. If the intervals in hours and in days have
// both ended, standing reports the interval in hours.
func (u Upkeep) standing(w Wear) (Work, bool) {
	done, known := w.Done[u.Kind]
	by := func(every, spent time.Duration, hours bool) (Work, bool) {
		left := every - spent
		return Work{Upkeep: u, Over: left <= 0, ByHours: hours, Remaining: left}, every > 0 && left <= every/10
	}
	since := w.Ran - done.Ran
	if since < 0 { // the counter of running hours was replaced, and the new counter began at 0
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

// InterventionKinds returns the kinds of intervention that may be logged at the machine, sorted. These are the kinds
// that the machine lists, the kinds of its maintenance, and the kinds that count towards one of its badges.
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

// KindName returns the name of a kind of intervention: the machine's own name for it, or the slug with spaces.
func (m *Machine) KindName(kind string) Text {
	if m == nil {
		return nameOf(nil, kind)
	}
	return nameOf(m.Interventions, kind)
}

// SkillName returns the name of a skill that a mentor may confirm: the machine's own name for it, or the slug with
// spaces.
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

// Names is the form in which a panel shows members' names. The zero Names is the first name only.
type Names uint8

const (
	FirstName Names = iota // Léa
	Initial                // Léa M.
	FullName               // Léa Martin
	Letters                // L. M.
)

var nameWords = [...]string{"first", "initial", "full", "letters"}

// ParseNames parses one of the words first, initial, full and letters. "" is first.
func ParseNames(s string) (Names, error) {
	n, err := number("way to show names", nameWords[:], s)
	return Names(n), err
}

// Of returns a full name in the form that the site chose.
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

// Look is a panel's colours: dark on light or light on dark. The zero Look follows each screen's preference.
type Look uint8

const (
	AutoLook Look = iota
	Light
	Dark
)

var lookWords = [...]string{"auto", "light", "dark"}

func (l Look) String() string { return word(lookWords[:], int(l)) }

// ParseLook parses one of the words auto, light and dark. "" is auto.
func ParseLook(s string) (Look, error) {
	n, err := number("look", lookWords[:], s)
	return Look(n), err
}
