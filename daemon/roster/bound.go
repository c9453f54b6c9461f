package roster

import (
	"fmt"

	"portillon/policy"
	"portillon/wire"
)

// checkBindings rejects a bucket whose members have more rights than the bindings that the policy key signed. A person
// who has only the key of bundles can restrict members, but cannot give a member another card or another address, or
// remove a restriction.
func (l *loader) checkBindings(b int, bucket wire.RosterBucket) error {
	if l.o.Policy == nil || l.signed.Bindings == "" || len(bucket.Members) == 0 {
		return nil
	}
	raw, err := l.store.Chunk(l.m, wire.BindingsChunk(b))
	if err != nil {
		return err
	}
	var bindings wire.Bindings
	if raw != nil {
		if bindings, err = wire.ReadBindings(raw); err != nil {
			return fmt.Errorf("%s: %w", wire.BindingsChunk(b), err)
		}
	}
	for _, m := range bucket.Members {
		if wire.Bucket(policy.MemberID(m.ID)) != b { // a member in another bucket could have a second binding
			return &wire.Refusal{Code: wire.BindingUnsigned,
				Detail: fmt.Sprintf("the member %q stands in the bucket %02x, which is not their own", m.ID, b)}
		}
		if err := bindings.Check(m); err != nil {
			return err
		}
	}
	return nil
}
