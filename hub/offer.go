package hub

import "time"

const (
	// offerLook is how often the hub looks for machines that work from an older bundle.
	offerLook = time.Second
	// offerEvery is how often the manifest is published again for their sake. Each publication goes to all machines of
	// the site: 1,000 that lag and were answered one by one would be sent a million manifests.
	offerEvery = 3 * time.Second
)

// offer publishes the manifest in force.
func (h *Hub) offer(l *link) error {
	manifest, _ := h.current()
	if manifest == nil {
		return nil
	}
	l.offered = time.Now()
	return l.publish(h.topics.Bundle(), true, manifest)
}

// offerAgain publishes the manifest again where a machine has said that it works from an older bundle: the broker may
// have lost what was published. A machine that has just been sent it may be fetching still.
func (h *Hub) offerAgain(l *link) error {
	if time.Since(l.offered) < offerEvery || !h.takeLagging() {
		return nil
	}
	return h.offer(l)
}

// takeLagging reports whether a machine lags, and notes that all that do are offered the manifest now.
func (h *Hub) takeLagging() (some bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.machines {
		if m.lags {
			m.lags, m.offered, some = false, h.now(), true
		}
	}
	return some
}
