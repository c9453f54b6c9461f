package panel

import (
	"net/netip"
	"slices"
	"sync"
)

const (
	viewers   = 32 // largest number of open pages, not counting screens at the machine
	ofAddress = 4  // largest number of open pages per address
)

// pages is the set of open pages. The zero value is empty.
type pages struct {
	mu   sync.Mutex
	open []openPage
}

// openPage is a page that waits for changes.
type openPage struct {
	wake chan struct{}
	at   netip.Addr
	near bool // true if the page is on a screen at the machine
}

// notifyAll notifies every page of a change, without waiting.
func (p *pages) notifyAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.open {
		select {
		case x.wake <- struct{}{}:
		default: // the page already has a notification that it has not read
		}
	}
}

// add registers a page for notifications. The second result is false if too many pages are open. The number of pages is
// limited for each address and in total. Screens at the machine do not count towards the total.
func (p *pages) add(a netip.Addr, near bool) (chan struct{}, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	same, far := 0, 0
	for _, x := range p.open {
		if x.at == a {
			same++
		}
		if !x.near {
			far++
		}
	}
	if near && same >= viewers || !near && (same >= ofAddress || far >= viewers) {
		return nil, false
	}
	x := openPage{make(chan struct{}, 1), a, near}
	p.open = append(p.open, x)
	return x.wake, true
}

func (p *pages) remove(wake chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = slices.DeleteFunc(p.open, func(x openPage) bool { return x.wake == wake })
}
