package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// memory measures how much memory the daemon and the guard use after all previous rows.
func memory(m *machine) (string, error) {
	if err := m.session(); err != nil {
		return "", err
	}
	daemon, err := daemonPID()
	if err != nil {
		return "", err
	}
	guard, err := guardPID(daemon)
	if err != nil {
		return "", err
	}
	rss, pss, anon := 0, 0, 0
	figure := ""
	for _, p := range []struct {
		name string
		pid  int
	}{{"daemon", daemon}, {"guard", guard}} {
		r, s := kilobytes(p.pid, "status", "VmRSS"), kilobytes(p.pid, "smaps_rollup", "Pss")
		rss, pss, anon = rss+r, pss+s, anon+kilobytes(p.pid, "status", "RssAnon")
		figure += fmt.Sprintf("%s RSS %.1f MB (PSS %.1f), ", p.name, float64(r)/1e3, float64(s)/1e3)
	}
	figure += fmt.Sprintf("together RSS %.1f MB (PSS %.1f, of their own %.1f)", float64(rss)/1e3, float64(pss)/1e3,
		float64(anon)/1e3)
	// It measures the proportional set size (PSS), because the two processes run the same program and share its pages.
	if pss > 25_000 || pss == 0 {
		return "", fmt.Errorf("daemon and guard use too much memory: %s, want at most 25 MB", figure)
	}
	return figure, nil
}

// kilobytes returns the value of a field in a file of /proc/PID in kB, or 0 if the file does not have the field.
func kilobytes(pid int, file, field string) int {
	m := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB`).FindStringSubmatch(
		read(fmt.Sprintf("/proc/%d/%s", pid, file)))
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n * 1024 / 1000
}

// upgraded installs the same package again during a session, and checks that the journal continues afterwards.
func upgraded(m *machine) (string, error) {
	if debianPackage() == "" {
		return "", errSkip("there is no package")
	}
	before, err := records()
	if err != nil {
		return "", err
	}
	figure, err := m.endOrderly(install, func() error { return waitForPhase("off", 60*time.Second) })
	if err != nil {
		return "", err
	}
	// The upgrade ends one session and restarts the daemon; the journal must contain records of both events.
	after, err := records()
	if err == nil && len(after) <= len(before) {
		err = fmt.Errorf(
			"journal has %[2]d records after the upgrade, want more than the %[1]d before",
			len(before),
			len(after),
		)
	}
	return figure, err
}

// removed removes the package during a session, and checks that the journal remains on the disk.
func removed(m *machine) (string, error) {
	if debianPackage() == "" {
		return "", errSkip("there is no package")
	}
	return m.endOrderly(func() error { return sh("dpkg", "-r", "portillon") }, func() error { return nil })
}
