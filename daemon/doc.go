// Package daemon is the corridor: it walks a tap through the rooms of one machine.
//
//  1. A reader delivers a Tap (rfid).
//  2. The card becomes a member, with badges verified ahead of time (daemon/roster).
//  3. The policy decides, with reasons (policy); where a learner waits, it decides on the learner with this card as supervisor.
//  4. The session says what follows (daemon/session), as a list of effects.
//  5. The record is committed (daemon/journal).
//  6. The relay is switched, and the guard confirms it (daemon/relay).
//  7. The panel speaks (daemon/panel).
//  8. Later, when the network is there, the record travels (daemon/uplink).
//
// One goroutine owns the session's state and carries out effects one by one; everything else reaches it through
// channels. It accepts taps, what the guard reports, what an operator asks on the control socket, signed commands,
// new rosters, and the passing of time. It refuses whatever it cannot judge, and says so.
package daemon
