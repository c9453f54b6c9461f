package hub_test

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
