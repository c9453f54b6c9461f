package roster

import (
	"fmt"

	"portillon/policy"
	"portillon/wire"
)

// checkBindings refuses a bucket whose members go beyond what the policy key signed of them. Whoever signs the bundle
// alone can restrict members, and cannot give a member another card, another address, or take a restriction off.
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
		if wire.Bucket(policy.MemberID(m.ID)) != b { // a second binding could be looked for in each bucket
			return &wire.Refusal{Code: wire.BindingUnsigned,
				Detail: fmt.Sprintf("the member %q stands in the bucket %02x, which is not their own", m.ID, b)}
		}
		if err := bindings.Check(m); err != nil {
			return err
		}
	}
	return nil
}
