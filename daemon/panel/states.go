package panel

import (
	"fmt"
	"strings"
	"time"

	"portillon/policy"
)

// state is a row of the table of panel states: the row defines everything that depends only on the sign of a view. The
// page, its style and script, the lamps, the buzzer and the daemon's answers to a tap use this table. The zero value of
// each column is the safe one: a row that leaves the column out shows a refusal and no buttons.
type state struct {
	sign Sign
	// shape is the drawing, as elements of an SVG of 120 × 120. The drawing uses the classes of panel.css: ring, bar,
	// disc, and the motions breathe and turn.
	shape  string
	colour colour

	lamps   lamps
	buzzer  beeps
	speaker beeps // beeps that a screen with a loudspeaker plays

	accepts  bool // true if a tap that leads to this state was accepted
	offers   bool // true if the panel shows the buttons in this state
	calm     bool // true if a question to the visitor may replace the sentence
	saysTime bool // true if the sentence itself contains the remaining time
	urgent   bool // true if the state closes an open form

	// example returns a view of this state, for the gallery.
	example func(c Clock, now time.Time) View
}

// colour is the colour of a shape: panel.css defines the values by day and by night.
type colour string

const (
	ink   colour = ""          // colour of text
	blue  colour = "on"        // the machine is on
	amber colour = "attention" // somebody has to act
)

// These sequences for a buzzer and for a screen's loudspeaker are durations in milliseconds: on, off, on.
var (
	oneBeep        = beeps{120}
	twoBeeps       = beeps{120, 120, 120}
	longBeep       = beeps{700}
	threeLongBeeps = beeps{700, 300, 700, 300, 700}

	speakerShort = beeps{80}
	speakerTwice = beeps{80, 100, 80}
	speakerLong  = beeps{500}
	speakerAlarm = beeps{400, 100, 400, 100, 400}
)

// states has one row for each Sign. To add a state, put its sign, its view and its row into a new file, and add the row
// here. testdata/recipes/panel-state.patch is an example.
var states = []state{
	{
		sign: SignReady, colour: ink, lamps: lampsReady,
		accepts: true, calm: true, offers: true,
		example: func(Clock, time.Time) View { return Ready() },
		shape:   `<g class="breathe"><circle class="ring" cx="60" cy="60" r="50"/></g>`,
	},
	{
		sign: SignReading, colour: ink, lamps: lampsReading,
		accepts: true,
		example: func(Clock, time.Time) View { return OneMoment() },
		shape: `<g class="turn"><circle class="ring faint" cx="60" cy="60" r="50"/>` +
			`<path class="ring" d="M60 10A50 50 0 0 1 110 60"/></g>`,
	},
	{
		sign: SignOn, colour: blue, lamps: lampsOn, buzzer: oneBeep, speaker: speakerShort,
		accepts: true, offers: true,
		example: func(c Clock, now time.Time) View { return c.On("Léa", now, now.Add(2*time.Hour)) },
		shape:   `<circle class="disc" cx="60" cy="60" r="46"/>`,
	},
	{
		sign: SignSupervised, colour: blue, lamps: lampsOn, buzzer: oneBeep, speaker: speakerShort,
		accepts: true, offers: true,
		example: func(c Clock, now time.Time) View { return c.Supervised("Léa", "Karim", now, now.Add(time.Hour)) },
		shape:   `<circle class="disc" cx="46" cy="60" r="32"/><circle class="disc edge" cx="78" cy="60" r="28"/>`,
	},
	{
		sign: SignWorkshop, colour: blue, lamps: lampsOn, buzzer: oneBeep, speaker: speakerShort,
		accepts: true, offers: true,
		example: func(c Clock, now time.Time) View { return c.Workshop("Nour", now, now.Add(4*time.Hour)) },
		shape: `<circle class="disc" cx="60" cy="36" r="22"/><circle class="disc edge" cx="36" cy="76" r="22"/>` +
			`<circle class="disc edge" cx="84" cy="76" r="22"/>`,
	},
	{
		sign: SignEnding, colour: amber, lamps: lampsEnding, buzzer: twoBeeps, speaker: speakerTwice,
		accepts: true, offers: true, saysTime: true,
		example: func(c Clock, now time.Time) View { return c.Ending(now, now.Add(2*time.Minute), false) },
		shape: `<circle class="ring" cx="60" cy="60" r="46"/>` +
			`<path class="disc" d="M60 60V22A38 38 0 0 0 22 60Z"/>`,
	},
	{
		sign: SignFinishing, colour: blue, lamps: lampsFinishing,
		accepts: true, offers: true,
		example: func(Clock, time.Time) View { return Finishing() },
		shape:   `<circle class="disc" cx="60" cy="60" r="46"/><path class="cut" d="M16 92L104 28"/>`,
	},
	{
		sign: SignCooling, colour: blue, lamps: lampsCooling,
		accepts: true, calm: true, offers: true, saysTime: true,
		example: func(c Clock, now time.Time) View { return c.Cooling(now, now.Add(3*time.Minute)) },
		shape: `<circle class="ring" cx="60" cy="60" r="54"/>` +
			`<path class="disc" d="M60 57c-5-22 3-29 12-27s8 17-8 29c22-7 30 0 29 9s-15 12-29-4c7 22-2 29-11` +
			` 28s-12-15 2-30c-22 7-29-2-28-10s15-13 33 5Z"/>`,
	},
	{
		sign: SignAwaiting, colour: amber, lamps: lampsAwaiting, buzzer: oneBeep,
		accepts: true, offers: true,
		example: func(_ Clock, now time.Time) View {
			return Awaiting("Léa", now, now.Add(time.Minute), []string{"Karim", "Nour"})
		},
		shape: `<circle class="disc" cx="44" cy="60" r="30"/><circle class="ring" cx="82" cy="60" r="22"/>`,
	},
	{
		sign: SignRefused, colour: ink, lamps: lampsRefused, buzzer: longBeep, speaker: speakerLong,
		example: func(Clock, time.Time) View { return exampleRefused() },
		shape:   `<circle class="ring" cx="60" cy="60" r="50"/><path class="bar" d="M25 95L95 25"/>`,
	},
	{
		sign: SignExpired, colour: ink, lamps: lampsRefused, buzzer: longBeep, speaker: speakerLong,
		example: func(Clock, time.Time) View { return exampleExpired() },
		shape: `<circle class="ring" cx="60" cy="60" r="54"/>` +
			`<path class="bar" d="M38 44h44v40H38ZM38 56h44M49 36v10M71 36v10M50 76L70 64"/>`,
	},
	{
		sign: SignRecent, colour: ink, lamps: lampsRefused, buzzer: longBeep, speaker: speakerLong,
		example: func(Clock, time.Time) View { return exampleRecent() },
		shape: `<circle class="ring" cx="60" cy="60" r="54"/>` +
			`<path class="bar" d="M60 34v26l18 12M22 98L98 22"/>`,
	},
	{
		sign: SignHours, colour: ink, lamps: lampsRefused, buzzer: longBeep, speaker: speakerLong,
		example: func(Clock, time.Time) View { return exampleHours() },
		shape: `<circle class="ring" cx="60" cy="60" r="54"/>` +
			`<path class="disc" d="M72 32a31 31 0 1 0 16 42a25 25 0 0 1-16-42Z"/>` +
			`<path class="bar" d="M22 98L98 22"/>`,
	},
	{
		sign: SignUnknown, colour: ink, lamps: lampsRefused, buzzer: longBeep, speaker: speakerLong,
		example: func(Clock, time.Time) View { return Unknown("7F3K9Q") },
		shape: `<circle class="ring" cx="60" cy="60" r="50"/>` +
			`<path class="bar" d="M44 48c0-22 32-22 32-1 0 14-16 13-16 27"/>` +
			`<circle class="disc" cx="60" cy="88" r="5"/>`,
	},
	{
		sign: SignOccupied, colour: ink, lamps: lampsRefused, buzzer: longBeep, speaker: speakerLong,
		example: func(Clock, time.Time) View { return Occupied("Léa") },
		shape: `<path class="bar" d="M32 12h56M32 108h56M38 12c0 30 22 34 22 48S38 78 38 108M82 12c0 30-22 34-22` +
			` 48s22 18 22 48"/>` +
			`<path class="disc" d="M46 104c0-12 14-14 14-22 0 8 14 10 14 22Z"/>`,
	},
	{
		sign: SignClockNotSet, colour: amber, lamps: lampsClock,
		calm: true, offers: true,
		example: func(Clock, time.Time) View { return ClockNotSet(true) },
		shape: `<circle class="ring" cx="60" cy="60" r="50"/><path class="bar" d="M60 34v26l-16 12"/>` +
			`<path class="bar" d="M76 44c0-10 16-10 16 0 0 6-8 6-8 12"/>` +
			`<circle class="disc" cx="84" cy="70" r="4"/>`,
	},
	{
		sign: SignTagged, colour: amber, lamps: lampsTagged, speaker: speakerLong,
		calm: true, offers: true,
		example: func(c Clock, now time.Time) View { return c.TaggedOut(now, wornBelt, policy.Maintainer) },
		shape: `<rect class="disc" x="24" y="54" width="72" height="54" rx="8"/>` +
			`<path class="bar" d="M38 54V40a22 22 0 0 1 44 0v14"/>`,
	},
	{
		sign: SignMaintenance, colour: amber, lamps: lampsMaintenance, buzzer: oneBeep, speaker: speakerShort,
		accepts: true, offers: true,
		example: func(_ Clock, now time.Time) View { return exampleMaintenance(now) },
		shape: `<path class="disc" d="M98 26L84 40l-11-3-3-11 14-14a30 30 0 0 0-38 38L14 82a13 13 0 0 0 22` +
			` 22l34-33a30 30 0 0 0 36-38Z"/>`,
	},
	{
		sign: SignPoweredOff, colour: amber, lamps: lampsMaintenance,
		accepts: true, offers: true,
		example: func(_ Clock, now time.Time) View { return examplePoweredOff(now) },
		shape: `<path class="disc" d="M98 26L84 40l-11-3-3-11 14-14a30 30 0 0 0-38 38L14 82a13 13 0 0 0 22` +
			` 22l34-33a30 30 0 0 0 36-38Z"/>` +
			`<path class="cut" d="M10 20L108 112"/><path class="bar" d="M10 20L108 112"/>`,
	},
	{
		sign: SignFault, colour: amber, lamps: lampsFault, buzzer: threeLongBeeps, speaker: speakerAlarm,
		offers: true, urgent: true,
		example: func(Clock, time.Time) View { return Fault("e-stop") },
		shape: `<path class="bar" d="M60 14L110 104H10Z"/><path class="bar" d="M60 46v28"/>` +
			`<circle class="disc" cx="60" cy="89" r="5"/>`,
	},
	{
		sign: SignThanks, colour: blue, lamps: lampsReading, buzzer: oneBeep, speaker: speakerShort,
		accepts: true, offers: true,
		example: func(Clock, time.Time) View { return Thanked("Léa", false, false) },
		shape:   `<circle class="ring" cx="60" cy="60" r="50"/><path class="bar" d="M36 62l17 17 32-36"/>`,
	},
	{
		sign: SignReaderSilent, colour: ink, lamps: lampsReaderSilent,
		accepts: true, calm: true, offers: true,
		example: func(Clock, time.Time) View { return ReaderSilent(false) },
		shape: `<path class="bar" d="M42 12v26M78 12v26M60 84v24"/>` +
			`<path class="disc" d="M28 38h64v16a32 32 0 0 1-64 0Z"/>`,
	},
}

// row returns the table's row for a sign. If the table has no such row, ok is false and row returns the row of a
// refusal.
func (s Sign) row() (state, bool) {
	refusal := state{}
	for _, x := range states {
		if x.sign == s {
			return x, true
		}
		if x.sign == SignRefused {
			refusal = x
		}
	}
	return refusal, false
}

// IsRefusal reports whether a tap that leads to this state was refused.
func (s Sign) IsRefusal() bool {
	x, _ := s.row()
	return !x.accepts
}

// name returns the sign's name for page, style and script.
func (s Sign) name() string {
	if s == SignReaderSilent {
		return "silent"
	}
	return string(s)
}

// orRefusal returns the view, or a refusal if the table has no row for the view's sign. A view with an unknown sign
// must never look like a running machine.
func (v View) orRefusal() View {
	if _, ok := v.Sign.row(); ok {
		return v
	}
	return View{
		Sign: SignRefused,
		Line: policy.Text{FR: "État de la machine inconnu", EN: "Unknown state of the machine"},
		Next: tellMaintenance,
	}
}

// shapes returns the drawings of all states for the page. The script reads all its data about a state from the
// attributes of these drawings.
func shapes() string {
	var b strings.Builder
	for _, s := range states {
		fmt.Fprintf(&b, `    <g class="s" data-sign="%s"`, s.sign.name())
		if s.colour != ink {
			fmt.Fprintf(&b, ` data-colour="%s"`, s.colour)
		}
		if len(s.speaker) > 0 {
			fmt.Fprintf(&b, ` data-beeps="%s"`, strings.Trim(fmt.Sprint([]int(s.speaker)), "[]"))
		}
		for _, x := range []struct {
			name string
			set  bool
		}{{"calm", s.calm}, {"says-time", s.saysTime}, {"urgent", s.urgent}} {
			if x.set {
				b.WriteString(" data-" + x.name)
			}
		}
		b.WriteString(">" + s.shape + "</g>\n")
	}
	return b.String()
}
