package mqtt

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestDroppedMessagesAreLoggedOncePerTopicAndMinute(t *testing.T) {
	var out bytes.Buffer
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	report := LogDropped(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return clock })
	for range 100 {
		report(Dropped{Topic: "a", Bytes: 2e6, Retained: true})
	}
	report(Dropped{Topic: "b", Bytes: 3e6})
	clock = clock.Add(time.Minute)
	report(Dropped{Topic: "a", Bytes: 2e6})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{"topic=a bytes=2000000 retained=true count=1",
		"topic=b bytes=3000000 retained=false count=1", "topic=a bytes=2000000 retained=false count=100"} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Fatalf("line %d is not %q:\n%s", i, want, out.String())
		}
	}
	if len(lines) != 3 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestTopicsBeyondTheLimitShareOneLogEntry(t *testing.T) {
	var out bytes.Buffer
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	report := LogDropped(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return clock })
	for i := range 10_000 {
		report(Dropped{Topic: fmt.Sprint(i)})
	}
	if n := strings.Count(out.String(), "\n"); n != maxTopics+1 {
		t.Errorf("%d lines, want %d", n, maxTopics+1)
	}
}
