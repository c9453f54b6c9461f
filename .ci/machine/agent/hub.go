package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

const (
	hubProgram = "/rig/files/hub-bench"
	// hubMost is what a hub with its broker may have resident at most on a Raspberry Pi 3 with 20 machines, in MB.
	hubMost = 150
)

// hubFigure is how the benchmark of the hub says what the hub had resident.
var hubFigure = regexp.MustCompile(`hub with broker: (\d+) MB resident, (\d+) at most`)

// hubJob runs a hub with 20 simulated machines and 500 members through changes of a card, a badge and the policy and
// through a restart, and reads what the hub's process had resident.
func hubJob() error {
	dir := "/tmp/hub"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := exec.Command(hubProgram, "-only", "machines", "-machines", "20", "-members", "500", "-rounds", "1",
		"-dir", dir).CombinedOutput()
	all := hubFigure.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return fmt.Errorf("no figure (%v): %s", err, tail(out))
	}
	most := 0 // its times are of an emulated computer: what the benchmark says of them does not count here
	for _, m := range all {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			return err
		}
		most = max(most, n)
	}
	if most > hubMost {
		return fmt.Errorf("%d MB resident, want at most %d", most, hubMost)
	}
	say("PASS hub with 20 machines: %d MB resident at most, of %d", most, hubMost)
	return nil
}
