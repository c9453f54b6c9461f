package uplink

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/wire"
)

// mosquitto starts a plain mosquitto broker on a port of 127.0.0.1, and stops it by its process id. If the program
// mosquitto is not installed, the test is skipped; in CI the test fails instead.
func mosquitto(t *testing.T, port int) *exec.Cmd {
	t.Helper()
	program := findMosquitto(t)
	file := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf(
		"listener %d 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nlog_dest stderr\npersistence false\n",
		port,
	)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", file)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	running := make(chan bool, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasSuffix(lines.Text(), "running") {
				replaceOldest(running, true)
			}
		}
		replaceOldest(running, false)
	}()
	if !within(t, "mosquitto", running) {
		t.Fatal("mosquitto has ended at once")
	}
	return cmd
}

func findMosquitto(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("mosquitto is not installed, and in CI it must be")
	}
	t.Skip("mosquitto is not installed: apt install mosquitto")
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestFiveThousandRecordsArriveInOrderAfterABrokerOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("short: sends thousands of records through a broker")
	}
	findMosquitto(t)
	port := freePort(t)
	url := fmt.Sprintf("tcp://127.0.0.1:%d", port)
	j := memoryJournal(t)
	c := config(t, url)
	c.Stall = 30 * time.Second // the time is so long that no record is sent twice because the computer is busy
	u, _ := run(t, c, j, Handlers{})
	grow(t, j, 5000)
	mosquitto(t, port)
	h := startHub(t, url)
	u.Notify()
	wantAllRecords(t, h, j)
	if h.twice.Load() > 600 {
		t.Errorf("%d records travelled twice through a broker that lost nothing", h.twice.Load())
	}
}

func TestRetainedMessagesAreRepublishedAfterMosquittoRestarts(t *testing.T) {
	findMosquitto(t)
	port := freePort(t)
	url := fmt.Sprintf("tcp://127.0.0.1:%d", port)
	first := mosquitto(t, port)
	j := memoryJournal(t)
	grow(t, j, 100)
	h := startHub(t, url)
	u, stop := run(t, config(t, url), j, Handlers{})
	u.SetState(wire.State{Machine: "laser", Phase: "off"})
	h.waitFor(100)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	grow(t, j, 100)
	mosquitto(t, port) // the new broker has stored nothing
	retained := make(chan string, 20)
	watch(t, url, "#", func(topic string, _ bool, p []byte) { replaceOldest(retained, topic+" "+string(p)) })
	wantAllRecords(t, h, j)
	want := topics.Availability("laser") + " " + wire.Online
	for within(t, want, retained) != want {
	}
	stop()
	want = topics.Availability("laser") + " " + wire.Offline
	for within(t, want, retained) != want {
	}
}
