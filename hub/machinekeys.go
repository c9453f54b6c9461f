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

// MachineKeys are the keys that verify the machines' records, those of the past among them.
type MachineKeys map[policy.MachineID][]evidence.Key

// Of are the keys of a machine: what evidence.VerifyBy asks for.
func (k MachineKeys) Of(id policy.MachineID) []evidence.Key { return k[id] }

// InForce are the keys by which new records count: none of a machine that was revoked.
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

// MachineKeys reads the keys of the machines of hub.yaml and of those that joined over the network, which only the
// database knows. The line of hub.yaml counts until its machine has joined or was revoked. It only reads, beside a
// running hub or not.
func (c Config) MachineKeys(ctx context.Context) (_ MachineKeys, err error) {
	if !there(c.Database()) {
		return c.withKeys(nil), nil
	}
	db, err := store.OpenReadOnly(ctx, c.Database())
	if err != nil {
		return nil, fmt.Errorf("keys of machines: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return c.machineKeys(ctx, db)
}

// machineKeys are the keys of hub.yaml and those of the machines that joined.
func (c Config) machineKeys(ctx context.Context, db *store.DB) (MachineKeys, error) {
	all, err := enrol.Keys(ctx, db.Site(c.Site))
	if err != nil {
		return nil, err
	}
	return c.withKeys(all), nil
}

// withKeys adds the lines of hub.yaml to the keys of the database.
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

// PublicInForce is the key by which a machine's new records count, as text; empty: none.
func (k MachineKeys) PublicInForce(id policy.MachineID) string {
	for _, x := range k[id] {
		if x.Until.IsZero() {
			return x.Public
		}
	}
	return ""
}
