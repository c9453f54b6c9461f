package uplink

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"Uplink.Run: " +
		"drop: return ctx.Err()": "equivalent but for one more attempt to connect: Run asks ctx again after it",
	"link.moveCursor: " +
		"negate: err != nil": "decides only whether a line is logged",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 50, survivors)
}
