package main

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// broker is a real mosquitto, and somebody who listens to all that is said on it.
type broker struct {
	cmd    *exec.Cmd
	client mqtt.Client
	mu     sync.Mutex
	heard  []byte
}

const brokerFile = "listener 1883 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"

func startBroker() (*broker, error) {
	if err := os.WriteFile("/run/mosquitto.conf", []byte(brokerFile), 0o644); err != nil {
		return nil, err
	}
	b := &broker{cmd: exec.Command("/usr/sbin/mosquitto", "-c", "/run/mosquitto.conf")}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	o := mqtt.NewClientOptions().AddBroker("tcp://127.0.0.1:1883").SetClientID("listener").SetAutoReconnect(false)
	err := within(20*time.Second, "a broker", func() bool {
		b.client = mqtt.NewClient(o)
		t := b.client.Connect()
		return t.WaitTimeout(5*time.Second) && t.Error() == nil
	})
	if err != nil {
		b.stop()
		return nil, err
	}
	t := b.client.Subscribe("portillon/+/+/records", 1, func(_ mqtt.Client, m mqtt.Message) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.heard = append(b.heard, m.Payload()...)
	})
	t.WaitTimeout(5 * time.Second)
	return b, t.Error()
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
