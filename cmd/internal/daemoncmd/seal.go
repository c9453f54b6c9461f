package daemoncmd

import (
	"sync/atomic"

	"portillon/policy"
	"portillon/wire"
)

// sealKey is the hub's newest key for sealing cards, from an acknowledgement. After a restart it comes from the stored
// acknowledgement.
type sealKey struct{ public atomic.Pointer[string] }

// get is the key; empty: unknown.
func (s *sealKey) get() string {
	if p := s.public.Load(); p != nil {
		return *p
	}
	return ""
}

// set sets the key. An acknowledgement of an older hub has none and changes nothing.
func (s *sealKey) set(public string) {
	if public != "" {
		s.public.Store(&public)
	}
}

// keepSeal takes the seal key from an acknowledgement.
func (d *Daemon) keepSeal(signed []byte, k keys) {
	if a, err := wire.OpenAck(signed, k.hub, policy.SiteID(d.c.Site), policy.MachineID(d.c.Machine)); err == nil {
		d.seal.set(a.Seal)
	}
}
