package hub

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"

	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/fault"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// openCardKey opens the site's card key. Only a hub that manages the site can change the card key, because a new card
// key needs a new bundle.
func (op *opening) openCardKey() (err error) {
	op.hub.services.cardKey, err = cardkey.New(
		context.Background(),
		cardkey.Options{Site: op.hub.core.db.Site(op.hub.core.c.Site), Path: op.hub.core.c.Join.CardKey,
			Now: op.hub.core.now, Log: op.hub.core.log, SetAside: op.hub.cards.setAsideCards, End: op.hub.cards.endOldCards,
			Cards: op.hub.cards.oldCards, Machines: op.hub.cards.cardKeyMachines,
			Refuse: op.hub.cards.refuseCardKey},
	)
	return err
}

// CardKey returns the service that changes the card key, or nil if the hub does not manage the site.
func (h *Hub) CardKey() *cardkey.Service { return h.services.cardKey }

// cards manages the site's card keys and seal keys, and binds cards to a new card key when members tap them.
type cards struct {
	core       *core
	enrolments *enrolments
	services   *services

	seal    sealKeys
	rebinds rebinds
}

// cardKeys returns the site's card keys for machines, the current key first.
func (cs *cards) cardKeys() (wire.CardKeys, error) {
	if s := cs.services.cardKey; s != nil {
		return s.Ring().Wire(), nil
	}
	key, err := cardkey.Read(cs.core.c.Join.CardKey)
	if err != nil {
		return wire.CardKeys{}, err
	}
	return cardkey.Ring{InForce: key}.Wire(), nil
}

// hashOf returns a card's number as bundles contain it: the HMAC-SHA-256 of the number under the site's card key.
func hashOf(key, number []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write(number)
	return hex.EncodeToString(h.Sum(nil))
}

// cardHash returns the HMAC of a card's number under the current card key.
func (cs *cards) cardHash(number []byte) string {
	return hashOf(cs.services.cardKey.Ring().InForce, number)
}

// oldCardKey returns the mark of cards that are bound under the previous card key; empty: no key change is in progress.
func (cs *cards) oldCardKey() string { return cs.services.cardKey.Ring().OldMark() }

// oldCardHash returns the HMAC of a card's number under the previous card key, with that key's mark.
func (cs *cards) oldCardHash(number []byte) string {
	ring := cs.services.cardKey.Ring()
	return wire.MarkCard(ring.OldMark(), hashOf(ring.Before, number))
}

// setAsideCards marks all cards as bound under the previous key, in the same transaction in which the function with
// changes the key.
func (cs *cards) setAsideCards(
	ctx context.Context,
	a actor.Actor,
	mark string,
	with func(*store.Tx) (string, error),
) error {
	return cs.services.directory.Rekeying.SetAsideCards(ctx, a, mark, with)
}

// endOldCards removes the cards that are still bound under the previous key, in the same transaction in which the
// function with ends the key change.
func (cs *cards) endOldCards(
	ctx context.Context,
	a actor.Actor,
	mark string,
	with func(*store.Tx) (string, error),
) error {
	return cs.services.directory.Rekeying.EndOldCards(ctx, a, mark, with)
}

// oldCards returns the cards that are still bound under the previous key.
func (cs *cards) oldCards(ctx context.Context, a actor.Actor) (out []cardkey.Card, err error) {
	all, err := cs.services.directory.Rekeying.OldCards(ctx, a)
	for _, c := range all {
		out = append(out, cardkey.Card{ID: c.ID, Member: c.Member, Name: c.Name, Last: c.Last, State: string(c.State)})
	}
	return out, err
}

// refuseCardKey returns an error if a separate policy key signs the cards. In that case nobody may change the card
// key: all HMACs of cards would change at once, and machines would refuse every card until a person signs the new
// HMACs.
func (cs *cards) refuseCardKey(ctx context.Context) error {
	p, err := cs.services.policies.current(ctx)
	if err != nil || p == nil || !p.SignedBindings {
		return err
	}
	return &fault.Invalid{
		Faults: []fault.Field{
			{Field: "card-key", Wrong: "the policy says «bindings: signed»: the policy key has signed the " +
				"cards under the card key in force, and machines would refuse all of them under another one",
				Right: "publish a policy without «bindings: signed», change the card key, and sign the bindings again"},
		},
	}
}

// cardKeyMachines returns the machines with the card key that each of them uses.
func (cs *cards) cardKeyMachines(ctx context.Context, a actor.Actor) (out []cardkey.Machine, err error) {
	if cs.enrolments.machines == nil {
		return nil, nil
	}
	all, err := cs.enrolments.machines.Machines.List(ctx, a)
	if err != nil {
		return nil, err
	}
	given, err := cs.enrolments.machines.Machines.GivenCardKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if !m.Revoked.IsZero() || m.Enrolled.IsZero() && m.Key == "" {
			continue
		}
		x := cardkey.Machine{ID: m.ID, CardKey: m.Standing.Keys.CardKey, Given: given[m.ID]}
		switch {
		case m.Enrolled.IsZero():
			x.Why = cardkey.ByHand
		case m.Standing.Keys == (wire.StateKeys{}) && m.Standing.Program != "":
			x.Why = cardkey.Program
		case !m.Standing.Online:
			x.Why = cardkey.Away
		}
		out = append(out, x)
	}
	return out, nil
}

// markTap marks an unknown card whose HMAC was made with the previous card key. If the hub no longer has the key of
// the HMAC, markTap clears c, and the member must tap the card again. A machine with an older program does not report
// its card key, so the hub assumes the key that the hub sent to that machine.
func (cs *cards) markTap(c *wire.EnrolCard, of policy.MachineID) {
	ring := cs.services.cardKey.Ring()
	check := c.Key
	if check == "" && ring.Before != nil {
		check = ring.OldMark()
		if given, err := cs.enrolments.machines.Machines.GivenCardKeys(context.Background()); err == nil && given[of] != "" {
			check = given[of]
		}
	}
	switch check {
	case "", wire.MarkOf(ring.InForce):
	case ring.OldMark():
		c.Card = wire.MarkCard(check, c.Card)
	default:
		*c = wire.EnrolCard{}
	}
}

// rebinds is the list of machines with new records, in which the hub looks for taps of cards that it must bind to the
// new card key.
type rebinds struct {
	wake chan struct{} // receives a value when a machine is added; buffer of one

	mu   sync.Mutex
	from map[policy.MachineID]uint64 // rebindCards must read the records that follow this sequence number
}

// noteRecords stores that a machine has new records, which follow record number after.
func (r *rebinds) noteRecords(id policy.MachineID, after uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from, noted := r.from[id]; !noted || after < from {
		if r.from == nil {
			r.from = map[policy.MachineID]uint64{}
		}
		r.from[id] = after
	}
	select {
	case r.wake <- struct{}{}:
	default: // wake already contains a value
	}
}

// take returns the machines with new records, each with the sequence number before its first new record, and clears the
// list.
func (r *rebinds) take() map[policy.MachineID]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.from
	r.from = nil
	return out
}

// rebindCards binds tapped cards to the new card key, until ctx ends. rebindCards starts with all stored records,
// because the hub may have stopped between storing records and binding the cards.
func (cs *cards) rebindCards(ctx context.Context) error {
	queries := []ledger.Query{{}}
	for {
		for _, q := range queries {
			if cs.oldCardKey() == "" {
				continue
			}
			if err := cs.rebind(ctx, q); err != nil && ctx.Err() == nil {
				cs.core.log.Warn("binding cards to the new card key failed", "machine", q.Machine, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-cs.rebinds.wake:
		}
		queries = nil
		for id, after := range cs.rebinds.take() {
			queries = append(queries, ledger.Query{Machine: id, After: after})
		}
	}
}

// rebind binds the cards of the records that q selects. rebind skips a record that cannot be used now, because the
// machine writes a new record at the card's next tap.
func (cs *cards) rebind(ctx context.Context, q ledger.Query) error {
	keys, err := cs.core.c.SealKeys(cs.core.now())
	if err != nil || len(keys) == 0 {
		return err
	}
	q.Kinds = []wire.Kind{wire.CardRebound}
	var found []ledger.Entry
	err = cs.core.ledger.Records(ctx, q, func(e ledger.Entry) error {
		found = append(found, e)
		return nil
	})
	for _, e := range found {
		var body wire.CardReboundBody
		if json.Unmarshal(e.Body, &body) != nil || ctx.Err() != nil {
			continue
		}
		number, err := wire.OpenNumber(body.Sealed, cs.core.c.Site, e.Machine, keys)
		if err == nil {
			_, err = cs.services.directory.Rekeying.Rebind(ctx, actor.System("machine "+string(e.Machine)), number)
		}
		if err != nil && !errors.Is(err, wire.ErrNoSealKey) && ctx.Err() == nil {
			cs.core.log.Warn("binding a card to a new card key failed", "machine", e.Machine, "record", e.Seq, "err", err)
		}
	}
	return err
}
