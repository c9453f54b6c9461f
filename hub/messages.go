package hub

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// askAgain is the shortest time between two manifests or acknowledgements that the hub sends because a machine's
// state shows that the machine lacks them. Without this pause, the hub would always resend the manifest to a machine
// that refuses the bundle.
const askAgain = 30 * time.Second

// acknowledgeBatch acknowledges a batch. If records before the batch are missing or the batch is already stored, the
// acknowledgement names the last stored record, and the machine continues with the next record. The hub does not
// acknowledge a batch with contradictory records.
func (ms *messages) acknowledgeBatch(l *link, id policy.MachineID, taken ledger.Taken, err error) error {
	var refused *ledger.Refusal
	switch {
	case errors.As(err, &refused):
		if refused.Code != ledger.Gap {
			return ms.refuse(l, id, refused)
		}
		ms.core.log.Info("records are missing", "machine", id, "want", taken.Want)
		ms.fleet.change(id, func(m *Machine) { m.notes.generation = taken.Generation })
	case err != nil: // do not acknowledge: after a database error, the machine sends the batch again
		ms.health.noteDatabase(err)
		return nil
	}
	ms.health.noteDatabase(nil)
	var before uint64
	ms.fleet.change(id, func(m *Machine) {
		before, m.Held = m.Held, taken.Seq
		if err == nil {
			m.Trouble, m.TroubleAt, m.TroubleSince, m.notes.refusal.code = "", time.Time{}, time.Time{}, ""
		}
	})
	if taken.Seq > before {
		ms.fleet.warnOfAlerts(id, before)
		ms.cards.rebinds.noteRecords(id, before)
	}
	return ms.acknowledge(l, id)
}

// acknowledge publishes how many records of a machine's journal are stored. If the database cannot answer, acknowledge
// publishes nothing, and the connection stays open.
func (ms *messages) acknowledge(l *link, id policy.MachineID) error {
	ack, err := ms.signAck(id)
	if err != nil {
		ms.health.noteDatabase(err)
		return nil
	}
	return l.publish(ms.core.topics.Ack(id), true, ack)
}

// signAck returns a signed acknowledgement of the stored records of a machine's journal.
func (ms *messages) signAck(id policy.MachineID) ([]byte, error) {
	head, err := ms.core.ledger.Head(id)
	if err != nil {
		return nil, err
	}
	var refused *wire.AckRefused
	var seal string
	today := ms.cards.renewSeal()
	ms.fleet.change(id, func(m *Machine) {
		m.notes.acked, refused = ms.core.now(), m.tellRefusal(ms.core.now())
		if m.notes.sealed = ""; m.State != nil && m.State.Format >= wire.SealFormat {
			m.notes.sealed, seal = today, today
		}
		if !head.Known {
			head.Generation = m.notes.generation
		}
	})
	ack, err := wire.SignAck(
		wire.Ack{Site: ms.core.c.Site, Machine: id, Seq: head.Seq, Root: hex.EncodeToString(head.Root[:]),
			Generation: head.Generation, Refused: refused, Seal: seal},
		ms.core.signer,
	)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return ack, nil
}

// state compares a machine's reported state with the expected state, and sends a missing manifest or acknowledgement,
// at a limited rate.
func (ms *messages) state(l *link, id policy.MachineID, data []byte) error {
	s, err := wire.ParseState(data)
	if err != nil || s.Machine != id {
		return nil
	}
	now, today := ms.core.now(), ms.cards.renewSeal()
	_, inForce := ms.bundles.current()
	var ack bool
	known := ms.fleet.change(id, func(m *Machine) {
		ms.fleet.noteScreen(m, s.SilentScreen, now)
		m.State = &s
		if s.Generation.Check() == nil {
			m.notes.generation = s.Generation
		}
		ack = m.wantsAck(now) || m.wantsSeal(today)
		m.notes.lags = inForce > s.Bundle && now.Sub(m.notes.offered) >= askAgain
	})
	if !known {
		return nil
	}
	ms.core.db.Site(ms.core.c.Site).Tell(store.States)
	ms.enrolments.replaceAwaited(id, s.Generation)
	if ack {
		err = ms.acknowledge(l, id)
	}
	return err
}
