package maintenance

import (
	"cmp"
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// The ranks of items, the worst first.
const (
	rankDanger = iota
	rankBroken
	rankOut
	rankBlocked
	rankDue
	rankReport
	rankSoon
	rankAttest
)

// items returns what a machine needs.
func items(id policy.MachineID, h history, due []Due) (all []Item) {
	reported := map[string]bool{} // tags of open reports, which the reports stand for
	for i := range h.reports {
		x := h.reports[i]
		if x.Closed != nil {
			continue
		}
		reported[x.tag] = true
		rank := rankReport
		switch x.What {
		case wire.Dangerous:
			rank = rankDanger
		case wire.Broken:
			rank = rankBroken
		}
		all = append(all, Item{Machine: id, Group: GroupReports, Report: &x, rank: rank, at: x.At})
	}
	for i := range h.tags {
		// The item of the maintenance that is due stands for the tag of this maintenance.
		if t := h.tags[i]; t.To.IsZero() && t.Origin != FromDue && !reported[t.ID] {
			all = append(all, Item{Machine: id, Group: GroupOut, Tag: &t, rank: rankOut, at: t.From})
		}
	}
	for _, d := range due {
		rank := rankDue
		switch {
		case d.State == DueLater:
			continue
		case d.State == DueSoon:
			rank = rankSoon
		case d.Block:
			rank = rankBlocked
		}
		all = append(all, Item{Machine: id, Group: GroupDue, Due: &d, rank: rank, at: d.At})
	}
	for i := range h.works {
		if w := h.works[i]; w.Attest == Awaited {
			w.Machine = id
			all = append(all, Item{Machine: id, Group: GroupAttest, Work: &w, rank: rankAttest, at: w.At})
		}
	}
	return all
}

// Summary returns what an item is, since when, and the words of a person about it. Of planned maintenance, the time is
// the day on which it is due.
func (i Item) Summary() (what string, since time.Time, words string) {
	switch {
	case i.Report != nil:
		return string(i.Report.What), i.Report.At, i.Report.Words
	case i.Tag != nil:
		return string(i.Tag.Origin), i.Tag.From, i.Tag.Reason
	case i.Due != nil:
		return i.Due.What, i.Due.At, ""
	case i.Work != nil:
		return i.Work.What, i.Work.At, i.Work.Words
	}
	return "", time.Time{}, ""
}

// sortItems sorts items: the worst first, and of two equal ones the older first.
func sortItems(all []Item) {
	slices.SortStableFunc(all, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), compareDays(a.at, b.at), cmp.Compare(a.Machine, b.Machine))
	})
}

// sortCalendar returns the planned maintenance of all machines with a known day, the first to be due first.
func sortCalendar(all []Planned) []Planned {
	all = slices.DeleteFunc(all, func(p Planned) bool { return p.At.IsZero() })
	slices.SortStableFunc(all, func(a, b Planned) int {
		return cmp.Or(a.At.Truncate(24*time.Hour).Compare(b.At.Truncate(24*time.Hour)), cmp.Compare(a.Machine, b.Machine))
	})
	return all
}
