package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestOnlyTheNamedRowsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts a hub and its machines")
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"-only", "kill", "-times", "1", "-dir", t.TempDir()}, &out, &errs); code != 0 ||
		strings.Contains(out.String(), "ingest") ||
		!strings.Contains(out.String(), "killed 1 times") {
		t.Errorf("exit %d: %s%s", code, out.String(), errs.String())
	}
	out.Reset()
	if code := run(t.Context(), []string{"-only", "nonsense"}, &out, &errs); code != 2 || out.Len() != 0 {
		t.Errorf("exit %d: %s", code, out.String())
	}
}
