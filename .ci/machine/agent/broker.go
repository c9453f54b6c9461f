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

// broker is a real mosquitto, and somebody who listens to all that is said on it.
type broker struct {
	cmd    *exec.Cmd
	client mqtt.Client
	mu     sync.Mutex
	heard  []byte
	hub    note.Signer // nil: nobody acknowledges
	lost   error       // why the listener has no connection any more
}

const brokerFile = "listener 1883 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"

// startBroker starts one that nobody acknowledges at, and startHub one where the listener does.
func startBroker() (*broker, error) { return (&broker{}).start() }

func startHub() (*broker, error) {
	b := &broker{}
	if err := b.playHub(); err != nil {
		return nil, err
	}
	return b.start()
}

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

// listen connects and subscribes. Each try has a client id of its own: a broker that answers late to an earlier try
// must not end the connection of this one (MQTT 3.1.1 §3.1.4: a second client with the same id takes over).
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
			c.Publish("portillon/rig/ack/laser", 1, true, ack) // the token is nobody's: a handler must not wait
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

// acknowledge signs, as the hub does, that the records of a batch are held; nil where no hub is played. Without
// acknowledgements a machine sends its first batch again and again, 56 KB of records, and nothing after it.
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
		return nil, fmt.Errorf("checkpoint of %d lines", len(lines))
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

// playHub has the listener acknowledge from now on.
func (b *broker) playHub() error {
	key, err := os.ReadFile("/rig/site/hub.key")
	if err != nil {
		return err
	}
	b.hub, err = note.NewSigner(strings.TrimSpace(string(key)))
	return err
}

// note keeps what was heard, or why the listener lost its connection.
func (b *broker) note(payload []byte, lost error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, payload...)
	if lost != nil {
		b.lost = lost
	}
}

// waitFor waits until a text is among the records. Without acknowledgements of a hub the machine sends records
// again after 10 s, 20 s, … at most 5 min (uplink.Config.StallMax), which bounds the wait.
func (b *broker) waitFor(text, what string) error {
	err := within(6*time.Minute, what, func() bool { return b.has(text) })
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%w; the listener heard %d bytes, connection: %v", err, len(b.heard), b.lost)
	}
	return nil
}

// has says whether a text has been among the records.
func (b *broker) has(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.heard, []byte(text))
}

func (b *broker) stop() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}
