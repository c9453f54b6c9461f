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

// Limits of event streams.
const (
	heartbeat  = 15 * time.Second // must be shorter than 60 s, after which many proxies close a silent connection
	eventWrite = 10 * time.Second // a client that reads nothing for this time is disconnected
	// HTTP/1.1 browsers open at most six connections to a host, so that one browser rarely needs more
	streamsPerAccount = 6
	streamsOfHub      = 256
)

// event is one message of a stream. An event contains only the topic that changed, and therefore no personal data.
type event struct {
	Topic store.Topic `json:"topic"`
}

// topicActs returns, for each topic, the permission that a reader needs to receive its events.
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

// eventAPI serves the stream of changes.
type eventAPI struct {
	authenticate func(*http.Request, func(*http.Request) (actor.Actor, error)) (actor.Actor, error)
	events       Events
	sessionNow   func(*http.Request) (actor.Actor, error)

	streams *streams
}

// routes returns the route of events. The route requires no permission, because mayReceive filters each event before it
// is sent.
func (s *eventAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/events", Query: []string{"topic"}, Produces: []string{eventType}, handle: s.streamEvents},
	}
}

const eventType = "text/event-stream"

// mayReceive reports whether the actor has the permission for a topic, for the site or for one of the actor's machines.
func mayReceive(a actor.Actor, topic store.Topic) bool {
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

// streamEvents sends the topics that change as server-sent events (HTML Living Standard). The stream ends when the
// session or token ends, or when the client disconnects.
func (s *eventAPI) streamEvents(c *call) (answer, error) {
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
		s.sendEvents(c, w, topics)
	}}, nil
}

// topics returns the topic that the request names, or all topics if the request names no topic.
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

// permissionTopics returns the topics after whose changes a stream must check its reader's rights again: accounts and
// sessions, the state of members, and the roles from badges.
func permissionTopics() []store.Topic {
	return []store.Topic{store.Accounts, store.Directory, store.Policy}
}

// sendEvents sends the topics that change until the stream ends. After each heartbeat and each change of a permission
// topic, sendEvents checks the reader's permissions again.
func (s *eventAPI) sendEvents(c *call, w http.ResponseWriter, topics []store.Topic) {
	// Subscribe to the requested topics and to the topics that may end the stream.
	sub, cancel := s.events.Subscribe(append(permissionTopics(), topics...)...)
	defer cancel()
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	h := w.Header()
	h.Set("Content-Type", eventType)
	h.Set("X-Accel-Buffering", "no") // this header tells a reverse proxy (nginx) to forward each event at once
	w.WriteHeader(http.StatusOK)
	out := &sender{w: w, control: http.NewResponseController(w)}
	// Disable the server's read timeout, because net/http reads during the whole stream to detect a disconnect.
	_ = out.control.SetReadDeadline(time.Time{})
	who, alive := c.actor, out.send(": follow\n\n")
	for alive {
		// Wait for a change, a heartbeat or the end of the connection.
		var changed []store.Topic
		select {
		case <-c.ctx().Done():
			return
		case <-beat.C:
			alive = out.send(": beat\n\n")
		case <-sub.C():
			changed = sub.Take()
		}
		// After a heartbeat, or a change that may affect the reader, check the reader's permissions again.
		mayEnd := func(t store.Topic) bool { return slices.Contains(permissionTopics(), t) }
		if changed == nil || slices.ContainsFunc(changed, mayEnd) {
			if who, alive = s.currentReader(c, who); !alive {
				return
			}
		}
		for _, topic := range changed {
			if slices.Contains(topics, topic) && mayReceive(who, topic) {
				alive = alive && out.sendEvent(topic)
			}
		}
	}
}

// currentReader returns the stream's reader with the current roles, and false if the reader's session or token has
// ended.
func (s *eventAPI) currentReader(c *call, was actor.Actor) (actor.Actor, bool) {
	a, err := s.authenticate(c.r, s.sessionNow)
	return a, err == nil && a.Account == was.Account
}

// sender writes events to a client. Each write has a deadline.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// sendEvent sends one event in the format of server-sent events (HTML, section 9.2.5), and reports whether the client
// is still connected.
func (s *sender) sendEvent(topic store.Topic) bool {
	b, err := json.Marshal(event{topic})
	return err == nil && s.send(fmt.Sprintf("event: %s\ndata: %s\n\n", topic, b))
}

// send writes text and flushes it, and reports whether the client is still connected.
func (s *sender) send(text string) bool {
	// Ignore the error of a writer that does not support deadlines, as in tests, because the next write shows whether
	// the client is connected. The deadline uses the computer's clock, because the hub's clock may be simulated.
	_ = s.control.SetWriteDeadline(time.Now().Add(eventWrite + heartbeat))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

// tooManyStreams returns the error for a stream above the limits (streamsPerAccount, streamsOfHub).
func tooManyStreams() error {
	return &refusal{http.StatusTooManyRequests, "streams", httpd.Text{FR: "trop de flux ouverts par ce compte",
		EN: "the account has too many streams open"}}
}

// streams counts the open streams. The methods may be called concurrently.
type streams struct {
	mu  sync.Mutex
	of  map[string]int
	all int
}

func newStreams() *streams { return &streams{of: map[string]int{}} }

// begin counts a new stream. begin returns false if the account or the hub has too many streams.
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

// end removes a stream from the count.
func (s *streams) end(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[account]--; s.of[account] == 0 {
		delete(s.of, account)
	}
}
