package uplink

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"link.serve: " +
		"zero: return progress, ctx.Err()": "equivalent: Run asks ctx itself",
	"Uplink.Run: " +
		"drop: return ctx.Err()": "equivalent but for one more attempt to connect: Run asks ctx again after it",
	"Uplink.findOldestOwed: " +
		"negate: !v.owes": "no test yet: needs a journal whose records cannot be read while it is open",
	"link.publishState: " +
		"never: err != nil in case <-t.Done(): if err := t.Error(); " +
		"err != nil { return f…": "equivalent: the token fails when the connection is lost, which serve hears as well",
	"link.serve: " +
		"literal: true in progress = true": "no test yet: the next wait between connections is longer",
	"link.oldestUnacked: " +
		"constant: maxUnacked in if " +
		"len(l.tokens) < maxUnacked": "one message more is sent before the wait for the broker",
	"link.moveCursor: " +
		"negate: err != nil": "decides only whether a line is logged",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 50, survivors)
}
