package publish

import (
	"context"
	"sync"

	"portillon/hub/store"
	"portillon/policy"
	policyfile "portillon/policy/file"
	"portillon/wire"
)

// maxDecided is the maximum number of parsed policies that are kept.
const maxDecided = 64

// decidedPolicies are the policies that were in force, by the number that records of decisions name
// (wire.PolicyNumber).
type decidedPolicies struct {
	site *store.Site

	mu     sync.Mutex
	names  map[int64]bool   // versions whose text was hashed; the text of a version in force never changes
	number map[string]int64 // of the version with that text
	texts  func(number int64) (string, error)
	parsed map[string]*policy.Policy // nil: cannot be read
}

// newDecidedPolicies returns the policies of a site.
func newDecidedPolicies(site *store.Site) *decidedPolicies {
	return &decidedPolicies{site: site, names: map[int64]bool{}, number: map[string]int64{},
		parsed: map[string]*policy.Policy{}}
}

// refresh learns the versions that came into force since the last call. ctx is also used to read texts afterwards.
func (d *decidedPolicies) refresh(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.texts = func(number int64) (text string, err error) {
		err = d.site.QueryRow(ctx, "SELECT text FROM policies WHERE site = $1 AND number = $2", number).Scan(&text)
		return text, err
	}
	var fresh []int64
	rows, err := d.site.Query(ctx, "SELECT number FROM policies WHERE site = $1 AND forced > 0 ORDER BY number")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return err
		}
		if !d.names[n] {
			fresh = append(fresh, n)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, n := range fresh {
		text, err := d.texts(n)
		if err != nil {
			return err
		}
		d.names[n], d.number[wire.PolicyNumber([]byte(text))] = true, n
	}
	return nil
}

// policy returns the policy with a number of records; nil: no version in force had it, or it cannot be read.
func (d *decidedPolicies) policy(number string) *policy.Policy {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.number[number]
	if !ok {
		return nil
	}
	if p, ok := d.parsed[number]; ok {
		return p
	}
	if len(d.parsed) >= maxDecided {
		clear(d.parsed)
	}
	text, err := d.texts(n)
	if err != nil { // not kept: the next replay asks again
		return nil
	}
	p, err := policyfile.Parse(fileName, []byte(text))
	if err != nil {
		p = nil
	}
	d.parsed[number] = p
	return p
}
