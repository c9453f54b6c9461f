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

// Limits of the data that the embedded server stores, and names of its streams.
const (
	// keepFor is the time for which the embedded server stores an undelivered message. A machine sends unacknowledged
	// records again after 10 s.
	keepFor = 30 * time.Second
	// maxWaiting is the maximum size of all undelivered messages, in bytes. The server removes the oldest messages
	// beyond this size.
	maxWaiting = 64 << 20
	// otherStores is the space for sessions and other data of the MQTT gateway, in bytes.
	otherStores = 64 << 20

	// Names of the streams in the MQTT gateway of nats-server (server/mqtt.go).
	messages = "$MQTT_msgs"
	retained = "$MQTT_rmsgs"
	sessions = "$MQTT_sess"
	incoming = "$MQTT_qos2in"
	outgoing = "$MQTT_out"
)

// removeLeftovers removes the sessions, consumers and messages that the MQTT gateway stored for clients of the previous
// run, because every client starts a clean session. Retained messages stay.
func removeLeftovers(dir string) error {
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	var errs []error
	for _, name := range []string{messages, sessions, incoming, outgoing, filepath.Join(retained, "obs")} {
		errs = append(errs, os.RemoveAll(filepath.Join(streams, name)))
	}
	return errors.Join(errs...)
}

// maxRetained returns the maximum size of all retained messages, in bytes. A broker with accounts cannot reach the
// limit, because each topic retains one packet, and each account may publish on a known number of topics. The limit has
// room for 16 further machines, because the messages of removed machines stay on the disk.
func maxRetained(machines int) int64 {
	perMachine := 0
	for _, t := range wire.TopicTable() {
		if t.Publishes(wire.MachineParty) || t.OfMachine() {
			perMachine++
		}
	}
	return int64((machines+16)*perMachine) * wire.MaxPacket
}

// limitStreams sets limits for the two large streams of the gateway. If a stream does not exist yet, limitStreams
// creates it.
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

// setStream creates a stream, or updates an existing stream.
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
		last = fmt.Errorf("cannot set the limits of stream %s: %s", c.Name, reply.Error.Description)
	}
	return last
}

// request sends a request to the embedded server's JetStream API, over a connection within this process and in the NATS
// protocol (docs.nats.io/reference/reference-protocols/nats-protocol).
func request(s *server.Server, user, password, subject string, body []byte) ([]byte, error) {
	c, err := s.InProcessConn()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(startTimeout))
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
	return readResponse(r, c)
}

// readResponse reads lines until the server sends the message with the response. Meanwhile readResponse replies to the
// server's PINGs.
func readResponse(r *bufio.Reader, w io.Writer) ([]byte, error) {
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
				return nil, fmt.Errorf("embedded server sent the line %.80q, want a line that begins with MSG, PING or -ERR", line)
			}
			answer := make([]byte, n)
			_, err = io.ReadFull(r, answer)
			return answer, err
		}
	}
}

// Stored contains the size of the data that the broker stores in its folder, in bytes.
type Stored struct {
	Bytes     uint64 `json:"bytes"` // retained messages, undelivered messages, sessions
	Messages  uint64 `json:"messages"`
	Consumers int    `json:"consumers"`
}

// Stored returns the current size of the stored data.
func (b *Broker) Stored() (Stored, error) {
	info, err := b.s.Jsz(&server.JSzOptions{})
	if err != nil {
		return Stored{}, err
	}
	return Stored{Bytes: info.Bytes, Messages: info.Messages, Consumers: info.Consumers}, nil
}
