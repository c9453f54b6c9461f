// Package daemon is the core of one machine: it handles a tap from the reader to the relay and the journal.
//
//	tap → decide → apply → execute → record → show
//
// The steps, as in tap.go:
//
//  1. The reader delivers a card (rfid).
//  2. The roster maps the card to a member, whose badges were verified ahead of time (daemon/roster).
//  3. The policy decides, with reasons (policy). If a learner waits, the policy decides about the learner, with the
//     card's owner as supervisor.
//  4. The session returns the resulting effects as a list (daemon/session).
//  5. The record is committed (daemon/journal).
//  6. The relay is switched, and the guard confirms it (daemon/relay).
//  7. The panel and the hub are updated (daemon/panel).
//  8. Later, when the network works, the record is sent to the hub (daemon/uplink).
//
// One goroutine, the loop of Machine.Run, owns the state and carries out effects one by one; all other goroutines use
// channels to reach the loop. The loop accepts taps, reports of the guard, orders from the control socket, signed
// commands, new members' lists, and ticks. It refuses input that it cannot check, and gives the reason.
//
// The list below shows the files in layers, from the bottom up. A file calls only functions of earlier layers, and of
// its own layer in one direction. A test checks these calls, and docs/architecture.md contains a drawing of the layers.
//
//   - config, facts, tagorigin: the settings of a machine, and the data that survive a restart.
//   - liveness, presence, openforms, attestations, maintenance, practice, unknown, unread, rules: one subject each, as
//     a small type with separate rules.
//   - model, work, wear: the complete state of the machine, and values computed from it.
//   - decide: asks the policy.
//   - views, offers, notes, screen, status: the texts and data for the panel, the hub and an operator.
//   - engine, sealed, flash, tap: applies events and carries out effects (steps 1 to 7).
//   - periodic: the regular tasks of the machine.
//   - actions, recordform, confirm, forms, touch: the actions of people at the panel.
//   - operator, restore: the orders of an operator and of the hub.
//   - loop, machine: the loop, and the functions for other packages.
//   - recount: computes facts from a journal's records, for the start and for verification.
package daemon
