package hub

import (
	"context"
	"errors"
	"fmt"

	"portillon/hub/enrol"
	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/policy"
)

// MachineKeys are the keys that verify the machines' records, including replaced and revoked keys.
type MachineKeys map[policy.MachineID][]evidence.Key

// Of returns the keys of a machine. A caller can pass Of to evidence.VerifyBy.
func (k MachineKeys) Of(id policy.MachineID) []evidence.Key { return k[id] }

// InForce returns each machine's key that verifies new records. InForce leaves out revoked machines.
func (k MachineKeys) InForce() ledger.Keys {
	out := ledger.Keys{}
	for id, all := range k {
		for _, x := range all {
			if x.Until.IsZero() {
				out[id] = x.Verifier
			}
		}
	}
	return out
}

// MachineKeys reads the keys of the machines of hub.yaml and, from the database, the keys of machines that joined over
// the network. A machine's key in hub.yaml is valid until the machine has joined or was revoked. MachineKeys only
// reads, so a program can call MachineKeys while a hub runs.
func (c Config) MachineKeys(ctx context.Context) (_ MachineKeys, err error) {
	if !fileExists(c.Database()) {
		return c.withKeys(nil), nil
	}
	db, err := store.OpenReadOnly(ctx, c.Database())
	if err != nil {
		return nil, fmt.Errorf("keys of machines: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return c.machineKeys(ctx, db)
}

// machineKeys returns the keys of hub.yaml and the keys of the machines that joined over the network.
func (c Config) machineKeys(ctx context.Context, db *store.DB) (MachineKeys, error) {
	all, err := enrol.Keys(ctx, db.Site(c.Site))
	if err != nil {
		return nil, err
	}
	return c.withKeys(all), nil
}

// withKeys adds the keys of hub.yaml to the keys of the database.
func (c Config) withKeys(all []enrol.MachineKey) MachineKeys {
	out := MachineKeys{}
	for _, k := range all {
		out[k.Machine] = append(out[k.Machine], evidence.Key{Verifier: k.Key, Until: k.Until, Public: k.Public})
	}
	for _, m := range c.Machines {
		if m.Key != nil && len(out[m.ID]) == 0 {
			out[m.ID] = []evidence.Key{{Verifier: m.Key, Public: m.Public}}
		}
	}
	return out
}

// PublicInForce returns the key that verifies a machine's new records, as text; empty: the machine is unknown or
// revoked.
func (k MachineKeys) PublicInForce(id policy.MachineID) string {
	for _, x := range k[id] {
		if x.Until.IsZero() {
			return x.Public
		}
	}
	return ""
}
