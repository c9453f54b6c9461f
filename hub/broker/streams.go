package broker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"portillon/wire"
)

const (
	// keepFor is how long the embedded server keeps a message that is not delivered yet. A machine sends again after 10 s.
	keepFor = 30 * time.Second
	// maxWaiting bounds all messages that are not delivered yet, in bytes; beyond it the oldest are removed.
	maxWaiting = 64 << 20
	// otherStores is for sessions and what else the MQTT gateway stores, in bytes.
	otherStores = 64 << 20

	// Names that the MQTT gateway of nats-server gives its streams (server/mqtt.go).
	messages = "$MQTT_msgs"
	retained = "$MQTT_rmsgs"
	sessions = "$MQTT_sess"
	incoming = "$MQTT_qos2in"
	outgoing = "$MQTT_out"
)

// removeLeftovers removes what the MQTT gateway stored for clients of the last run: their sessions, consumers and
// messages. Every client comes back with a clean session; what is retained stays.
func removeLeftovers(dir string) error {
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	var errs []error
	for _, name := range []string{messages, sessions, incoming, outgoing, filepath.Join(retained, "obs")} {
		errs = append(errs, os.RemoveAll(filepath.Join(streams, name)))
	}
	return errors.Join(errs...)
}

// maxRetained bounds all retained messages, in bytes. With accounts it cannot be reached: each topic holds one packet,
// and each account may publish on a known number of topics, with room for machines that are gone.
func maxRetained(machines int) int64 {
	perMachine := 0
	for _, t := range wire.TopicTable() {
		if t.Publishes(wire.MachineParty) || t.OfMachine() {
			perMachine++
		}
	}
	return int64((machines+16)*perMachine) * wire.MaxPacket
}

// limitStreams makes the gateway's two large streams before the gateway does, or changes them, so that they are
// bounded.
func limitStreams(s *server.Server, user, password string, machines int) error {
	return errors.Join(
		setStream(s, user, password, server.StreamConfig{Name: messages, Subjects: []string{"$MQTT.msgs.>"},
			Storage:   server.FileStorage,
			Retention: server.InterestPolicy, Replicas: 1, MaxAge: keepFor, MaxBytes: maxWaiting, Discard: server.DiscardOld}),
		setStream(s, user, password, server.StreamConfig{Name: retained, Subjects: []string{"$MQTT.rmsgs.>"},
			Storage:   server.FileStorage,
			Retention: server.LimitsPolicy, Replicas: 1, MaxMsgsPer: 1,
			MaxBytes: maxRetained(machines), Discard: server.DiscardNew}))
}

// setStream makes a stream of the embedded server with these limits, or changes the limits of the one that is there.
func setStream(s *server.Server, user, password string, c server.StreamConfig) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var last error
	for _, verb := range []string{"CREATE", "UPDATE"} {
		answer, err := request(s, user, password, "$JS.API.STREAM."+verb+"."+c.Name, body)
		if err != nil {
			return err
		}
		var reply struct {
			Error *struct{ Description string } `json:"error"`
		}
		if err := json.Unmarshal(answer, &reply); err != nil {
			return err
		}
		if reply.Error == nil {
			return nil
		}
		last = fmt.Errorf("limit of the stream %s: %s", c.Name, reply.Error.Description)
	}
	return last
}

// request asks the embedded server's JetStream API over a connection inside this process, in the NATS protocol
// (docs.nats.io/reference/reference-protocols/nats-protocol).
func request(s *server.Server, user, password, subject string, body []byte) ([]byte, error) {
	c, err := s.InProcessConn()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(ready))
	r := bufio.NewReader(c)
	if _, err := r.ReadString('\n'); err != nil { // INFO
		return nil, err
	}
	hello, err := json.Marshal(map[string]any{"user": user, "pass": password, "verbose": false, "pedantic": false})
	if err != nil {
		return nil, err
	}
	const inbox = "portillon.setup.answer"
	if _, err := fmt.Fprintf(c, "CONNECT %s\r\nSUB %s 1\r\nPUB %s %s %d\r\n%s\r\n", hello, inbox, subject, inbox,
		len(body), body); err != nil {
		return nil, err
	}
	return readAnswer(r, c)
}

// readAnswer reads lines until the one message that is the answer, and answers the server's PINGs.
func readAnswer(r *bufio.Reader, w io.Writer) ([]byte, error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		words := strings.Fields(line)
		switch {
		case len(words) > 0 && words[0] == "PING":
			if _, err := io.WriteString(w, "PONG\r\n"); err != nil {
				return nil, err
			}
		case len(words) > 0 && words[0] == "-ERR":
			return nil, errors.New(strings.TrimSpace(line))
		case len(words) > 3 && words[0] == "MSG":
			n, err := strconv.Atoi(words[len(words)-1])
			if err != nil || n < 0 || n > 1<<20 {
				return nil, fmt.Errorf("unexpected line %.80q", line)
			}
			answer := make([]byte, n)
			_, err = io.ReadFull(r, answer)
			return answer, err
		}
	}
}

// Stored is what the broker has on its disk and keeps for its clients.
type Stored struct {
	Bytes     uint64 `json:"bytes"` // retained messages, messages that are not delivered yet, sessions
	Messages  uint64 `json:"messages"`
	Consumers int    `json:"consumers"`
}

// Stored counts it.
func (b *Broker) Stored() (Stored, error) {
	info, err := b.s.Jsz(&server.JSzOptions{})
	if err != nil {
		return Stored{}, err
	}
	return Stored{Bytes: info.Bytes, Messages: info.Messages, Consumers: info.Consumers}, nil
}
