// Package relay switches a machine's relay so that nothing but a living daemon keeps it on.
//
// Two processes share the work. The guard (portillond guard) alone holds the pin. The daemon's Switch speaks to it
// over its standard input and output, in lines of at most 255 bytes that end in a line feed:
//
//	daemon → guard   on ID MS C  close the relay; if the daemon is lost, a job may finish for MS milliseconds,
//	                             0: not at all; once the relay is open the extraction runs on for C milliseconds
//	                 off ID      open it
//	                 keep        the daemon lives: the lease runs for another Lease
//	guard → daemon   guard V L   the first line: the version of these lines, and the relay's level, 0
//	                 done ID L   the order ID was carried out: the relay is now 1 closed or 0 open
//	                 deny ID WHY the order to close was refused: e-stop, door, contactor, runs,
//	                             or moment: the contactor is not yet known to be open, and the daemon asks again
//	                 alive       the answer to keep
//	                 drop WHY    the guard opened the relay unasked: lease, e-stop, door, contactor, job-done, job-late
//	                 e-stop L    the emergency stop is 1 open or 0 closed; door L likewise
//	                 contactor L what the contactor says of itself differs from the order (1) or agrees with it (0):
//	                             once the two were first compared, and when that changes
//	                 busy L      the machine works (1) or does not
//	                 fault …     the guard gives up, and why
//
// The guard opens the relay, and never closes it again by itself, when its input ends, when Lease passes without a
// word, when the e-stop or the door opens, when the contactor does not follow, when a line makes no sense, when the
// daemon no longer listens, when the pin gives an error and when it is asked to end. A line without its line feed is no
// line: half an order switches nothing. Where the last «on» allowed it and the machine is busy, a lost daemon's job may
// finish first; the e-stop still ends it at once.
//
// With a heartbeat the relay's line is not a level but a signal of 200 Hz, toggled every 2.5 ms, for a charge pump:
// whatever stops the guard's loop, the kernel included, opens the relay. The pump takes up to 0.6 s more than a level
// to let go.
//
// The Switch ends a guard that does not confirm an order, does not answer keep, or makes no sense: the relay opens with
// it.
//
// The relay is a contact in series with the machine's own emergency stop and guards; it never replaces them.
package relay
