package hub

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/wire"
)

// errNotYet is what a machine returns to a hub that is still starting.
var errNotYet = errors.New("the hub is starting")

// errOtherPolicy is of a policy that may be genuine, and that was perhaps never in force.
var errOtherPolicy = errors.New("no bundle that this hub signed has this policy: return the manifest of one first")

// returnedPolicies are the signed policies that manifests of this hub name, by their hashes. A policy alone counts for
// nothing: a person who has the policy key and a machine could otherwise bring any policy into force.
type returnedPolicies struct {
	mu sync.Mutex
	of map[string]bool
}

// maxReturnedPolicies bounds them: those of the months since a backup.
const maxReturnedPolicies = 1000

// add notes the hash of a signed policy that a manifest names. At the limit the older hashes are forgotten: a machine
// returns its manifest again before its policy.
func (p *returnedPolicies) add(signed string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil || len(p.of) >= maxReturnedPolicies {
		p.of = map[string]bool{}
	}
	p.of[wire.Hash([]byte(signed))] = true
}

// has reports whether a manifest of this hub named this signed policy.
func (p *returnedPolicies) has(signed []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[wire.Hash(signed)]
}

// takeManifest takes note of the manifest that a machine works from: after a restore, the next bundle is above it.
func (en *enrolments) takeManifest(ctx context.Context, id policy.MachineID, signed []byte) error {
	p := en.services.publish
	if p == nil {
		return errNotYet
	}
	en.core.log.Info("manifest returned", "machine", id, "bytes", len(signed))
	if err := p.Bundles.Adopt(ctx, signed); err != nil {
		return err
	}
	m, err := wire.OpenManifest(signed, note.VerifierList(en.core.c.Bundle.Key))
	if err == nil && m.SignedPolicy != "" {
		en.returned.add(m.SignedPolicy)
	}
	return err
}

// takePolicy takes back a signed policy that a machine works from, where it has a higher number than the one in force,
// and where a bundle of this hub had it.
func (en *enrolments) takePolicy(ctx context.Context, id policy.MachineID, file []byte) error {
	p := en.services.publish
	switch {
	case p == nil:
		return errNotYet
	case en.core.c.Bundle.Policy == nil:
		return errors.New("this site has no policy key apart: its policies have no number at the machines")
	}
	f, err := wire.ReadPolicyFile(bytes.NewReader(file), en.core.c.Bundle.policyKeys())
	if err != nil {
		return err
	}
	if !en.returned.has(f.Signed) {
		return errOtherPolicy
	}
	en.core.log.Info("policy returned", "machine", id, "bytes", len(file))
	return p.Policies.Adopt(ctx, file)
}
