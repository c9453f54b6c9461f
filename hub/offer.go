package hub

import "time"

const (
	// offerPoll is the interval at which the hub looks for machines that use an older bundle.
	offerPoll = time.Second
	// offerEvery is the shortest time between two publications of the manifest for machines that use an older bundle. Each
	// publication goes to all machines of the site: a separate publication for each of 1,000 machines would cause a
	// million messages.
	offerEvery = 3 * time.Second
)

// publishManifest publishes the manifest of the bundle in force.
func (ms *messages) publishManifest(l *link) error {
	manifest, _ := ms.bundles.current()
	if manifest == nil {
		return nil
	}
	l.offered = ms.core.now()
	return l.publish(ms.core.topics.Bundle(), true, manifest)
}

// republishManifest publishes the manifest again if a machine has reported an older bundle, because the broker may have
// lost the manifest. Within offerEvery after a publication, republishManifest publishes nothing, because a machine
// may still be fetching the bundle.
func (ms *messages) republishManifest(l *link) error {
	if ms.core.now().Sub(l.offered).Abs() < offerEvery || !ms.fleet.markLagging() {
		return nil
	}
	return ms.publishManifest(l)
}

// markLagging reports whether any machine uses an older bundle. markLagging marks all these machines as having received
// the manifest now.
func (fl *fleet) markLagging() (some bool) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for _, m := range fl.machines {
		if m.notes.lags {
			m.notes.lags, m.notes.offered, some = false, fl.core.now(), true
		}
	}
	return some
}
