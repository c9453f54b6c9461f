package hub

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// The hub stores at most 16 waiting batches in one transaction, so that the first acknowledgement does not wait for all
// of them.
func TestAtMostSixteenWaitingBatchesAreStoredTogether(t *testing.T) {
	c := &core{now: time.Now, topics: wire.Topics{Site: "biklab"}}
	ms := &messages{core: c, fleet: &fleet{core: c, machines: map[policy.MachineID]*Machine{"laser": {ID: "laser"}}}}
	l := &link{in: make(chan mqtt.Message, 40)}
	l.intake.busy = true // so that the batches wait
	batch := mqtt.Message{Topic: c.topics.Of(wire.TopicRecords, "laser"), Payload: []byte("{}")}
	for range 39 {
		l.in <- batch
	}
	if err := ms.receiveWaiting(l, batch); err != nil {
		t.Fatal(err)
	}
	if together, left := len(l.intake.waiting), len(l.in); together != 16 || left != 24 {
		t.Errorf("%d batches stored together and %d left, want 16 and 24", together, left)
	}
}

// lockedText is text that a logger writes while a test reads it.
type lockedText struct {
	mu   sync.Mutex
	text []byte
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	return len(b), nil
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// An administrator's tool writes a tag into the folder of tags while the hub runs. The hub reads the folder every two
// seconds.
func TestFolderOfTagsIsReadEveryTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedText
		core := &core{c: Config{Data: t.TempDir()}, now: time.Now, log: slog.New(slog.NewTextHandler(&log, nil))}
		none := &fleet{core: core}
		tk := &tagKeeper{core: core, fleet: none, restores: &restores{core: core, fleet: none}}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- tk.sendTags(ctx) }()
		synctest.Wait()
		if err := os.MkdirAll(core.c.tags(), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(core.c.tags(), "0123456789abcdef.json"), []byte("no tag"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Second - 1)
		synctest.Wait()
		if log.String() != "" {
			t.Errorf("the hub read the folder before two seconds had passed: %s", log.String())
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if !strings.Contains(log.String(), "reading a tag failed") {
			t.Errorf("the log after two seconds is %q, want a tag that cannot be read", log.String())
		}
		stop()
		<-ended
	})
}
