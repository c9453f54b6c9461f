package panel

import (
	"net/netip"
	"slices"
	"sync"
)

const (
	viewers   = 32 // pages open at once, beside the screen at the machine; more are refused
	ofAddress = 4  // of one address
)

// pages are the open pages. The zero value has none.
type pages struct {
	mu   sync.Mutex
	open []openPage
}

// openPage is a page that waits for changes, and where it is.
type openPage struct {
	wake chan struct{}
	at   netip.Addr
	near bool // a screen at the machine
}

// wake tells every page of a change, without waiting for one.
func (p *pages) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.open {
		select {
		case x.wake <- struct{}{}:
		default: // a change is announced already
		}
	}
}

// add has a page told of changes; false: there is no room for it. Pages are counted by address and in all; a screen at
// the machine has places of its own.
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
