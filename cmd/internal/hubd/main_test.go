package hubd

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// safeBuffer is a buffer that is safe for concurrent reads and writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func config(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	skey, _, err := note.GenerateKey(rand.Reader, "portillon-biklab")
	if err != nil {
		t.Fatal(err)
	}
	_, vkey, err := note.GenerateKey(rand.Reader, "portillon-laser")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(
		"portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\nmachines:\n  laser: { key: %q }\nmqtt: { listen: "+
			"\"127.0.0.1:0\" }\nhttp: 127.0.0.1:0\n",
		vkey,
	)
	for name, s := range map[string]string{"hub.key": skey, "hub.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "hub.yaml")
}

func TestHubRunsUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out, errs safeBuffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"-config", config(t)}, &out, &errs) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	// Poll, because only the hub's log shows that it is connected.
	for end := time.After(time.Minute); !strings.Contains(errs.String(), "msg=connected"); {
		select {
		case <-end:
			t.Fatal(errs.String())
		case <-tick.C:
		}
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}

func TestHubReportsWrongArgumentsAndFilesAndExitsWith2(t *testing.T) {
	good := config(t)
	bad := filepath.Join(t.TempDir(), "hub.yaml")
	if err := os.WriteFile(bad, []byte("portillon: 1\nsiet: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-config", good, "-check"}, 0, "the file is sound"},
		{[]string{"-h"}, 0, "-config"},
		{[]string{"-config", "/nowhere/at/all"}, 2, "portillon-hub: open /nowhere/at/all"},
		{[]string{"-config", bad, "-check"}, 2, `hub.yaml:2:1: unknown key "siet" (did you mean "site"?)`},
		{[]string{"-nonsense"}, 2, "nonsense"},
		{[]string{"start"}, 2, "portillon-hub: hint: portillon-hub -config hub.yaml"},
	} {
		var out, errs safeBuffer
		if code := run(context.Background(), c.args, &out, &errs); code != c.code ||
			!strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("%v: exit %d, %s%s", c.args, code, out.String(), errs.String())
		}
	}
}
