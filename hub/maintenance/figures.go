package maintenance

import (
	"cmp"
	"math"
	"slices"
	"time"

	"portillon/policy"
)

// shownMonths is the number of months in the history of times out of service.
const shownMonths = 12

// rateDays is the number of days from which the present rate of use is calculated.
const rateDays = 28

// merge returns the times as times that do not overlap, in order. A time that has not ended lasts until now.
func merge(outs []out, now time.Time, keep func(out) bool) (all []out) {
	for _, o := range outs {
		if !keep(o) {
			continue
		}
		if o.to.IsZero() {
			o.to = now
		} else if o.to.After(now) {
			o.to = now
		}
		if o.from.Before(o.to) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b out) int { return a.from.Compare(b.from) })
	merged := all[:0]
	for _, o := range all {
		if n := len(merged); n > 0 && !o.from.After(merged[n-1].to) {
			if o.to.After(merged[n-1].to) {
				merged[n-1].to = o.to
			}
			continue
		}
		merged = append(merged, o)
	}
	return merged
}

// months returns the times out of service in the last months, the oldest month first.
func months(outs []out, now time.Time, zone *time.Location) (all []Month) {
	down := merge(outs, now, func(out) bool { return true })
	failed := merge(outs, now, func(o out) bool { return o.failure })
	y, m, _ := now.In(zone).Date()
	for i := range shownMonths {
		first := time.Date(y, m-time.Month(shownMonths-1-i), 1, 0, 0, 0, 0, zone)
		end := time.Date(y, m-time.Month(shownMonths-2-i), 1, 0, 0, 0, 0, zone)
		x := Month{Month: first.Format("2006-01"), Seconds: within(down, first, end), Failed: within(failed, first, end)}
		for _, o := range failed {
			if !o.from.Before(first) && o.from.Before(end) {
				x.Failures++
			}
		}
		all = append(all, x)
	}
	return all
}

// within returns how many seconds of the times lie between two instants.
func within(outs []out, first, end time.Time) (seconds int64) {
	for _, o := range outs {
		from, to := o.from, o.to
		if from.Before(first) {
			from = first
		}
		if to.After(end) {
			to = end
		}
		if from.Before(to) {
			seconds += int64(to.Sub(from) / time.Second)
		}
	}
	return seconds
}

// reliability returns the use of a machine, and the means of its failures.
func reliability(h history, now time.Time) (f Figures) {
	f.Since, f.Used = h.began, h.used
	all := merge(h.outs, now, func(o out) bool { return o.failure })
	var repair int64
	for _, o := range all {
		f.Failures++
		if o.to.Before(now) {
			f.Repaired++
			repair += int64(o.to.Sub(o.from) / time.Second)
		}
	}
	if f.Failures >= MinFailures {
		f.Between = f.Used / int64(f.Failures)
	}
	if f.Repaired >= MinFailures {
		f.Repair = repair / int64(f.Repaired)
	}
	return f
}

// dailyUse is the seconds of use of a machine by the day in UTC on which the sessions began.
type dailyUse map[policy.Date]int64

// since returns the use from a day on.
func (d dailyUse) since(day policy.Date) (seconds int64) {
	for x, s := range d {
		if !x.Before(day) {
			seconds += s
		}
	}
	return seconds
}

// perDay returns the present rate: the mean use per day of the last rateDays days, or of the days since the machine's
// first record if these are fewer.
func (d dailyUse) perDay(began, now time.Time) int64 {
	today := policy.DateOf(now, time.UTC)
	first := today.AddDays(1 - rateDays)
	days := int64(rateDays)
	if b := policy.DateOf(began, time.UTC); !began.IsZero() && first.Before(b) {
		days = max(1, min(days, int64(now.Sub(began)/(24*time.Hour))+1))
	}
	return d.since(first) / days
}

// horizon is how far ahead a due day is predicted.
const horizon = 5 * 366 * 24 * time.Hour

// dues returns the planned maintenance of a machine, the first to be due first. perDay is the present rate of use in
// seconds per day.
func dues(m *policy.Machine, h history, perDay int64, now time.Time) (all []Due) {
	for _, u := range m.Maintenance {
		all = append(all, dueOf(m, u, h, perDay, now))
	}
	slices.SortStableFunc(all, func(a, b Due) int {
		return cmp.Or(cmp.Compare(a.State.order(), b.State.order()), compareDays(a.At, b.At))
	})
	return all
}

// order returns 0 for maintenance that is due, 1 for maintenance that is due soon, and 2 for other maintenance.
func (s DueState) order() int {
	return slices.Index([]DueState{DueNow, DueSoon, DueLater}, s)
}

// compareDays compares two days. A day that is not known is after all other days.
func compareDays(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// dueOf returns one planned maintenance. Work that was never logged counts from the machine's first record.
func dueOf(m *policy.Machine, u policy.Upkeep, h history, perDay int64, now time.Time) Due {
	last, known := h.done[u.Kind]
	d := Due{What: u.Kind, Label: m.KindName(u.Kind), Hours: int64(u.Hours / time.Second),
		Days: int(u.Every / (24 * time.Hour)), Block: u.Block, Used: max(0, h.ran-last.ran), State: DueLater}
	from := h.began
	if known {
		d.Last, from = last.at, last.at
	}
	if d.Hours > 0 {
		d.Left = d.Hours - d.Used
		raise(&d, d.Left <= 0, d.Left <= d.Hours/10)
		switch {
		case d.Left <= 0:
			d.At = now
		case perDay > 0:
			if days := float64(d.Left) / float64(perDay); days < horizon.Hours()/24 {
				d.At = now.Add(time.Duration(math.Ceil(days*24*3600)) * time.Second)
			}
		}
	}
	if u.Every > 0 && !from.IsZero() {
		at := from.Add(u.Every)
		raise(&d, !now.Before(at), at.Sub(now) <= u.Every/10)
		if d.At.IsZero() || at.Before(d.At) {
			d.At = at
		}
	}
	return d
}

// raise sets a more urgent state.
func raise(d *Due, now, soon bool) {
	switch {
	case now:
		d.State = DueNow
	case soon && d.State == DueLater:
		d.State = DueSoon
	}
}
