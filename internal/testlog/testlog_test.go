package testlog

import (
	"strings"
	"testing"
)

func TestLinesAfterTheTestAreDropped(t *testing.T) {
	var kept strings.Builder
	var late func(string, ...any)
	t.Run("inner", func(t *testing.T) {
		log := New(t, &kept)
		log.Info("during")
		late = log.Info
	})
	late("after")
	if got := kept.String(); !strings.Contains(got, "during") || strings.Contains(got, "after") {
		t.Errorf("%q", got)
	}
}
