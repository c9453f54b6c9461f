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
	// maxHubMemory is the largest allowed resident memory of a hub with its broker and 20 machines on a Raspberry Pi 3,
	// in MB.
	maxHubMemory = 150
)

// hubFigure matches the output line in which the hub's benchmark reports the hub's resident memory.
var hubFigure = regexp.MustCompile(`hub with broker: (\d+) MB resident, (\d+) at most`)

// hubJob runs a hub with 20 simulated machines and 500 members. It changes a card, a badge and the policy, restarts
// the hub, and checks the resident memory of the hub's process.
func hubJob() error {
	dir := "/tmp/hub"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out, err := exec.Command(hubProgram, "-only", "machines", "-machines", "20", "-members", "500", "-rounds", "1",
		"-dir", dir).CombinedOutput()
	all := hubFigure.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		return fmt.Errorf("benchmark of the hub printed no resident memory (%v): %s", err, tail(out))
	}
	most := 0 // the job ignores the measured times, because an emulated computer is too slow for them
	for _, m := range all {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			return err
		}
		most = max(most, n)
	}
	if most > maxHubMemory {
		return fmt.Errorf("hub uses %d MB of resident memory, want at most %d", most, maxHubMemory)
	}
	say("PASS hub with 20 machines: %d MB resident at most, of %d", most, maxHubMemory)
	return nil
}
