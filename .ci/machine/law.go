package main

import (
	"fmt"
	"time"

	"portillon/wire"
)

// breaches counts the periods in which the relay's line was high. It describes each period that no session of the
// journal covers: the line rose before the record of the session's start, or fell after the record of the session's
// end. The argument records contains the journal as it is after the last boot.
func breaches(boots []*boot, records []wire.Record) (spans int, out []string) {
	for _, b := range boots {
		for i, up := range b.edges {
			if !up.high {
				continue
			}
			spans++
			down := time.Duration(1<<63 - 1) // if there is no falling edge, the line was high until the power cut
			if i+1 < len(b.edges) {
				down = b.edges[i+1].at
			}
			if !isCovered(b.id, up.at, down, records) {
				out = append(
					out,
					fmt.Sprintf("boot %s: line 17 was high from %v to %v, but the journal has no session of that time", b.id,
						up.at, down),
				)
			}
		}
	}
	return spans, out
}

// isCovered reports whether one session of the journal covers the period. The time of a record is rounded down to
// whole milliseconds. The recorded time of a start is therefore never too late, and the recorded time of an end is up
// to one millisecond too early.
func isCovered(boot string, from, to time.Duration, records []wire.Record) bool {
	open, began := "", time.Duration(0)
	for _, r := range records {
		at := time.Duration(r.Mono) * time.Millisecond
		switch {
		case r.Kind == wire.SessionStart && r.Boot == boot:
			open, began = r.Session, at
		case r.Kind == wire.SessionEnd && r.Session == open && open != "":
			end := at + time.Millisecond
			if r.Boot != boot {
				end = 1<<63 - 1 // the session was interrupted by a power cut, and a later boot has recorded its end
			}
			if began <= from && to <= end {
				return true
			}
			open = ""
		}
	}
	return open != "" && began <= from // a session without a recorded end is still running
}
