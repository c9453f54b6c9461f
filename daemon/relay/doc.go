// Package relay switches a machine's relay so that nothing but a living daemon keeps it on.
//
// Two processes share the work. The guard (portillond guard) alone holds the pin. The daemon's Switch speaks to it
// over its standard input and output, in lines:
//
//	daemon → guard   on N      close the relay; N is for how many milliseconds a job may finish if the daemon is lost, 0: not at all
//	                 off       open it
//	                 keep      the daemon lives: the lease runs for another second
//	guard → daemon   guard 1   the guard is ready, and the relay is open
//	                 level L   the relay is now 1 closed or 0 open; the answer to on and off, and the news of a drop
//	                 e-stop L  the emergency stop is now 1 open or 0 closed
//	                 busy L    the machine now works (1) or does not
//	                 fault …   the guard gives up, and why
//
// The guard opens the relay, and does not close it again by itself, when its input ends, when a second passes without a
// word (the lease), when the e-stop opens, when a line makes no sense, and when it is asked to end. Where the last «on» allowed
// it and the machine is busy, a lost daemon's job may finish first; the e-stop still ends it at once.
//
// The relay is a contact in series with the machine's own emergency stop and guards; it never replaces them.
package relay
