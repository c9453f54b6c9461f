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

// answerRecorder is a ResponseWriter that records the body and supports Flush.
type answerRecorder struct {
	mu     sync.Mutex
	head   http.Header
	status int
	text   strings.Builder

	readForEver bool
	writeUntil  time.Time
}

func newAnswer() *answerRecorder { return &answerRecorder{head: http.Header{}} }

// SetReadDeadline and SetWriteDeadline exist because http.ResponseController calls these methods.
func (a *answerRecorder) SetReadDeadline(t time.Time) error {
	a.readForEver = t.IsZero()
	return nil
}

func (a *answerRecorder) SetWriteDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writeUntil = t
	return nil
}

func (a *answerRecorder) Header() http.Header { return a.head }
func (a *answerRecorder) Flush()              {}
func (a *answerRecorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answerRecorder) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(b)
}

func (a *answerRecorder) written() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.String()
}

// stream is an open stream in a test.
type stream struct {
	*answerRecorder
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

// runInBubble runs a test in a synctest bubble with a separate clock. The site's store and HTTP server are created
// outside the bubble.
func runInBubble(t *testing.T, test func(*testing.T, *site, http.Handler)) {
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
	runInBubble(t, func(t *testing.T, s *site, h http.Handler) {
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

// An event contains only the topic and no name of a member.
func TestEventsContainOnlyTheTopicThatChanged(t *testing.T) {
	runInBubble(t, func(t *testing.T, s *site, h http.Handler) {
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

func TestIdleEventStreamsSendHeartbeats(t *testing.T) {
	runInBubble(t, func(t *testing.T, s *site, h http.Handler) {
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
	runInBubble(t, func(t *testing.T, s *site, h http.Handler) {
		stream := s.stream(h, "administrator", "")
		// The user loses all roles while the stream is open, and receives no more events.
		change(s, "administrator", func(a *actor.Actor) { a.Site = actor.Member })
		s.store.Tell(store.Accounts)
		s.store.Tell(store.Directory)
		synctest.Wait()
		if !stream.open() || strings.Contains(stream.written(), "directory") {
			t.Errorf("a former administrator hears %q", stream.written())
		}
		// The user signs out, and the stream ends immediately.
		s.fakes.mu.Lock()
		delete(s.tokens, "administrator")
		s.fakes.mu.Unlock()
		s.store.Tell(store.Accounts)
		synctest.Wait()
		if stream.open() {
			t.Error("the stream outlives its session")
		}
		// The session expires, and the stream ends at the next heartbeat.
		stream = s.stream(h, "mentor", "")
		change(s, "mentor", func(a *actor.Actor) { *a = actor.Actor{} })
		time.Sleep(heartbeat + time.Second)
		synctest.Wait()
		if stream.open() {
			t.Error("the stream outlives its session's end")
		}
	})
}

// Blocking a member changes the topic directory. Removing the badge of a mentor changes the topic policy.
func TestEventStreamsEndWhenTheReaderLosesPermission(t *testing.T) {
	if testing.Short() {
		t.Skip("short: asks every route")
	}
	for _, topic := range []store.Topic{store.Accounts, store.Directory, store.Policy} {
		runInBubble(t, func(t *testing.T, s *site, h http.Handler) {
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

func TestEventStreamsAreLimitedPerAccount(t *testing.T) {
	runInBubble(t, func(t *testing.T, s *site, h http.Handler) {
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

func TestChangesOfUnknownTopicsAreNotSent(t *testing.T) {
	owner := actor.Actor{Account: "a", Site: actor.Owner}
	if mayReceive(owner, "secrets") || mayReceive(actor.Actor{}, store.States) {
		t.Error("somebody hears what was not decided")
	}
	if !mayReceive(actor.Actor{Account: "a", Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}},
		store.Records) {
		t.Error("a mentor does not hear that their machine has new records")
	}
	for _, topic := range everyTopic {
		if topicActs()[topic] == "" {
			t.Errorf("nobody decided who hears of %s", topic)
		}
	}
}
