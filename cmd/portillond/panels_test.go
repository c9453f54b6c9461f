package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portillon/cmd/internal/sitetest"
	"portillon/daemon/control"
)

// maxMemory is the limit of a daemon's allocated memory in MB. A measurement on amd64 gave 9.5 MB, including 1.2 MB for
// the forms of 1,000 members' cards. The limit does not include pages of the program's file, because the kernel can
// drop these pages and read them from the file again. maxGrowth is the limit, in MB, of the growth in the last three
// quarters of the hour; such growth is garbage that is not yet collected.
const (
	maxMemory = 12.0
	maxGrowth = 2.0
)

// flag hour makes the test simulate an hour of a busy machine, with a tap every two seconds of simulated time. Without
// the flag, the test simulates a tenth of an hour, which still reveals a leak of a kilobyte per tap.
var hour = flag.Bool("hour", false, "tap for an hour of a busy machine: 1,800 taps, not 180")

// Sessions begin and end, unknown cards are tapped in between, problems are reported, and twenty panels are open all
// the time. The daemon's memory must not grow.
func TestMemoryDoesNotGrowWithTwentyPanelsAndManyTaps(t *testing.T) {
	if testing.Short() {
		t.Skip("short: runs a daemon through some hundred sessions")
	}
	taps, members := 180, 200
	if *hour {
		taps, members = 1800, 1000
	}
	l := &lab{t: t, dir: t.TempDir(), site: "big", reader: "{ kind: none }"}
	if err := sitetest.Make(l.path("site"), members, time.Now()); err != nil {
		t.Fatal(err)
	}
	l.furnish()
	l.start()
	l.waitForBundle()
	address := regexp.MustCompile(`panel=(http://[^ \n]+)/`).FindStringSubmatch(l.said.String())
	if address == nil {
		t.Fatalf("no panel in %q", l.said.String())
	}
	var heard atomic.Int64
	watch(t, address[1], 20, &heard)
	var at [4]float64
	for quarter := range at {
		for n := range taps / 4 {
			interval(l, address[1], quarter*taps/4+n, members)
		}
		at[quarter] = allocated(t, l.cmd.Process.Pid)
	}
	t.Logf("after each quarter: %.1f %.1f %.1f %.1f MB; %d views were heard", at[0], at[1], at[2], at[3], heard.Load())
	for _, mb := range at {
		if mb > maxMemory || mb > at[0]+maxGrowth {
			t.Errorf("%.1f MB, after %.1f: at most %.0f, and flat", mb, at[0], maxMemory)
		}
	}
	if heard.Load() < int64(20*taps) {
		t.Errorf("only %d views were heard: nobody was looking", heard.Load())
	}
}

// interval performs the actions of one interval of two seconds.
func interval(l *lab, panel string, n, members int) {
	card := sitetest.Card(n % members)
	if n%10 == 9 {
		card = fmt.Sprintf("FF%08X", n)
	}
	if rep := l.ask(control.Request{Do: "tap", Card: card}); rep.OK != (n%10 != 9) {
		l.t.Fatalf("tap %d: %+v", n, rep)
	}
	if n%50 == 0 {
		report(l.t, panel)
	}
	l.ask(control.Request{Do: "stop"})
}

// report reports a problem with the same requests as the panel's page.
func report(t testing.TB, panel string) {
	t.Helper()
	resp, err := http.Post(panel+"/form", "application/json", strings.NewReader(`{"do":"report"}`))
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Token string }
	err = json.NewDecoder(resp.Body).Decode(&f)
	resp.Body.Close()
	if err != nil || f.Token == "" {
		t.Fatalf("no form: %v, %s", err, resp.Status)
	}
	body := "--x\r\nContent-Disposition: form-data; name=\"item\"\r\n\r\nnoise\r\n--x--\r\n"
	if resp, err = http.Post(panel+"/form/"+f.Token, "multipart/form-data; boundary=x",
		strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// watch opens n panels and counts the received bytes until the test ends.
func watch(t *testing.T, panel string, n int, heard *atomic.Int64) {
	t.Helper()
	var open sync.WaitGroup
	t.Cleanup(open.Wait) // wait until the streams are closed
	for range n {
		resp, err := http.Get(panel + "/events")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %+v", err, resp)
		}
		t.Cleanup(func() { resp.Body.Close() })
		open.Go(func() {
			for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
				if strings.HasPrefix(lines.Text(), "data: ") {
					heard.Add(1)
				}
			}
		})
	}
}

// allocated returns the memory that a process has allocated and not released, in MB (RssAnon, proc_pid_status(5)).
func allocated(t testing.TB, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("there is no /proc here: ", err)
	}
	m := regexp.MustCompile(`RssAnon:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no RssAnon in %s", text)
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return float64(kib) * 1024 / 1e6
}
