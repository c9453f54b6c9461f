package enrol

import (
	"os"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/cmd/internal/daemoncmd"
)

const soon = 15 * time.Second

// mqttClient is a machine's connection to the broker, with the address and the keys in the files of its enrolment.
type mqttClient struct {
	t    *testing.T
	o    *mqtt.ClientOptions
	lost chan struct{}
}

func (e *Enrolment) mqtt(t *testing.T, w *world, c daemoncmd.Config) *mqttClient {
	t.Helper()
	l := e.link(t, c, true)
	path, err := c.KeyFile(e.store(), c.MQTT.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	password, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m := &mqttClient{t: t, lost: make(chan struct{}, 16)}
	at := l.Resolve(strings.TrimPrefix(c.MQTT.Broker, "ssl://"))
	m.o = mqtt.NewClientOptions().AddBroker("ssl://" + at).SetTLSConfig(l.TLS()).SetUsername(c.MQTT.Username).
		SetPassword(strings.TrimSpace(string(password))).SetClientID("portillon-big-" + c.Machine).SetProtocolVersion(4).
		SetAutoReconnect(false).
		SetConnectTimeout(soon).SetConnectionLostHandler(func(mqtt.Client, error) { m.lost <- struct{}{} })
	return m
}

func (m *mqttClient) connect() bool {
	m.t.Helper()
	c := mqtt.NewClient(m.o)
	tok := c.Connect()
	if !tok.WaitTimeout(soon) {
		m.t.Fatal("the broker does not answer")
	}
	m.t.Cleanup(func() { c.Disconnect(0) })
	return tok.Error() == nil
}

func (m *mqttClient) awaitLost() {
	m.t.Helper()
	select {
	case <-m.lost:
	case <-time.After(soon):
		m.t.Fatal("the connection is still open")
	}
}
