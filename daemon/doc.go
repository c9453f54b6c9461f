// Package daemon is the core of one machine: it processes a tap, from the reader to the relay and the journal.
//
//	tap → decide → apply → execute → record → show
//
// The steps, as in tap.go:
//
//  1. The reader delivers a card (rfid).
//  2. The roster returns the member who owns the card, and whose badges were verified in advance (daemon/roster).
//  3. The policy decides about the member and gives its reasons (policy). If a learner waits for a supervisor, the
//     policy decides about the learner, with the owner of the card as supervisor.
//  4. The session returns the list of effects that follow from the decision (daemon/session).
//  5. The journal commits the record (daemon/journal).
//  6. The guard switches the relay and confirms the new position (daemon/relay).
//  7. The panel and the hub are updated (daemon/panel).
//  8. Later, when the network works, the uplink sends the record to the hub (daemon/uplink).
//
// One goroutine, the loop of Machine.Run, owns the state and executes the effects one by one; all other goroutines send
// it their input through channels. The loop accepts taps, reports of the guard, orders from the control socket, signed
// commands, new members' lists, and ticks. The loop refuses input that it cannot check, and tells the sender the
// reason.
//
// The list below shows the files in layers, from the bottom up. A file calls only functions of lower layers, and,
// within its own layer, functions in one direction without cycles. A test checks these calls, and docs/architecture.md
// contains a drawing of the layers.
//
//   - config, facts, tagorigin: the settings of a machine, and the data that survive a restart.
//   - liveness, presence, openforms, attestations, maintenance, practice, unknown, unread, rules: each file defines one
//     small type for one subject.
//   - model, work, wear: the complete state of the machine, and values that are computed from that state.
//   - decide: asks the policy.
//   - views, offers, notes, screen, status: the texts and data for the panel, the hub and an operator.
//   - engine, sealed, flash, tap: applies events and carries out effects (steps 1 to 7).
//   - periodic: the regular tasks of the machine.
//   - actions, recordform, confirm, forms, touch: the actions of people at the panel.
//   - operator, restore: the orders of an operator and of the hub.
//   - loop, machine: the loop, and the functions for other packages.
//   - recount: computes facts from a journal's records, for the start and for verification.
package daemon
