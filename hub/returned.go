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

// errNotYet is the answer to a machine that returns a document while the hub is starting.
var errNotYet = errors.New("the hub is starting")

// errOtherPolicy is the answer to a machine that returns a signed policy that was possibly never in force.
var errOtherPolicy = errors.New("no bundle that this hub signed has this policy: return the manifest of one first")

// returnedPolicies stores the hashes of the signed policies that manifests of this hub name. The hub refuses a signed
// policy without such a manifest: otherwise a person with the policy key and a machine could bring any policy into
// force.
type returnedPolicies struct {
	mu sync.Mutex
	of map[string]bool
}

// maxReturnedPolicies is the largest number of stored hashes. This is enough for all policies since a backup that is
// some months old.
const maxReturnedPolicies = 1000

// add stores the hash of a signed policy that a manifest names. At the limit, add removes all older hashes. No policy
// is lost, because a machine returns its manifest again before its policy.
func (p *returnedPolicies) add(signed string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil || len(p.of) >= maxReturnedPolicies {
		p.of = map[string]bool{}
	}
	p.of[wire.Hash([]byte(signed))] = true
}

// has reports whether a manifest of this hub names this signed policy.
func (p *returnedPolicies) has(signed []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[wire.Hash(signed)]
}

// takeManifest stores the version of a manifest that a machine returned, so that the next bundle after a restore has a
// higher version.
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

// takePolicy brings a signed policy that a machine returned into force again, if a bundle of this hub contained the
// policy and the policy in force has a lower number.
func (en *enrolments) takePolicy(ctx context.Context, id policy.MachineID, file []byte) error {
	p := en.services.publish
	switch {
	case p == nil:
		return errNotYet
	case en.core.c.Bundle.Policy == nil:
		return errors.New("this site has no separate policy key, so its policies have no number on the machines")
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
