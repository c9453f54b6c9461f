package report

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
)

// months are the members of rows of report_refusal_months that were read, by numbers: the members of a year of 20
// machines are a million words, and those of a month that is over are always the same. The zero value is empty.
type months struct {
	mu      sync.Mutex
	numbers map[string]int32
	rows    map[monthPlace]monthMembers
	held    int // numbers in rows
}

// monthPlace is a row's key.
type monthPlace struct {
	month   string
	machine policy.MachineID
	reason  string
}

// monthMembers are the members of a row as it was when it counted so many refusals. A row only grows; rows are made anew
// where all is counted again (forget), which empties months too.
type monthMembers struct {
	times   int
	members []int32
}

// maxMonthMembers bounds what is held: 16 MB.
const maxMonthMembers = 4 << 20

// number is a member's.
func (m *months) number(member string) int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.numberOf(member)
}

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

// members are those of a row that counts so many refusals.
func (m *months) members(ctx context.Context, site *store.Site, at monthPlace, times int) ([]int32, error) {
	m.mu.Lock()
	row, ok := m.rows[at]
	m.mu.Unlock()
	if ok && row.times == times {
		return row.members, nil
	}
	var list string
	err := site.QueryRow(ctx, `SELECT times, members FROM report_refusal_months WHERE site = $1 AND month = $2 AND machine = $3 AND reason = $4`,
		at.month, at.machine, at.reason).Scan(&times, &list)
	if errors.Is(err, sql.ErrNoRows) { // all is being counted again
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	row = monthMembers{times: times}
	for member := range strings.FieldsSeq(list) {
		row.members = append(row.members, m.numberOf(member))
	}
	if m.held += len(row.members); m.rows == nil || m.held > maxMonthMembers {
		m.rows, m.held = map[monthPlace]monthMembers{}, len(row.members)
	}
	m.rows[at] = row
	return row.members, nil
}

// forget empties what is held of rows.
func (m *months) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows, m.held = nil, 0
}

// numberSet is a set of small numbers.
type numberSet struct {
	words []uint64
	size  int
}

func (s *numberSet) add(n int32) {
	at, bit := int(n/64), uint64(1)<<(n%64)
	if at >= len(s.words) {
		s.words = append(s.words, make([]uint64, at+1-len(s.words))...)
	}
	if s.words[at]&bit == 0 {
		s.words[at] |= bit
		s.size++
	}
}
