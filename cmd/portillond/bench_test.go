package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portillon/cmd/internal/sitetest"
)

// BenchmarkStart starts the real portillond with bundles of 1,000 and 10,000 members with three badges each, which the
// daemon has verified before. The benchmark reports the time until the daemon is ready for a tap, and then the memory
// of the daemon without the guard.
//
//	go test ./cmd/portillond -run '^$' -bench Start -benchtime 5x
func BenchmarkStart(b *testing.B) {
	for _, members := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) { benchmarkStart(b, members) })
	}
}

func benchmarkStart(b *testing.B, members int) {
	l := &lab{t: b, dir: b.TempDir(), site: "big", reader: "{ kind: none }"}
	if err := sitetest.Make(l.path("site"), members, time.Now()); err != nil {
		b.Fatal(err)
	}
	l.furnish()
	first := time.Now()
	l.start()
	b.ReportMetric(float64(time.Since(first).Milliseconds()), "ms-first-ready")
	l.waitForBundle()
	b.ReportMetric(float64(time.Since(first).Milliseconds()), "ms-first-verified")
	l.signal(syscall.SIGTERM)
	l.waitForExit()
	var took []time.Duration
	var rss int
	var used time.Duration
	for b.Loop() {
		start := time.Now()
		l.start()
		took = append(took, time.Since(start))
		used += processor(b, l.cmd.Process.Pid)
		if s := l.status(); s.Bundle != 1 {
			b.Fatalf("%+v", s)
		}
		rss = max(rss, resident(b, l.cmd.Process.Pid))
		l.signal(syscall.SIGTERM)
		l.waitForExit()
	}
	least := took[0]
	for _, d := range took {
		least = min(least, d)
	}
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-ready")
	b.ReportMetric(float64(least.Milliseconds()), "ms-ready-least")
	b.ReportMetric(float64(used.Milliseconds())/float64(len(took)), "ms-processor")
	b.ReportMetric(float64(rss)*1024/1e6, "MB-resident") // /proc reports KiB
}

// waitForBundle waits until the bundle is in force. If the bundle contains hundreds of unverified badges, the daemon
// verifies them after its start, while it already serves taps.
func (l *lab) waitForBundle() {
	l.t.Helper()
	l.within(2*time.Minute, "a bundle in force", func() bool { return l.status().Bundle != 0 })
}

// processor returns the processor time of a process, in user and kernel mode. The benchmark uses processor time,
// because elapsed time depends on the load of the computer.
func processor(b *testing.B, pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip(err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(after)
	if len(f) < 13 {
		b.Fatalf("/proc/%d/stat: %q", pid, text)
	}
	user, _ := strconv.Atoi(f[11]) // fields 14 and 15 are utime and stime, in hundredths of a second (proc_pid_stat(5))
	kernel, _ := strconv.Atoi(f[12])
	return time.Duration(user+kernel) * 10 * time.Millisecond
}

// resident returns the resident memory of an idle process in kB, five seconds after the process became ready.
func resident(b *testing.B, pid int) int {
	<-time.After(5 * time.Second)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			b.Log(
				strings.Join(
					strings.Fields(string(text[strings.Index(string(text), "VmRSS"):strings.Index(string(text), "VmData")])),
					" ",
				),
			)
			return n
		}
	}
	return 0
}
