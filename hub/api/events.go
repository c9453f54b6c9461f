package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/httpd"
	"portillon/hub/store"
)

// The bounds of event streams.
const (
	heartbeat         = 15 * time.Second // a proxy closes what is silent for 60 s
	eventWrite        = 10 * time.Second // a client that takes nothing for so long is cut off
	streamsPerAccount = 6                // browsers open at most six connections to a host (HTTP/1.1)
	streamsOfHub      = 256
)

// event is what a stream says: that something changed, and never what, so that no name is in it.
type event struct {
	Topic store.Topic `json:"topic"`
}

// topicActs says which right lets somebody hear of a topic.
func topicActs() map[store.Topic]actor.Act {
	return map[store.Topic]actor.Act{
		store.Directory: actor.ReadMembers,
		store.Machines:  actor.ReadMachines,
		store.Policy:    actor.ReadPolicy,
		store.Bundle:    actor.ReadMachines,
		store.Records:   actor.ReadReports,
		store.States:    actor.ReadMachines,
		store.Accounts:  actor.WriteAccounts,
		store.Taps:      actor.ReadTaps,
	}
}

// eventAPI tells what changed, as a stream.
type eventAPI struct {
	authenticate func(*http.Request, func(*http.Request) (actor.Actor, error)) (actor.Actor, error)
	events       Events
	sessionNow   func(*http.Request) (actor.Actor, error)

	streams *streams
}

// routes lists the one route of events. It names no permission: each event is filtered when it is sent (mayHear).
func (s *eventAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/events", Query: []string{"topic"}, Produces: []string{eventType}, handle: s.stream},
	}
}

const eventType = "text/event-stream"

// mayHear reports whether the actor has the right at the site, or at one of their machines.
func mayHear(a actor.Actor, topic store.Topic) bool {
	act, known := topicActs()[topic]
	if !known {
		return false
	}
	if a.May(act, actor.Target{}) == nil {
		return true
	}
	for m := range a.Machines {
		if a.May(act, actor.Target{Machine: m}) == nil {
			return true
		}
	}
	return false
}

// stream answers with a stream of topics that changed (HTML Living Standard, server-sent events). It ends when the
// session or token ends, and when the client goes.
func (s *eventAPI) stream(c *call) (answer, error) {
	if c.actor.Account == "" {
		return answer{}, &actor.Denied{Act: actor.ReadOwn, Actor: c.actor}
	}
	if !accepts(c.r, eventType) {
		return answer{}, notAcceptable([]string{eventType})
	}
	topics, err := c.topics()
	if err != nil {
		return answer{}, err
	}
	if !s.streams.begin(c.actor.Account) {
		return answer{}, tooManyStreams()
	}
	return answer{take: func(w http.ResponseWriter) {
		defer s.streams.end(c.actor.Account)
		s.follow(c, w, topics)
	}}, nil
}

// topics are those that the request asks for: all, or one.
func (c *call) topics() ([]store.Topic, error) {
	var all []store.Topic
	for t := range topicActs() {
		all = append(all, t)
	}
	slices.Sort(all)
	if one := c.query.Get("topic"); one != "" {
		if !slices.Contains(all, store.Topic(one)) {
			return nil, c.invalid("topic", one, httpd.Text{FR: "sujet inconnu", EN: "unknown topic"}, fmt.Sprint(all))
		}
		return []store.Topic{store.Topic(one)}, nil
	}
	return all, nil
}

// whoMayHear are the topics whose change may end a stream or change its reader's roles: accounts and sessions, the
// standing of members, and what badges give.
func whoMayHear() []store.Topic { return []store.Topic{store.Accounts, store.Directory, store.Policy} }

// follow sends events of the topics until the client goes, or until its session or token ends. A heartbeat keeps
// proxies from closing a quiet stream.
func (s *eventAPI) follow(c *call, w http.ResponseWriter, topics []store.Topic) {
	sub, cancel := s.events.Subscribe(append(whoMayHear(), topics...)...)
	defer cancel()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	h := w.Header()
	h.Set("Content-Type", eventType)
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	out := &sender{w: w, control: http.NewResponseController(w)}
	// The server's read timeout would end the stream with it: net/http reads on, to notice that a client went.
	_ = out.control.SetReadDeadline(time.Time{})
	who, alive := c.actor, out.send(": follow\n\n")
	for alive {
		var changed []store.Topic
		select {
		case <-c.ctx().Done():
			return
		case <-beat.C:
			alive = out.send(": beat\n\n")
		case <-sub.C():
			changed = sub.Take()
		}
		mayEnd := func(t store.Topic) bool { return slices.Contains(whoMayHear(), t) }
		if changed == nil || slices.ContainsFunc(changed, mayEnd) {
			if who, alive = s.still(c, who); !alive {
				return
			}
		}
		for _, topic := range changed {
			if slices.Contains(topics, topic) && mayHear(who, topic) {
				alive = alive && out.event(topic)
			}
		}
	}
}

// still says who the stream's reader is now: their roles may have changed, and their session may have ended.
func (s *eventAPI) still(c *call, was actor.Actor) (actor.Actor, bool) {
	a, err := s.authenticate(c.r, s.sessionNow)
	return a, err == nil && a.Account == was.Account
}

// sender writes events, each under a deadline.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// event sends one event in the format of server-sent events (HTML, section 9.2.5), and reports whether the client is
// still there.
func (s *sender) event(topic store.Topic) bool {
	b, err := json.Marshal(event{topic})
	return err == nil && s.send(fmt.Sprintf("event: %s\ndata: %s\n\n", topic, b))
}

// send writes text and flushes it, and reports whether the client is still there.
func (s *sender) send(text string) bool {
	// A writer without deadlines (a test's) returns an error here; the next write shows whether the client is there.
	// The deadline is by the computer's clock: a demonstration's hub has another one.
	_ = s.control.SetWriteDeadline(time.Now().Add(eventWrite + heartbeat))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

// tooManyStreams refuses a stream beyond the limits (streamsPerAccount, streamsOfHub).
func tooManyStreams() error {
	return &refusal{http.StatusTooManyRequests, "streams", httpd.Text{FR: "trop de flux ouverts par ce compte",
		EN: "the account has too many streams open"}}
}

// streams counts the open streams.
type streams struct {
	mu  sync.Mutex
	of  map[string]int
	all int
}

func newStreams() *streams { return &streams{of: map[string]int{}} }

// begin counts a stream of an account, and reports false if the account or the hub has too many.
func (s *streams) begin(account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= streamsOfHub || s.of[account] >= streamsPerAccount {
		return false
	}
	s.all++
	s.of[account]++
	return true
}

// end counts a stream as ended.
func (s *streams) end(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[account]--; s.of[account] == 0 {
		delete(s.of, account)
	}
}
