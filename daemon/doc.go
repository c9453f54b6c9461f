// Package daemon is the core of one machine: it takes a tap from the reader to the relay and the journal.
//
//	tap → decide → apply → execute → record → show
//
// The steps, as tap.go has them:
//
//  1. The reader delivers a card (rfid).
//  2. The card becomes a member, whose badges were verified ahead of time (daemon/roster).
//  3. The policy decides, with reasons (policy). Where a learner waits, it decides on the learner, with this card's
//     owner as supervisor.
//  4. The session says what follows, as a list of effects (daemon/session).
//  5. The record is committed (daemon/journal).
//  6. The relay is switched, and the guard confirms it (daemon/relay).
//  7. The panel and the hub are told (daemon/panel).
//  8. Later, when the network is there, the record travels to the hub (daemon/uplink).
//
// One goroutine, the loop of Machine.Run, owns the state and carries out effects one by one; everything else reaches it
// through channels. It accepts taps, what the guard reports, what an operator asks on the control socket, signed
// commands, new members' lists, and the passing of time. It refuses whatever it cannot judge, and says so.
//
// The files, from the bottom up. A file calls functions of the layers before its own alone, and of its own layer in one
// direction; docs/architecture.md has the drawing, and a test holds it.
//
//   - config, facts, tagorigin: what a machine is made with, and what outlives the daemon.
//   - liveness, presence, openforms, attestations, maintenance, practice, unknown, unread, rules: one subject each, as
//     a small type with its own rules.
//   - model, work, wear: all that is known of the machine, and what follows from it.
//   - decide: asks the policy.
//   - views, offers, notes, screen, status: what the panel, the hub and an operator read.
//   - engine, sealed, flash, tap: applies events and carries out effects (steps 1 to 7).
//   - periodic: what the machine does by itself as time passes.
//   - actions, recordform, confirm, forms, touch: what people do at the panel.
//   - operator, restore: what an operator and the hub ask for.
//   - loop, machine: the loop, and what other packages call.
//   - recount: what a journal's records say about the facts, for the start and for verification.
package daemon
