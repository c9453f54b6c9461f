// Package relay switches a machine's relay so that nothing but a living daemon keeps it on.
//
// Two processes share the work. The guard (portillond guard) alone holds the pin. The daemon's Switch speaks to it
// over its standard input and output, in lines of at most 255 bytes that end in a line feed:
//
//	daemon → guard   on ID MS    close the relay; if the daemon is lost, a job may finish for MS milliseconds, 0: not at all
//	                 off ID      open it
//	                 keep        the daemon lives: the lease runs for another Lease
//	guard → daemon   guard V L   the first line: the version of these lines, and the relay's level, 0
//	                 done ID L   the order ID was carried out or refused: the relay is now 1 closed or 0 open
//	                 alive       the answer to keep
//	                 drop WHY    the guard opened the relay unasked: lease, e-stop, job-done, job-late
//	                 e-stop L    the emergency stop is 1 open or 0 closed
//	                 busy L      the machine works (1) or does not
//	                 fault …     the guard gives up, and why
//
// The guard opens the relay, and never closes it again by itself, when its input ends, when Lease passes without a word,
// when the e-stop opens, when a line makes no sense, when the daemon no longer listens, when the pin gives an error and
// when it is asked to end. A line without its line feed is no line: half an order switches nothing. Where the last «on»
// allowed it and the machine is busy, a lost daemon's job may finish first; the e-stop still ends it at once.
//
// The Switch ends a guard that does not confirm an order, does not answer keep, or makes no sense: the relay opens with it.
//
// The relay is a contact in series with the machine's own emergency stop and guards; it never replaces them.
package relay
