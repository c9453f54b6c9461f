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
func (ms *messages) offer(l *link) error {
	manifest, _ := ms.bundles.current()
	if manifest == nil {
		return nil
	}
	l.offered = time.Now()
	return l.publish(ms.core.topics.Bundle(), true, manifest)
}

// offerAgain publishes the manifest again where a machine has said that it works from an older bundle: the broker may
// have lost what was published. A machine that has just been sent it may be fetching still.
func (ms *messages) offerAgain(l *link) error {
	if time.Since(l.offered) < offerEvery || !ms.fleet.takeLagging() {
		return nil
	}
	return ms.offer(l)
}

// takeLagging reports whether a machine lags, and notes that all that do are offered the manifest now.
func (fl *fleet) takeLagging() (some bool) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for _, m := range fl.machines {
		if m.notes.lags {
			m.notes.lags, m.notes.offered, some = false, fl.core.now(), true
		}
	}
	return some
}
