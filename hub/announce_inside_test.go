package hub

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newUnannounced returns a hub without a listener for machines, so each announcement fails before it opens a socket.
func newUnannounced(text *bytes.Buffer) *enrolments {
	return newParts(&core{log: slog.New(slog.NewTextHandler(text, nil)), now: time.Now}).enrolments
}

func TestFailedAnnouncementIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 5*announceEvery)
		defer cancel()
		newUnannounced(&text).announceAll(ctx)
		if n := strings.Count(text.String(), "hub not announced on the network"); n != 1 {
			t.Errorf("%d lines in five minutes:\n%s", n, text.String())
		}
	})
}

func TestHubAnnouncesItselfOnceOnEachNetwork(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	en := newUnannounced(&bytes.Buffer{})
	networks := 0 // number of networks on which the hub announces itself, without loopback
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagMulticast != 0 && i.Flags&net.FlagLoopback == 0 {
			networks++
		}
	}
	err = en.announceNew(map[int]func() error{})
	if err == nil || strings.Count(err.Error(), "missing port in address") != networks ||
		!strings.Contains(err.Error(), "this computer has no network") {
		t.Errorf("%d networks: %v", networks, err)
	}
	stops := map[int]func() error{}
	for _, i := range all {
		stops[i.Index] = func() error { return nil }
	}
	if err := en.announceNew(stops); err != nil { // every network is in stops, so announceNew announces nothing
		t.Errorf("networks that are announced already: %v", err)
	}
}
