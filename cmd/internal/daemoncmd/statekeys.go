package daemoncmd

import (
	"sync"
	"time"

	"portillon/keykind"
	"portillon/wire"
)

// diskEvery is the interval at which the free disk space is read.
const diskEvery = time.Minute

// stateKeys returns a function that collects the public keys and the free disk space for the machine's state. Only one
// goroutine may call the returned function.
func (c Config) stateKeys(k keys, free func(dir string) (uint64, error)) func() wire.StateKeys {
	public := ""
	if text, err := c.secrets().read("machine-key", c.MachineKey); err == nil {
		public, _ = keykind.PublicHalf(text) // the error is ignored, because the key was validated at the daemon's start
	}
	out := wire.StateKeys{
		MachineKey: wire.Fingerprint(public),
		HubKey:     wire.Fingerprint(c.MQTT.HubKey),
		BundleKey:  wire.Fingerprint(c.Bundle.Key),
	}
	if k.policy != nil {
		out.PolicyKey = wire.Fingerprint(c.PolicyKey)
	}
	var mu sync.Mutex
	var looked time.Time
	return func() wire.StateKeys {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); looked.IsZero() || now.Sub(looked) >= diskEvery {
			looked = now
			if bytes, err := free(c.Data); err == nil {
				out.DiskFree = roundedMB(bytes)
			}
		}
		return out
	}
}

// roundedMB returns a number of bytes in MB, rounded to 10 MB below 1 GB and to 100 MB above, so that the machine's
// state does not change with every record. The result of roundedMB is at least 1.
func roundedMB(bytes uint64) int64 {
	mb := int64(min(bytes/1e6, 1<<40))
	step := int64(100)
	if mb < 1000 {
		step = 10
	}
	return max(1, mb/step*step)
}
