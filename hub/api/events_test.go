package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// answerOf is a ResponseWriter that records the body and supports Flush.
type answerOf struct {
	mu     sync.Mutex
	head   http.Header
	status int
	text   strings.Builder

	readForEver bool
	writeUntil  time.Time
}

func newAnswer() *answerOf { return &answerOf{head: http.Header{}} }

// SetReadDeadline and SetWriteDeadline are the methods that http.ResponseController uses.
func (a *answerOf) SetReadDeadline(t time.Time) error {
	a.readForEver = t.IsZero()
	return nil
}

func (a *answerOf) SetWriteDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeUntil = t
	return nil
}

func (a *answerOf) Header() http.Header { return a.head }
func (a *answerOf) Flush()              {}
func (a *answerOf) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answerOf) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(b)
}

func (a *answerOf) written() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String()
}

// stream is an open stream in a test.
type stream struct {
	*answerOf
	cancel context.CancelFunc
	ended  chan struct{}
}

func (s *site) stream(h http.Handler, as, query string) *stream {
	ctx, cancel := context.WithCancel(s.t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", Prefix+"/events"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+as)
	out := &stream{newAnswer(), cancel, make(chan struct{})}
	go func() {
		defer close(out.ended)
		h.ServeHTTP(out, r)
	}()
	synctest.Wait()
	return out
}

func (s *stream) open() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// bubble runs a test in a synctest bubble with a separate clock. The site's store and server are outside the bubble.
func bubble(t *testing.T, test func(*testing.T, *site, http.Handler)) {
	outside := newSiteWithEvents(t)
	synctest.Test(t, func(t *testing.T) {
		s := &site{fakes: outside.fakes, t: t, store: outside.store}
		h, err := New(s.options())
		if err != nil {
			t.Fatal(err)
		}
		test(t, s, h)
	})
}

var everyTopic = []store.Topic{store.Directory, store.Machines, store.Policy, store.Bundle, store.Records,
	store.States, store.Accounts, store.Taps}

func TestEventsAreFilteredByPermissions(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, h http.Handler) {
		for as, want := range map[string]string{
			"member":        "bundle machines states",
			"mentor":        "bundle machines policy records states",
			"maintainer":    "bundle machines policy records states",
			"administrator": "bundle directory machines policy records states taps",
			"owner":         "accounts bundle directory machines policy records states taps",
		} {
			stream := s.stream(h, as, "")
			var got []string
			for _, topic := range everyTopic {
				s.store.Tell(topic)
				synctest.Wait()
			}
			for line := range strings.Lines(stream.written()) {
				if topic, ok := strings.CutPrefix(line, "event: "); ok {
					got = append(got, strings.TrimSpace(topic))
				}
			}
			if sorted := strings.Join(sortedStrings(got), " "); sorted != want {
				t.Errorf("%s hears of %s, want %s", as, sorted, want)
			}
			stream.cancel()
			<-stream.ended
		}
	})
}

func sortedStrings(in []string) []string {
	for i := range in {
		for j := i; j > 0 && in[j] < in[j-1]; j-- {
			in[j], in[j-1] = in[j-1], in[j]
		}
	}
	return in
}

// An event contains only its topic, no name of a member.
func TestEventsContainOnlyTheirTopic(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, h http.Handler) {
		stream := s.stream(h, "owner", "?topic=taps")
		s.store.Tell(store.Directory)
		s.store.Tell(store.Taps)
		synctest.Wait()
		if got := stream.written(); got != ": follow\n\nevent: taps\ndata: {\"topic\":\"taps\"}\n\n" {
			t.Errorf("the stream says %q", got)
		}
		if stream.head.Get("Content-Type") != eventType {
			t.Errorf("content type %s", stream.head.Get("Content-Type"))
		}
		stream.cancel()
		<-stream.ended
		if bad := s.stream(h, "owner", "?topic=secrets"); bad.status != 422 {
			t.Errorf("an unknown topic: %d", bad.status)
		}
	})
}

func TestIdleStreamsSendHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, h http.Handler) {
		stream := s.stream(h, "owner", "")
		time.Sleep(3*heartbeat + time.Second)
		synctest.Wait()
		if got := strings.Count(stream.written(), ": beat\n\n"); got != 3 {
			t.Errorf("%d beats in 46 s", got)
		}
		if until := stream.writeUntil; !stream.readForEver || until.Before(time.Now()) ||
			until.After(time.Now().Add(time.Minute)) {
			t.Errorf("the stream reads for ever: %v, and may write until %s", stream.readForEver, until)
		}
		stream.cancel()
		<-stream.ended
	})
}

func TestEventStreamsEndWithTheirSession(t *testing.T) {
	change := func(s *site, token string, do func(*actor.Actor)) {
		s.fakes.mu.Lock()
		defer s.fakes.mu.Unlock()
		a := s.tokens[token]
		do(&a)
		s.tokens[token] = a
	}
	bubble(t, func(t *testing.T, s *site, h http.Handler) {
		stream := s.stream(h, "administrator", "")
		// Removed roles take effect immediately.
		change(s, "administrator", func(a *actor.Actor) { a.Site = actor.Member })
		s.store.Tell(store.Accounts)
		s.store.Tell(store.Directory)
		synctest.Wait()
		if !stream.open() || strings.Contains(stream.written(), "directory") {
			t.Errorf("a former administrator hears %q", stream.written())
		}
		// After the user signed out, no more events are sent.
		s.fakes.mu.Lock()
		delete(s.tokens, "administrator")
		s.fakes.mu.Unlock()
		s.store.Tell(store.Accounts)
		synctest.Wait()
		if stream.open() {
			t.Error("the stream outlives its session")
		}
		// An expired session is detected at the next heartbeat.
		stream = s.stream(h, "mentor", "")
		change(s, "mentor", func(a *actor.Actor) { *a = actor.Actor{} })
		time.Sleep(heartbeat + time.Second)
		synctest.Wait()
		if stream.open() {
			t.Error("the stream outlives its session's end")
		}
	})
}

// Blocking a member changes the directory; removing a mentor's badge changes the policy.
func TestStreamsEndWhenTheReaderLosesPermission(t *testing.T) {
	if testing.Short() {
		t.Skip("short: asks every route")
	}
	for _, topic := range []store.Topic{store.Accounts, store.Directory, store.Policy} {
		bubble(t, func(t *testing.T, s *site, h http.Handler) {
			stream := s.stream(h, "mentor", "?topic=states")
			s.fakes.mu.Lock()
			delete(s.tokens, "mentor")
			s.fakes.mu.Unlock()
			s.store.Tell(topic)
			synctest.Wait()
			if stream.open() {
				t.Errorf("the stream outlives a change of %s", topic)
			}
		})
	}
}

func TestStreamsAreLimitedPerAccount(t *testing.T) {
	bubble(t, func(t *testing.T, s *site, h http.Handler) {
		var open []*stream
		for range streamsPerAccount {
			open = append(open, s.stream(h, "member", ""))
		}
		if more := s.stream(h, "member", ""); more.status != http.StatusTooManyRequests {
			t.Errorf("one stream too many: %d", more.status)
		}
		if other := s.stream(h, "owner", ""); other.status != http.StatusOK {
			t.Errorf("another account: %d", other.status)
		} else {
			open = append(open, other)
		}
		open[0].cancel()
		<-open[0].ended
		again := s.stream(h, "member", "")
		if again.status != http.StatusOK {
			t.Errorf("after one ended: %d", again.status)
		}
		for _, o := range append(open, again) {
			o.cancel()
			<-o.ended
		}
	})
	st := newStreams()
	for i := range streamsOfHub {
		if !st.begin(string(rune('a' + i))) {
			t.Fatalf("stream %d was refused", i)
		}
	}
	if st.begin("other") {
		t.Error("the hub takes any number of streams")
	}
}

func TestUnknownTopicsAreSentToNobody(t *testing.T) {
	owner := actor.Actor{Account: "a", Site: actor.Owner}
	if mayHear(owner, "secrets") || mayHear(actor.Actor{}, store.States) {
		t.Error("somebody hears what was not decided")
	}
	if !mayHear(actor.Actor{Account: "a", Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}},
		store.Records) {
		t.Error("a mentor does not hear that their machine has new records")
	}
	for _, topic := range everyTopic {
		if topicActs()[topic] == "" {
			t.Errorf("nobody decided who hears of %s", topic)
		}
	}
}
