// Command agent runs inside the emulated machine of the machine test. It makes the simulated hardware, plays the
// failure matrix on a portillond that runs under systemd, and tells the host what it saw, one line each, on the
// console:
//
//	boot ID            the kernel's boot id
//	edge NS LEVEL      the relay's line 17 changed, so many nanoseconds after the boot
//	ack SEQ            somebody was told that so many records are in the journal
//	record JSON        a record of the journal, told at the start and the end of a boot
//	PASS NAME: FIGURE  a row of the matrix holds
//	FAIL NAME: WHY     or does not
//	command N: TEXT    what a person typed to set the machine up
//	cut                cut the power now
//	look NAME          read the pin's registers from outside, then send a line
//	done               that was all
//
// The kernel's command line says which job it is: rig=rows, rig=revived, rig=cuts, rig=pi, rig=hub.
package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// console is where the host listens. A line is written whole: what the kernel says stands on lines of its own.
var console struct {
	sync.Mutex
	file *os.File
}

func say(format string, a ...any) {
	line := strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, a...)), "\n", " | ")
	console.Lock()
	defer console.Unlock()
	fmt.Fprintf(console.file, "\nrig: %s\n", line)
}

func main() {
	job := "early" // makes the hardware, as a service of systemd's that comes before all others
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
		select {} // the host ends the machine
	}
	if err != nil {
		os.Exit(1)
	}
}

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
		return hardware()
	case "init":
		if commandLine("rig") == "pi" {
			return pi()
		}
		if err := hardware(); err != nil {
			return err
		}
		return withMachine(map[string]func(*machine) error{"cuts": cuts}[commandLine("rig")])
	case "job":
		if commandLine("rig") == "hub" {
			return hubJob()
		}
		return withMachine(map[string]func(*machine) error{"rows": rowsJob, "revived": revivedJob}[commandLine("rig")])
	}
	return fmt.Errorf("no job is called %q", job)
}

// commandLine is the value of a word on the kernel's command line.
func commandLine(key string) string {
	b, _ := os.ReadFile("/proc/cmdline")
	for _, f := range strings.Fields(string(b)) {
		if v, ok := strings.CutPrefix(f, key+"="); ok {
			return v
		}
	}
	return ""
}
