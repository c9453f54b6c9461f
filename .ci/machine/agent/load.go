package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
)

// These are files of the row "first load": the program for armv6, its configuration, its socket and its bundle.
const (
	smallProgram = "/rig/files/portillond-armv6"
	manyConfig   = "/etc/portillon/many.yaml"
	manySocket   = "/run/portillon/many.sock"
	// a bundle with hundreds of members; no machine has verified their badges yet
	manyBundle = "/etc/portillon/many.bundle"
)

// firstLoad runs the program for a Pi Zero (armv6) with a bundle that has hundreds of unverified badges, and presents
// cards while the program verifies the badges. The previous bundle must remain in force until the whole new bundle is
// verified, so a tap waits for the verification of at most one signature.
func firstLoad(*machine) (string, error) {
	if err := runSteps(
		func() error { return os.MkdirAll("/tmp/many", 0o755) },
		func() error { return sh("cp", "/etc/portillon/site.bundle", "/tmp/many/site.bundle") },
	); err != nil {
		return "", err
	}
	cmd := exec.Command(smallProgram, "-config", manyConfig)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return "", err
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}()
	figure, err := tapsDuringLoad()
	if err != nil {
		return "", fmt.Errorf("%w; the daemon wrote: %s", err, tail([]byte(said.String())))
	}
	return figure, nil
}

// maxTapTime is the longest time that a tap may take on this emulated computer, which is many times slower than a Pi
// and also runs all other programs. If a daemon blocks taps while it loads a bundle, a tap takes longer than
// maxTapTime.
const maxTapTime = 3 * time.Second

// tapsDuringLoad replaces the bundle and then presents a card every 2.1 s until the new bundle is in force. It
// returns how long the taps took.
func tapsDuringLoad() (string, error) {
	version := func() uint64 {
		s, err := manyStatus()
		if err != nil {
			return 0
		}
		return s.Bundle
	}
	if err := within(60*time.Second, "the bundle of before", func() bool { return version() == 1 }); err != nil {
		return "", err
	}
	start := uptime()
	if err := sh("sh", "-c", "cp "+manyBundle+" /tmp/many/next && mv /tmp/many/next /tmp/many/site.bundle"); err != nil {
		return "", err
	}
	var waits []time.Duration
	for version() != 2 {
		at := uptime()
		if at-start > 5*time.Minute {
			return "", fmt.Errorf("new bundle is not in force after %v", at-start)
		}
		rep, err := manyAsk(control.Request{Do: "tap", Card: lea})
		if err != nil {
			return "", err
		}
		if !rep.OK {
			return "", fmt.Errorf("tap while the bundle is loaded was answered with %+v", rep)
		}
		waits = append(waits, uptime()-at)
		time.Sleep(2100 * time.Millisecond) // several presentations of one card within 2 s are one tap
	}
	took := uptime() - start
	slices.Sort(waits)
	if len(waits) < 3 {
		return "", fmt.Errorf("bundle was loaded in %[2]v, during %[1]d taps; the test needs at least 3 taps",
			len(waits), took)
	}
	longest := waits[len(waits)-1]
	if longest > maxTapTime {
		return "", fmt.Errorf("tap while the bundle is loaded took %v, want at most %v", longest, maxTapTime)
	}
	return fmt.Sprintf("%d taps in %.0f s, median %s, longest %s", len(waits), took.Seconds(), ms(waits[len(waits)/2]),
		ms(longest)), nil
}

// manyAsk sends a request to the daemon of the row "first load".
func manyAsk(r control.Request) (control.Reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return control.Call(ctx, manySocket, r)
}

// manyStatus returns the status of the daemon of the row "first load".
func manyStatus() (control.Status, error) {
	rep, err := manyAsk(control.Request{Do: "status"})
	if err != nil || rep.Status == nil {
		text, _ := json.Marshal(rep)
		return control.Status{}, fmt.Errorf("daemon's answer contains no status: %s %w", text, err)
	}
	return *rep.Status, nil
}
