package policy

import (
	"fmt"
	"strconv"
	"time"
)

// unknownMachine is the sentence for a machine that the policy does not name.
var unknownMachine = step(
	Text{"Cette machine n’est pas encore configurée", "This machine is not set up yet"},
	Text{"prévenir la maintenance", "tell a maintainer"},
)

// fixed returns the sentence of a code that needs no badge and no date.
func fixed(c Code) Sentence {
	switch c {
	case UnknownCard:
		return step(
			Text{"Carte inconnue", "Unknown card"},
			Text{"la faire enregistrer à l’accueil", "have it registered at the desk"},
		)
	case CardBlocked:
		return step(Text{"Cette carte est bloquée", "This card is blocked"}, Text{"passer à l’accueil", "see the desk"})
	case MachineFault:
		return step(
			Text{"La machine est arrêtée par sécurité", "The machine is stopped for safety"},
			Text{"prévenir la maintenance", "tell a maintainer"},
		)
	case TaggedOut:
		return step(
			Text{"Machine hors service", "Machine out of service"},
			Text{"attendre la remise en service", "wait until it is returned to service"},
		)
	case BundleStale:
		return step(
			Text{
				"La liste des accès de cette machine est trop ancienne",
				"This machine’s access list is too old",
			},
			Text{"prévenir la maintenance", "tell a maintainer"},
		)
	case ClockUntrusted:
		return step(
			Text{"L’horloge de la machine n’est pas encore réglée", "The machine’s clock is not set yet"},
			Text{"attendre quelques minutes ou prévenir la maintenance", "wait a few minutes or tell a maintainer"},
		)
	default:
		return step(
			Text{"Pas d’accès à cette machine avec cette carte", "No access to this machine with this card"},
			Text{"en parler à l’accueil", "talk to the desk"},
		)
	}
}

// wording writes dates relative to the present, in the site's zone.
type wording struct {
	zone *time.Location
	now  time.Time
}

// hour returns a time of day, as in "14 h 30" in French and "14:30" in English.
func (w wording) hour(t time.Time) Text {
	h, m, _ := t.In(w.zone).Clock()
	return Text{fmt.Sprintf("%d h %02d", h, m), fmt.Sprintf("%d:%02d", h, m)}
}

// moment returns a time relative to the present, as in "demain à 9 h 00" and "tomorrow at 9:00".
func (w wording) moment(t time.Time) Text {
	t = t.In(w.zone)
	at := w.hour(t)
	var on Text
	switch days := w.daysUntil(t); {
	case days == 0:
		on = Text{"aujourd’hui", "today"}
	case days == 1:
		on = Text{"demain", "tomorrow"}
	case days > 1 && days < 7:
		on = Text{frenchDays[t.Weekday()], "on " + t.Weekday().String()}
	default:
		on = w.date(t)
	}
	return Text{on.FR + " à " + at.FR, on.EN + " at " + at.EN}
}

// daysUntil returns the number of midnights between the present and t: 0 for today, 1 for tomorrow.
func (w wording) daysUntil(t time.Time) int {
	y, m, d := t.Date()
	ny, nm, nd := w.now.Date()
	return int(
		time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Sub(time.Date(ny, nm, nd, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour),
	)
}

// date returns a day, as in "le 3 mars" and "on 3 March". If the year is not the present year, the text has the year.
func (w wording) date(t time.Time) Text {
	t = t.In(w.zone)
	d := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		d = "1er"
	}
	out := Text{"le " + d + " " + frenchMonths[t.Month()-1], "on " + t.Format("2 January")}
	if y := t.Year(); y != w.now.Year() {
		out = Text{out.FR + " " + strconv.Itoa(y), out.EN + " " + strconv.Itoa(y)}
	}
	return out
}

var (
	frenchDays   = [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	frenchMonths = [...]string{
		"janvier",
		"février",
		"mars",
		"avril",
		"mai",
		"juin",
		"juillet",
		"août",
		"septembre",
		"octobre",
		"novembre",
		"décembre",
	}
)

// lengthOf returns a duration in its largest whole unit. A month counts as 30 days, and a year as 365 days.
func lengthOf(d time.Duration) Text {
	days := int(d / (24 * time.Hour))
	switch {
	case d%(24*time.Hour) != 0:
		return hoursOf(d)
	case days%365 == 0:
		return Text{count(days/365, "an", "ans"), count(days/365, "year", "years")}
	case days%30 == 0:
		return Text{strconv.Itoa(days/30) + " mois", count(days/30, "month", "months")}
	case days%7 == 0:
		return Text{count(days/7, "semaine", "semaines"), count(days/7, "week", "weeks")}
	default:
		return Text{count(days, "jour", "jours"), count(days, "day", "days")}
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// hoursOf returns "3 h", "3 h 20" ("3 h 20 min" in English) or "20 min", rounded down to minutes.
func hoursOf(d time.Duration) Text {
	switch h, m := int(d/time.Hour), int(d%time.Hour/time.Minute); {
	case m == 0:
		return Text{fmt.Sprintf("%d h", h), fmt.Sprintf("%d h", h)}
	case h == 0:
		return Text{fmt.Sprintf("%d min", m), fmt.Sprintf("%d min", m)}
	default:
		return Text{fmt.Sprintf("%d h %02d", h, m), fmt.Sprintf("%d h %d min", h, m)}
	}
}

// FormatDuration writes a duration in the form of a policy file, as in 180d or 1h30m. FormatDuration drops fractions of
// a second.
func FormatDuration(d time.Duration) string {
	out := ""
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / unit.is; n > 0 {
			out += fmt.Sprint(int64(n), unit.name)
			d %= unit.is
		}
	}
	return out
}
