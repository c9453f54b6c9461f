package report

import (
	"context"
	"database/sql"
	"strings"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
)

// months is an in-memory cache of report_refusal_months, by month: the rows of one year and 20 machines list a million
// members, and past months rarely change. The zero value is an empty cache. Its methods may be called concurrently.
type months struct {
	mu      sync.Mutex
	numbers map[string]int32 // member id → short number, to save memory
	rows    map[string][]monthRow
	changes map[string]int // month → number of writes since the start
	all     int            // number of complete recounts since the start
	held    int            // number of member entries in rows
}

// monthRow is a row of report_refusal_months: the refusals of one machine for one reason in one month.
type monthRow struct {
	machine          policy.MachineID
	reason           string
	times, untrusted int     // number of refusals; untrusted: those recorded while the machine's clock was untrusted
	members          []int32 // distinct members, by number
}

// maxMonthMembers limits months.held: 4 million entries of 4 bytes take 16 MB.
const maxMonthMembers = 4 << 20

// number returns the member's short number, and assigns the next free number to a new member.
func (m *months) number(member string) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.numberOf(member)
}

// numberOf is number for callers that hold mu.
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

// of returns the rows of a month, from memory if possible, else from the database.
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
	if m.changes[month] != changes || m.all != all { // the month was written during the read: do not cache
		return rows, nil
	}
	if m.held += members; m.rows == nil || m.held > maxMonthMembers {
		m.rows, m.held = map[string][]monthRow{}, members
	}
	m.rows[month] = rows
	return rows, nil
}

// read reads the rows of a month from the database, and counts their member entries.
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

// written removes a month from memory because its rows changed. Callers call written after the commit.
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

// forget empties the cache because all rows were deleted. Callers call forget after the commit.
func (m *months) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all++
	m.rows, m.held = nil, 0
}

// numberSet is a set of small non-negative numbers, as a bitmap and the number of its elements.
type numberSet struct {
	words []uint64
	size  int
}

// minWords is the smallest growth of the bitmap: 16 words hold 1,024 numbers.
const minWords = 16

// add adds a number to the set, and grows the bitmap if necessary.
func (s *numberSet) add(n int32) {
	at, bit := int(n/64), uint64(1)<<(n%64)
	if at >= len(s.words) { // add a quarter: the next numbers are rarely much higher
		grown := make([]uint64, at+1+at/4+minWords)
		copy(grown, s.words)
		s.words = grown
	}
	if s.words[at]&bit == 0 {
		s.words[at] |= bit
		s.size++
	}
}
