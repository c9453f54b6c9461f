package report

import (
	"context"
	"database/sql"
	"strings"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
)

// months are the rows of report_refusal_months that were read, month by month: those of a year of 20 machines name a
// million members, and a month that is over hardly changes. The zero value is empty.
type months struct {
	mu      sync.Mutex
	numbers map[string]int32 // of members
	rows    map[string][]monthRow
	changes map[string]int // how often a month was written
	all     int            // how often all was counted again
	held    int            // members in rows
}

// monthRow is a row of report_refusal_months.
type monthRow struct {
	machine          policy.MachineID
	reason           string
	times, untrusted int
	members          []int32
}

// maxMonthMembers bounds what is held: 16 MB.
const maxMonthMembers = 4 << 20

// number is a member's.
func (m *months) number(member string) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.numberOf(member)
}

// numberOf is a small number for a member, the same for each of the member's occurrences: sets of numbers take less
// memory than sets of ids.
func (m *months) numberOf(member string) int32 {
	n, ok := m.numbers[member]
	if !ok {
		if m.numbers == nil {
			m.numbers = map[string]int32{}
		}
		n = int32(len(m.numbers))
		m.numbers[strings.Clone(member)] = n
	}
	return n
}

// of are the rows of a month.
func (m *months) of(ctx context.Context, site *store.Site, month string) ([]monthRow, error) {
	m.mu.Lock()
	rows, ok := m.rows[month]
	changes, all := m.changes[month], m.all
	m.mu.Unlock()
	if ok {
		return rows, nil
	}
	rows, members, err := m.read(ctx, site, month)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes[month] != changes || m.all != all { // what was read is older than what is written
		return rows, nil
	}
	if m.held += members; m.rows == nil || m.held > maxMonthMembers {
		m.rows, m.held = map[string][]monthRow{}, members
	}
	m.rows[month] = rows
	return rows, nil
}

// read reads the stored sums of one month. members is how many members they name, counted once for each row.
func (m *months) read(ctx context.Context, site *store.Site, month string) (out []monthRow, members int, err error) {
	rows, err := site.Query(ctx, `SELECT machine, reason, times, untrusted, members FROM report_refusal_months
		WHERE site = $1 AND month = $2`, month)
	if err != nil {
		return nil, 0, err
	}
	err = each(rows, func(rows *sql.Rows) error {
		var r monthRow
		var list string
		if err := rows.Scan(&r.machine, &r.reason, &r.times, &r.untrusted, &list); err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for member := range strings.FieldsSeq(list) {
			r.members = append(r.members, m.numberOf(member))
		}
		out, members = append(out, r), members+len(r.members)
		return nil
	})
	return out, members, err
}

// written says that a month was written. It is called after the commit.
func (m *months) written(month string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes == nil {
		m.changes = map[string]int{}
	}
	m.changes[month]++
	for _, r := range m.rows[month] {
		m.held -= len(r.members)
	}
	delete(m.rows, month)
}

// forget says that all rows were removed. It is called after the commit.
func (m *months) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all++
	m.rows, m.held = nil, 0
}

// numberSet is a set of small numbers.
type numberSet struct {
	words []uint64
	size  int
}

// minWords are for 1,024 numbers.
const minWords = 16

// add puts a number into the set.
func (s *numberSet) add(n int32) {
	at, bit := int(n/64), uint64(1)<<(n%64)
	if at >= len(s.words) { // with room for the numbers to come, which are not many more
		grown := make([]uint64, at+1+at/4+minWords)
		copy(grown, s.words)
		s.words = grown
	}
	if s.words[at]&bit == 0 {
		s.words[at] |= bit
		s.size++
	}
}
