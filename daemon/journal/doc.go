// Package journal stores the events of one machine: records numbered 1, 2, 3 … without gaps. Records are only appended.
// Each record is a leaf of a transparency-log tree (RFC 6962, golang.org/x/mod/sumdb/tlog), and the machine signs
// checkpoints of this tree. The journal is also the outbox: each sink has a cursor, and the records after that cursor
// have not been acknowledged yet.
//
// When Append returns without an error, the record is on the disk, together with the tree's new hashes and the caller's
// facts, in one transaction. When Append returns an error, nothing was written, and the journal remains usable: once a
// full disk has room again, the next record gets the same number.
//
// The journal is a SQLite file (write-ahead log, synchronous=FULL) with one connection. Open is fast at any length: it
// reads the head and the tail, and about two thousand more records if the tail has no trusted time. Verify reads all
// records. A file that is corrupt, that another program made, that belongs to another machine, or that another daemon
// holds open is refused and not modified. A journal is never created over an existing file. Salvage reads the readable
// records of a damaged file, and Mend replaces the damaged file with them.
//
// Time never runs backwards among records whose clock was trusted, with one exception: a trusted clock that was set
// back by more than wire.Skew marks its next record as corrected, and that record's time counts from then on. A record
// whose clock is not trusted is never earlier than the last trusted time, and does not limit the time of any later
// record: a clock that showed 2099 until a time server was reached affects only the records of that period.
//
// A new journal has a random generation (wire.Generation), so that a hub can distinguish it from an earlier journal of
// the same machine. Files of schema version 1 have the empty generation. Such files are read, written and verified
// without a conversion.
//
// All methods may be called from any goroutine. Len never waits. The other methods wait for each other, and therefore
// for the disk.
package journal
