package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The set contains fourteen badges that an earlier version judged wrongly. The test verifies each badge with the
// command that expected.tsv contains for the badge.
func TestVerdictsOnFormerlyMisjudgedBadgesAreCorrect(t *testing.T) {
	if testing.Short() {
		t.Skip("short: runs the programs as processes")
	}
	dir := secondSet(t)
	table, err := os.ReadFile(filepath.Join(dir, "expected.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(table)), "\n")
	if len(rows) != 14 {
		t.Errorf("expected.tsv has %d rows, want 14", len(rows))
	}
	for _, row := range rows {
		folder, command, want := column(row, 0), strings.Fields(column(row, 1)), column(row, 2)
		t.Run(folder, func(t *testing.T) {
			at := filepath.Join(dir, folder)
			code, out := runTool(t, at, command[1:]...)
			if strconv.Itoa(code) != want || command[0] != "portillon" {
				t.Errorf("exit code %d, want %s: %s", code, want, out)
			}
			if command[len(command)-1] != "--strict" {
				return
			}
			// If --strict is not given, the badge is valid, and the tool reports the same fault as a warning.
			code, out = runTool(t, at, append(command[1:len(command)-1], "--lang", "en")...)
			if code != 0 || !strings.Contains(out, "warning: ") {
				t.Errorf("without --strict: exit code %d, want 0 and a warning: %s", code, out)
			}
		})
	}
}

// secondSet returns the folder beside the repository that contains the badges. If the folder is missing, the test fails
// if the environment variable CI is set, and is otherwise skipped.
func secondSet(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/openbadges/second")
	if err == nil {
		_, err = os.Stat(dir)
	}
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("the test data is not there: %v", err)
	} else if err != nil {
		t.Skipf("the test data is not there: %v", err)
	}
	return dir
}

func column(row string, n int) string {
	parts := strings.Split(row, "\t")
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// runTool runs portillon in a folder. TestMain has added the tool to PATH.
func runTool(t *testing.T, dir string, args ...string) (code int, out string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "portillon", args...)
	c.Dir, c.WaitDelay = dir, time.Second
	b, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(b)
}
