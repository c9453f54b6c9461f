// Package relay switches a machine's relay. The relay stays closed only while the daemon renews its lease.
//
// There are two processes. The guard (portillond guard) alone controls the pins. The daemon's Switch exchanges orders
// and answers with the guard over the guard's standard input and output, in lines of at most 255 bytes that end in a
// line feed:
//
//	daemon → guard   on ID MS C  close the relay; if the daemon is lost, a job may finish for MS milliseconds,
//	                             0: not at all; after the relay opens, the extraction runs for C more milliseconds
//	                 off ID      open the relay
//	                 keep        renew the lease for another Lease
//	guard → daemon   guard V L   the first line: the version of these lines, and the relay's level, 0
//	                 done ID L   order ID was executed: the relay is now 1 closed or 0 open
//	                 deny ID WHY order ID to close was refused: e-stop, door, contactor, runs,
//	                             or moment: the contactor may still be opening, and the daemon asks again
//	                 alive       the answer to keep
//	                 drop WHY    the guard opened the relay without an order:
//	                             lease, e-stop, door, contactor, job-done, job-late
//	                 e-stop L    the emergency stop is 1 open or 0 closed; door L likewise
//	                 contactor L the contactor's mirror contact differs from the order (1) or agrees with it (0):
//	                             sent after the first comparison, and on each change
//	                 busy L      the machine works (1) or does not
//	                 fault …     the guard ends, and the reason
//
// The guard opens the relay, and does not close it again without an order, when its input ends, when Lease passes
// without a line, when the e-stop or the door opens, when the contactor does not follow, on an invalid line, when the
// daemon does not read, on an error of the pin, and when it is asked to end. The guard ignores an incomplete line, so
// half an order switches nothing. If the last order «on» allowed it and the machine is busy, the job may finish after
// the guard has lost the daemon. The e-stop still ends the job at once.
//
// In the mode heartbeat, the relay's line carries a signal of 200 Hz, toggled every 2.5 ms, for a charge pump, instead
// of a constant level. The relay therefore opens whenever the guard's loop stops, even if the kernel stops. With a
// charge pump, the relay opens up to 0.6 s later.
//
// The Switch ends a guard that does not confirm an order, does not answer keep, or sends an invalid line. The relay
// opens when the guard ends.
//
// The relay is a contact in series with the machine's own emergency stop and safety switches, and never replaces them.
package relay
