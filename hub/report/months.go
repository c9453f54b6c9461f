package report

import (
	"context"
	"database/sql"
	"strings"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
)

// monthCache is an in-memory cache of the table report_refusal_months, by month. The cache is useful because the rows
// of one year and 20 machines list a million members, and past months rarely change. The zero value is an empty cache.
// The methods may be called concurrently.
type monthCache struct {
	mu      sync.Mutex
	numbers map[string]int32 // maps member ids to short numbers, to save memory
	rows    map[string][]monthRow
	changes map[string]int // maps each month to the number of times it was written since the program started
	all     int            // number of complete recounts since the start of the program
	held    int            // total number of members in all cached rows
}

// monthRow is a row of report_refusal_months: the refusals of one machine for one reason in one month.
type monthRow struct {
	machine          policy.MachineID
	reason           string
	times, untrusted int     // number of refusals, and number of refusals while the machine's clock was untrusted
	members          []int32 // short numbers of the members, each member once
}

// maxMonthMembers is the maximum number of members in the cache: 4 million entries of 4 bytes need 16 MB.
const maxMonthMembers = 4 << 20

// number returns the member's short number, and assigns the next free number to a new member.
func (m *monthCache) number(member string) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.numberLocked(member)
}

// numberLocked does the work of number for callers that have locked mu.
func (m *monthCache) numberLocked(member string) int32 {
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

// rowsOf returns the rows of a month from memory, or from the database if the rows are not in memory.
func (m *monthCache) rowsOf(ctx context.Context, site *store.Site, month string) ([]monthRow, error) {
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
	// Do not cache the rows if the month was written during the read.
	if m.changes[month] != changes || m.all != all {
		return rows, nil
	}
	if m.held += members; m.rows == nil || m.held > maxMonthMembers {
		m.rows, m.held = map[string][]monthRow{}, members
	}
	m.rows[month] = rows
	return rows, nil
}

// read reads the rows of a month from the database, and counts the members in all rows.
func (m *monthCache) read(ctx context.Context, site *store.Site, month string) (out []monthRow, members int,
	err error) {
	rows, err := site.Query(ctx, `SELECT machine, reason, times, untrusted, members FROM report_refusal_months
		WHERE site = $1 AND month = $2`, month)
	if err != nil {
		return nil, 0, err
	}
	err = scanRows(rows, func(rows *sql.Rows) error {
		var r monthRow
		var list string
		if err := rows.Scan(&r.machine, &r.reason, &r.times, &r.untrusted, &list); err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for member := range strings.FieldsSeq(list) {
			r.members = append(r.members, m.numberLocked(member))
		}
		out, members = append(out, r), members+len(r.members)
		return nil
	})
	return out, members, err
}

// invalidate removes a month from the cache after the month's rows have changed. Callers call invalidate after the
// transaction is committed.
func (m *monthCache) invalidate(month string) {
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

// invalidateAll empties the cache because all rows were deleted. Callers call invalidateAll after the transaction is
// committed.
func (m *monthCache) invalidateAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all++
	m.rows, m.held = nil, 0
}

// numberSet is a set of small non-negative numbers, stored as a bitmap and the number of elements.
type numberSet struct {
	words []uint64
	size  int
}

// minWords is the minimum growth of the bitmap. The minimum of 16 words is space for 1,024 further numbers.
const minWords = 16

// add adds a number to the set, and grows the bitmap if necessary.
func (s *numberSet) add(n int32) {
	at, bit := int(n/64), uint64(1)<<(n%64)
	if at >= len(s.words) { // grow by a quarter, because the next numbers are rarely much higher
		grown := make([]uint64, at+1+at/4+minWords)
		copy(grown, s.words)
		s.words = grown
	}
	if s.words[at]&bit == 0 {
		s.words[at] |= bit
		s.size++
	}
}
