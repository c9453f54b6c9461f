package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// broker is a real mosquitto, together with a client that receives all records published on it.
type broker struct {
	cmd    *exec.Cmd   // mosquitto's process
	client mqtt.Client // the listener
	mu     sync.Mutex  // lock of the fields heard and lost
	heard  []byte      // all received payloads, joined
	hub    note.Signer // key that signs acknowledgements; nil: the listener sends no acknowledgements
	lost   error       // error with which the listener lost its connection; nil: the listener is connected
}

// brokerFile is the configuration of mosquitto: it listens locally, requires no password and stores nothing.
const brokerFile = "listener 1883 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"

// startBroker starts a broker with a listener that sends no acknowledgements.
func startBroker() (*broker, error) { return (&broker{}).start() }

// startHub starts a broker with a listener that acknowledges records, as a hub does.
func startHub() (*broker, error) {
	b := &broker{}
	if err := b.acknowledgeRecords(); err != nil {
		return nil, err
	}
	return b.start()
}

// start runs mosquitto and connects the listener to it.
func (b *broker) start() (*broker, error) {
	if err := os.WriteFile("/run/mosquitto.conf", []byte(brokerFile), 0o644); err != nil {
		return nil, err
	}
	b.cmd = exec.Command("/usr/sbin/mosquitto", "-c", "/run/mosquitto.conf")
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if err := within(60*time.Second, "a broker that answers", b.listen); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

// listen connects the listener to the broker and subscribes to all topics. Each attempt to connect uses a new client
// id. Otherwise a late answer to an earlier attempt could end this attempt's connection (MQTT 3.1.1 §3.1.4: a second
// client with the same id takes over).
func (b *broker) listen() bool {
	o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1883").SetAutoReconnect(false).
		SetClientID("listener" + strconv.FormatInt(int64(uptime()), 36)).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { b.note(nil, err) })
	c := mqtt.NewClient(o)
	if t := c.Connect(); !t.WaitTimeout(10*time.Second) || t.Error() != nil {
		c.Disconnect(0)
		return false
	}
	t := c.Subscribe("portillon/+/+/records", 1, func(c mqtt.Client, m mqtt.Message) {
		if ack, err := b.acknowledge(m.Payload()); err != nil {
			b.note(nil, err)
		} else if ack != nil {
			c.Publish("portillon/rig/ack/laser", 1, true, ack) // do not wait for the token, because a handler must not block
		}
		b.note(m.Payload(), nil)
	})
	if !t.WaitTimeout(10*time.Second) || t.Error() != nil {
		c.Disconnect(0)
		return false
	}
	b.client = c
	return true
}

// acknowledge returns the signed acknowledgement of a batch of records, as a hub sends it, or nil if b has no hub
// key. If no hub acknowledges its records, a machine sends only its first batch, 56 KB of records, again and again.
func (b *broker) acknowledge(payload []byte) ([]byte, error) {
	if b.hub == nil || len(payload) == 0 {
		return nil, nil
	}
	batch, _, err := wire.ParseBatch(payload)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(batch.Checkpoint, "\n") // origin, size, root
	if len(lines) < 3 {
		return nil, fmt.Errorf("checkpoint has %d lines, want at least 3", len(lines))
	}
	size, err := strconv.ParseUint(lines[1], 10, 62)
	if err != nil {
		return nil, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return nil, err
	}
	return wire.SignAck(wire.Ack{Site: "rig", Machine: "laser", Seq: size, Root: hex.EncodeToString(root),
		Generation: batch.Generation}, b.hub)
}

// acknowledgeRecords makes the listener acknowledge records from now on, as a hub does.
func (b *broker) acknowledgeRecords() error {
	key, err := os.ReadFile("/rig/site/hub.key")
	if err != nil {
		return err
	}
	b.hub, err = note.NewSigner(strings.TrimSpace(string(key)))
	return err
}

// note stores a received payload, or the reason why the listener lost its connection.
func (b *broker) note(payload []byte, lost error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, payload...)
	if lost != nil {
		b.lost = lost
	}
}

// waitFor waits until the records that the listener has received contain a text. If no hub acknowledges its records,
// the machine repeats them after 10 s, then 20 s, and so on, at most 5 min (uplink.Config.StallMax); this limits how
// long waitFor must wait.
func (b *broker) waitFor(text, what string) error {
	err := within(6*time.Minute, what, func() bool { return b.received(text) })
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%w; the listener received %d bytes, and the error of its connection is %v",
			err, len(b.heard), b.lost)
	}
	return nil
}

// received reports whether the records that the listener has received contain a text.
func (b *broker) received(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.heard, []byte(text))
}

// stop kills mosquitto.
func (b *broker) stop() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}
