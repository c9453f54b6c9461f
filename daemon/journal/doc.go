// Package journal keeps what happened at one machine: records numbered 1, 2, 3 … without gaps, only ever added to, each
// a leaf of a transparency-log tree (RFC 6962, golang.org/x/mod/sumdb/tlog) of which the machine signs checkpoints.
// The journal is also the outbox: a sink holds a cursor, and whatever lies past it is still to be sent.
//
// When Append returns without an error the record is on the disk, with the tree's new hashes and the facts that the
// caller gave, in one transaction. When it returns an error nothing of them is there, and the journal can be used on: a
// disk that was full and no longer is takes the next record under the same number.
//
// It is a SQLite file (write-ahead log, synchronous=FULL) on one connection. Open is quick at any length: it reads the
// head and the tail, and where no clock there was trusted, some thousand records more. Verify reads everything. A file
// that is torn, that another program made, that belongs to another machine, or that another daemon holds is refused and
// left as it is; nothing is ever created over a file that is there. Salvage reads what is left of a damaged file, and
// Mend puts that in its place.
//
// Time never runs backwards among records whose clock was trusted, with one exception: a trusted clock that was set
// back by more than wire.Skew marks its next record as corrected, and that record's time counts from then on. A record
// whose clock is not trusted is never earlier than the last trusted time, and binds no later record: a clock that said
// 2099 until a time server was reached affects its own records alone.
//
// A journal that is created has a random generation (wire.Generation), so that a hub tells it from the one that was on
// the disk before. Files of version 1 of the schema have the empty generation; they are read, written and verified as
// they are.
//
// All methods may be called from any goroutine. Len never waits. The others wait for each other, and so for the disk.
package journal
