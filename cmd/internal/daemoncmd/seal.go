package daemoncmd

import (
	"sync/atomic"

	"portillon/policy"
	"portillon/wire"
)

// sealKey is the hub's newest key for sealed cards, as an acknowledgement brought it. It outlives a restart in the
// acknowledgement that is kept beside the journal.
type sealKey struct{ public atomic.Pointer[string] }

// get is the key; empty: none is known.
func (s *sealKey) get() string {
	if p := s.public.Load(); p != nil {
		return *p
	}
	return ""
}

// set takes a key. An acknowledgement without one, of an older hub, changes nothing.
func (s *sealKey) set(public string) {
	if public != "" {
		s.public.Store(&public)
	}
}

// keepSeal takes the seal key of an acknowledgement.
func (d *Daemon) keepSeal(signed []byte, k keys) {
	if a, err := wire.OpenAck(signed, k.hub, policy.SiteID(d.c.Site), policy.MachineID(d.c.Machine)); err == nil {
		d.seal.set(a.Seal)
	}
}
