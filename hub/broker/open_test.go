package broker_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"portillon/hub/broker"
	"portillon/policy"
	"portillon/wire"
)

// startWaiting starts a broker with Config.Wait.
func startWaiting(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Config{Dir: t.TempDir(), Site: "biklab", Accounts: accounts(), Room: 30, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// sendConnect connects and sends the CONNECT of an account, without waiting for the CONNACK.
func sendConnect(t *testing.T, b *broker.Broker, user, password string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession, p.Keepalive = "MQTT", 4, true, 30
	p.ClientIdentifier = wire.Topics{Site: "biklab"}.ClientID(policy.MachineID(user))
	p.UsernameFlag, p.PasswordFlag, p.Username, p.Password = true, true, user, []byte(password)
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	return c
}

// readConnack returns the return code of the next CONNACK.
func readConnack(t *testing.T, c net.Conn) byte {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	var b [4]byte
	if _, err := io.ReadFull(c, b[:]); err != nil {
		t.Fatal(err)
	}
	return b[3]
}

func TestMachinesThatConnectBeforeOpenAreServedAfterOpen(t *testing.T) {
	b := startWaiting(t)
	var conns []net.Conn
	for i := range 20 {
		conns = append(conns, sendConnect(t, b, fmt.Sprintf("late-%d", i), "secret"))
	}
	for i := range conns {
		user := fmt.Sprintf("late-%d", i)
		if err := b.Set(broker.Account{User: user, PasswordHash: sha256.Sum256([]byte("secret")), As: broker.AsMachine,
			Machine: policy.MachineID(user)}); err != nil {
			t.Fatal(err)
		}
	}
	b.Open()
	for i, c := range conns {
		if code := readConnack(t, c); code != 0 {
			t.Errorf("late-%d: CONNACK %d, want 0", i, code)
		}
	}
	b.Open() // a second call of Open must do nothing
	if code := readConnack(t, sendConnect(t, b, "nobody", "x")); code != 5 {
		t.Errorf("nobody: CONNACK %d, want 5: not authorized (MQTT 3.1.1 §3.2.2.3)", code)
	}
}

func TestHubCanConnectBeforeTheBrokerIsOpened(t *testing.T) {
	b := startWaiting(t)
	inside := func(password string) *mqtt.ClientOptions {
		return options(b.Addr()).SetUsername("hub").SetPassword(password).
			SetClientID(wire.Topics{Site: "biklab"}.HubClientID()).
			SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return b.Dial() })
	}
	if canConnect(t, inside("wrong")) {
		t.Error("a wrong password was accepted")
	}
	hub := &client{t: t, in: make(chan mqtt.Message, 10)}
	hub.c = mqtt.NewClient(inside("buh").SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { hub.in <- m }))
	hub.must(hub.c.Connect())
	t.Cleanup(func() { hub.c.Disconnect(0) })
	hub.subscribe("portillon/biklab/+/records")
	laser := sendConnect(t, b, "laser", "resal")
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload, p.Qos, p.MessageID = "portillon/biklab/laser/records", []byte("first"), 1, 1
	if err := p.Write(laser); err != nil {
		t.Fatal(err)
	}
	b.Open()
	if m := hub.next(); string(m.Payload()) != "first" {
		t.Errorf("%q came, want what was published first", m.Payload())
	}
}

func TestOpenDoesNothingAfterClose(t *testing.T) {
	b := startWaiting(t)
	c := sendConnect(t, b, "laser", "resal")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.Open()
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 4)); err == nil {
		t.Errorf("%d bytes of a closed broker", n)
	}
	if c, err := b.Dial(); err == nil {
		c.Close()
		t.Error("a closed broker was reached from inside")
	}
}
