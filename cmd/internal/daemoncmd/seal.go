package daemoncmd

import (
	"sync/atomic"

	"portillon/policy"
	"portillon/wire"
)

// sealKey contains the hub's newest public key for sealing cards. The hub sends the key in its acknowledgements; after
// a restart, the stored acknowledgement contains the key.
type sealKey struct{ public atomic.Pointer[string] }

// get returns the key, or "" if it is unknown.
func (s *sealKey) get() string {
	if p := s.public.Load(); p != nil {
		return *p
	}
	return ""
}

// set stores the key of a new acknowledgement in memory. An acknowledgement of an older hub has no key and changes
// nothing.
func (s *sealKey) set(public string) {
	if public != "" {
		s.public.Store(&public)
	}
}

// storeSeal stores the seal key of an acknowledgement.
func (d *Daemon) storeSeal(signed []byte, k keys) {
	if a, err := wire.OpenAck(signed, k.hub, policy.SiteID(d.c.Site), policy.MachineID(d.c.Machine)); err == nil {
		d.seal.set(a.Seal)
	}
}
