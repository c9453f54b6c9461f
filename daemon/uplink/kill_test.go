package uplink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"portillon/daemon/journal"
	"portillon/daemon/uplink/brokertest"
)

const total = 5000

// The test binary also runs as the daemon: with this variable in its environment, it appends and sends records until
// the hub has acknowledged all of them, or until it is killed.
const childEnv = "PORTILLON_TEST_UPLINK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir, os.Getenv(childEnv+"_BROKER")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func child(dir, url string) error {
	t := &childTB{}
	s, _ := machineKey(t)
	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{Site: "lab", Machine: "laser", Signer: s})
	if err != nil {
		return err
	}
	conf := config(t, url)
	conf.Batch = 20
	u, err := New(conf, j, Handlers{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	for j.Len() < total {
		grow(t, j, 1)
		u.Notify()
	}
	for poll := time.NewTicker(5 * time.Millisecond); u.Acked() < total; <-poll.C {
	}
	cancel()
	<-ended
	return j.Close()
}

// childTB implements testing.TB in the child process, in which no test runs.
type childTB struct{ testing.TB }

func (*childTB) Helper()                   {}
func (*childTB) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (*childTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// makeLossy makes the broker slow, and makes it drop a message, an acknowledgement or a connection from time to time.
// At least 250 batches are sent, so that many batches are in flight when a kill happens.
func makeLossy(b *brokertest.Broker) {
	var count atomic.Int64
	b.Decide = func(m brokertest.Message) brokertest.Fate {
		switch n := count.Add(1); {
		case !isRecords(m):
			return brokertest.Deliver
		case n%101 == 0:
			return brokertest.Swallow
		case n%53 == 0:
			return brokertest.Lose
		case n%97 == 0:
			return brokertest.CutLate
		}
		<-time.After(15 * time.Millisecond)
		return brokertest.Deliver
	}
}

// runDaemon runs a daemon for at most the given time, and reports whether the daemon had to be killed.
func runDaemon(t *testing.T, dir, url string, atMost time.Duration) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_BROKER="+url)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("the daemon failed by itself: %v", err)
		}
		return false
	case <-time.After(atMost):
		_ = cmd.Process.Kill()
		<-ended
		return true
	}
}

func TestNothingIsLostWhenTheDaemonIsKilledRepeatedlyOnALossyBroker(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some ten seconds")
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	b := broker(t, makeLossy)
	h := startHub(t, b.URL())
	kills := 0
	// On a busy computer, the kill may come before the daemon has sent a record.
	for ; h.held() < total && kills < 100; kills++ {
		if !runDaemon(t, dir, b.URL(), time.Duration(100+r.IntN(300))*time.Millisecond) {
			break
		}
	}
	if runDaemon(t, dir, b.URL(), 5*deadline) { // the last daemon receives the final acknowledgement, and exits
		t.Fatal("the daemon never heard that the hub holds everything")
	}
	j := openJournal(t, filepath.Join(dir, "journal.db"))
	if j.Len() != total {
		t.Fatalf("the journal has %d records", j.Len())
	}
	wantAllRecords(t, h, j)
	if _, err := j.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if kills < 5 {
		t.Errorf("only %d kills: that proves little", kills)
	}
	t.Logf("%d kills", kills)
}
