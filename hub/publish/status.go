package publish

import (
	"reflect"
	"sync"
	"time"
)

// buildStatus is the result of the newest build. The Builder writes the status, and Bundles reads the status.
type buildStatus struct {
	mu      sync.Mutex
	wanted  *Wanted
	problem string    // reason why the newest build failed; empty: the build succeeded
	since   time.Time // time at which builds began to fail
	// trying is the policy number of the newest build, running or finished. tried is the policy number of the newest
	// finished build.
	trying, tried int64
}

// begin records that a build for a policy has begun.
func (b *buildStatus) begin(policy int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = policy
}

// finish records the result of the build that began last, and reports whether Bundle.Problem changed.
func (b *buildStatus) finish(err error, now time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.problem
	b.tried = b.trying
	if err == nil {
		b.problem, b.since = "", time.Time{}
		return before != ""
	}
	if before == "" {
		b.since = now
	}
	b.problem = err.Error()
	return b.problem != before
}

// setWanted stores the changes that wait for a signature of the policy key, and reports whether they differ from the
// stored changes.
func (b *buildStatus) setWanted(now *Wanted) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reflect.DeepEqual(b.wanted, now) {
		return false
	}
	b.wanted = now
	return true
}

// addTo adds the status to a bundle. The parameter current is the number of the policy in force. builds must be true
// if this hub builds bundles. If builds is true, a policy without a finished build is being built, and addTo omits
// the warnings of the previous bundle.
func (b *buildStatus) addTo(out *Bundle, current int64, builds bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if builds && current != out.Policy && current != b.tried {
		out.Making, out.Warnings = current, nil
		return
	}
	out.Problem, out.Since, out.SignatureWanted = b.problem, b.since, b.wanted
}
