// Command agent runs inside the emulated computer of the machine test. The agent creates the simulated hardware, runs
// the failure matrix on a portillond under systemd, and reports to the host on the console, one line each:
//
//	boot ID            the kernel's boot id
//	edge NS LEVEL      the relay's line 17 changed this many nanoseconds after the boot
//	ack SEQ            this number of records of the journal has been acknowledged
//	record JSON        a record of the journal, sent at the start and the end of a boot
//	PASS NAME: FIGURE  a row of the matrix passed
//	FAIL NAME: WHY     a row of the matrix failed
//	command N: TEXT    a command that a person typed to set up the machine
//	cut                request to cut the power now
//	look NAME          request to read the pin's registers from outside, then to send a line
//	done               end of the job
//
// The kernel's command line names the job: rig=rows, rig=revived, rig=cuts, rig=pi, rig=hub.
package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// console is the serial console that the host reads. say writes each line in one call, so that a kernel message
// appears on another line.
var console struct {
	sync.Mutex // lock for writing, so that lines do not mix
	file       *os.File
}

// say writes one line to the host.
func say(format string, a ...any) {
	line := strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, a...)), "\n", " | ")
	console.Lock()
	defer console.Unlock()
	fmt.Fprintf(console.file, "\nrig: %s\n", line)
}

func main() {
	job := "early" // early creates the simulated hardware; it runs in a systemd service that starts before all others
	if os.Getpid() == 1 {
		job = "init"
	} else if len(os.Args) > 1 {
		job = os.Args[1]
	}
	err := run(job)
	if err != nil {
		say("FAIL %s: %v", job, err)
	}
	if job != "early" {
		say("done")
		select {} // wait forever, because the host ends the machine
	}
	if err != nil {
		os.Exit(1)
	}
}

// run runs a job of the agent: early, init (as process 1, without systemd) or job (as a systemd service).
func run(job string) (err error) {
	if job == "init" {
		if err := mounts(); err != nil {
			return err
		}
	}
	if console.file, err = os.OpenFile("/dev/console", os.O_RDWR, 0); err != nil {
		return err
	}
	switch job {
	case "early":
		return setUpHardware()
	case "init":
		if commandLine("rig") == "pi" {
			return pi()
		}
		if err := setUpHardware(); err != nil {
			return err
		}
		return withMachine(map[string]func(*machine) error{"cuts": cuts}[commandLine("rig")])
	case "job":
		if commandLine("rig") == "hub" {
			return hubJob()
		}
		return withMachine(map[string]func(*machine) error{"rows": rowsJob, "revived": revivedJob}[commandLine("rig")])
	}
	return fmt.Errorf("kernel's command line names job %q, want early, init or job", job)
}

// commandLine returns the value of a key on the kernel's command line, or "" if the key is not there.
func commandLine(key string) string {
	b, _ := os.ReadFile("/proc/cmdline")
	for _, f := range strings.Fields(string(b)) {
		if v, ok := strings.CutPrefix(f, key+"="); ok {
			return v
		}
	}
	return ""
}
