package memberlist

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OtherPayer is the header of the column that splitPayers adds to a HelloAsso list.
const OtherPayer = "Email payeur (autre personne)"

// splitPayers moves the address of a payer who is not the member to a column of its own. Whoever has a member's address
// may sign in as the member, so the address of another person is imported only if an administrator assigns that column.
func (l *List) splitPayers() {
	t := &l.Table
	mail, first, last := t.at("emailpayeur"), t.at("prenomadherent"), t.at("nomadherent")
	payerFirst, payerLast := t.at("prenompayeur"), t.at("nompayeur")
	width := len(t.Header)
	rows := make([]Row, len(t.Rows))
	for i, r := range t.Rows {
		rows[i] = r
		same := Plain(r.cell(first)+r.cell(last)) == Plain(r.cell(payerFirst)+r.cell(payerLast))
		if same || r.cell(mail) == "" || len(r.Cells) > width {
			continue
		}
		cells := make([]string, width+1)
		copy(cells, r.Cells)
		cells[width], cells[mail] = cells[mail], ""
		rows[i].Cells = cells
		l.PaidByOthers++
	}
	if l.PaidByOthers > 0 {
		t.Header = append(slices.Clone(t.Header), OtherPayer)
		t.Rows, l.Fields[OtherPayer] = rows, Ignore
	}
}

// Prepare returns the rows to import, with the columns read as fields says, and the rows that are left out. Numbers of
// members get the name of the program, because every program counts from 1: "galette:12".
func (l *List) Prepare(fields map[string]string) (rows []Row, left []Left) {
	rows = l.Table.Rows
	if !l.Program.HasOwnColumns() {
		return rows, nil
	}
	if l.Program == HelloAsso {
		rows, left = l.validOrders(rows, left)
		rows, left = l.latestOrders(rows, left)
	}
	if l.Program == MemberMatters {
		rows, left = l.activeMembers(rows, left)
	}
	of := func(field string) int {
		return slices.IndexFunc(l.Table.Header, func(h string) bool { return fields[strings.TrimSpace(h)] == field })
	}
	rows, left = l.withMembership(rows, left, of("until"))
	rows = l.withProgram(rows, of("external_id"))
	if l.Program == Galette {
		rows = withKnownLanguage(rows, of("language"))
	}
	slices.SortStableFunc(left, func(a, b Left) int { return cmp.Compare(a.Row, b.Row) })
	return rows, left
}

// validOrders leaves out the orders that HelloAsso does not call valid. A row without a status is left out too.
func (l *List) validOrders(rows []Row, left []Left) ([]Row, []Left) {
	status := l.Table.at("statutdelacommande")
	var out []Row
	for _, r := range rows {
		s := r.cell(status)
		if p := Plain(s); p == "valide" || p == "validee" {
			out = append(out, r)
		} else {
			left = append(left, Left{Row: r.Number, Why: NotValid, Given: s})
		}
	}
	return out, left
}

// activeMembers leaves out the accounts that MemberMatters does not call active: new, inactive, or no membership.
func (l *List) activeMembers(rows []Row, left []Left) ([]Row, []Left) {
	state := l.Table.at("state")
	var out []Row
	for _, r := range rows {
		if s := r.cell(state); s == "active" {
			out = append(out, r)
		} else {
			left = append(left, Left{Row: r.Number, Why: NotActive, Given: s})
		}
	}
	return out, left
}

// latestOrders keeps the latest order of each person. Two orders are of the same person if the name, the addresses and,
// where the campaign asks for it, the day of birth are equal.
func (l *List) latestOrders(rows []Row, left []Left) ([]Row, []Left) {
	t := &l.Table
	key := []int{t.at("prenomadherent"), t.at("nomadherent"), t.at("emailpayeur"), t.at(Plain(OtherPayer)),
		t.at("datedenaissance", "datedenaissancedeladherent")}
	day := t.at("datedelacommande")
	latest := map[string]int{} // person → index of the row
	for i, r := range rows {
		person := personOf(r, key)
		if j, seen := latest[person]; !seen || !orderDate(r.cell(day)).Before(orderDate(rows[j].cell(day))) {
			latest[person] = i
		}
	}
	var out []Row
	for i, r := range rows {
		if latest[personOf(r, key)] == i {
			out = append(out, r)
		} else {
			left = append(left, Left{Row: r.Number, Why: Repeated})
		}
	}
	return out, left
}

// personOf returns a key of the person of a row, from these columns.
func personOf(r Row, columns []int) string {
	var b strings.Builder
	for _, at := range columns {
		b.WriteString(Plain(r.cell(at)))
		b.WriteByte('\n')
	}
	return b.String()
}

// orderDate reads the date of an order, with or without a time of day, or the number of days since 1900 that a sheet
// stores; the zero time if there is none.
func orderDate(cell string) time.Time {
	if days, err := strconv.ParseFloat(cell, 64); err == nil && days > 0 && days < 1e5 {
		return time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Add(time.Duration(days * float64(24*time.Hour)))
	}
	for _, form := range []string{"02/01/2006 15:04:05", "02/01/2006 15:04", "02/01/2006"} {
		if t, err := time.Parse(form, cell); err == nil {
			return t
		}
	}
	return time.Time{}
}

// withMembership leaves out people without a last day of membership: Galette exports nothing for a person who never
// paid, and Fab-manager nothing for a person without a subscription. An empty cell would otherwise be a membership
// without an end. Members whom Galette exempts from dues have no last day either, and stay.
func (l *List) withMembership(rows []Row, left []Left, until int) ([]Row, []Left) {
	if until < 0 {
		return rows, left
	}
	exempt := -1
	if l.Program == Galette {
		exempt = l.Table.at(exemptNames...)
	}
	var out []Row
	for _, r := range rows {
		free := Plain(r.cell(exempt))
		if r.cell(until) == "" && free != "oui" && free != "yes" {
			left = append(left, Left{Row: r.Number, Why: NoEnd})
		} else {
			out = append(out, r)
		}
	}
	return out, left
}

// withProgram puts the name of the program before each number of a member.
func (l *List) withProgram(rows []Row, at int) []Row {
	return replace(rows, at, func(number string) string { return string(l.Program) + ":" + number })
}

// withKnownLanguage removes the languages that the hub does not have: the member then reads the site's language.
func withKnownLanguage(rows []Row, at int) []Row {
	return replace(rows, at, func(language string) string {
		p := Plain(language)
		if strings.HasPrefix(p, "fr") || strings.HasPrefix(p, "en") || p == "anglais" {
			return language
		}
		return ""
	})
}

// replace returns the rows with the cells of a column replaced, except empty cells. It does not change the given rows.
func replace(rows []Row, at int, by func(string) string) []Row {
	if at < 0 {
		return rows
	}
	out := slices.Clone(rows)
	for i, r := range out {
		if c := r.cell(at); c != "" {
			out[i].Cells = slices.Clone(r.Cells)
			out[i].Cells[at] = by(c)
		}
	}
	return out
}
