package broker

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/nats-io/nats-server/v2/server"
)

func TestClientsAboveTheirByteRateMustWait(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := newBucket(100, 1000, at)
	for i, c := range []struct {
		after time.Duration
		n     float64
		want  time.Duration
	}{
		{0, 1000, 0},                       // the burst
		{0, 100, time.Second},              // the bucket is now empty; sending 100 bytes takes one second
		{time.Second, 0, 0},                // after one second, the bucket contains 0 tokens again
		{0, 50, time.Second / 2},           // sending 50 bytes takes half a second
		{time.Hour, 1000, 0},               // after an hour the bucket contains only the burst
		{-time.Hour, 10, time.Second / 10}, // setting the clock back adds no tokens
	} {
		at = at.Add(c.after)
		if got := b.take(c.n, at); got != c.want {
			t.Errorf("step %d: wait %v, want %v", i, got, c.want)
		}
	}
	b = newBucket(1, 2, at)
	for i, want := range []bool{true, true, false} {
		if got := b.takeOne(at); got != want {
			t.Errorf("try %d of a bucket of two tokens: %t, want %t", i+1, got, want)
		}
	}
	if b.takeOne(at.Add(time.Second/2)) || !b.takeOne(at.Add(time.Second)) {
		t.Error("a bucket of one token a second gives it early, or not at all")
	}
}

// MaxStored is six topics of one packet each, and 30 s at the account's rate. The attacks of .ci/broker check this
// limit.
func TestStoredBytesOfAMachineAreBounded(t *testing.T) {
	if got := MaxStored(); got > 48<<20 {
		t.Errorf("a machine's account may store %d bytes", got)
	}
}

func connectPacket(change func(*packets.ConnectPacket)) []byte {
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.ClientIdentifier, p.Keepalive = "MQTT", 4, "portillon-biklab-laser", 30
	p.UsernameFlag, p.Username, p.PasswordFlag, p.Password = true, "laser", true, []byte("resal")
	if change != nil {
		change(p)
	}
	var b bytes.Buffer
	p.Write(&b)
	return b.Bytes()
}

func TestConnectPacketsOfPahoAreDecoded(t *testing.T) {
	raw := connectPacket(func(p *packets.ConnectPacket) {
		p.WillFlag, p.WillQos, p.WillRetain, p.WillTopic, p.WillMessage = true, 1, true, "a/b", []byte("offline")
	})
	c, err := readConnect(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil || c.id != "portillon-biklab-laser" || c.user != "laser" || c.password != "resal" || c.keepAlive != 30 ||
		string(c.willTopic) != "a/b" || string(c.will) != "offline" {
		t.Fatalf("%+v, %v", c, err)
	}
	c.user, c.password = "inner", "secret"
	p, err := packets.ReadPacket(bytes.NewReader(c.packet()))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := p.(*packets.ConnectPacket)
	if !ok || !got.CleanSession || got.Username != "inner" || string(got.Password) != "secret" ||
		got.ClientIdentifier != c.id ||
		!got.WillFlag || got.WillQos != 1 || !got.WillRetain || got.WillTopic != "a/b" ||
		string(got.WillMessage) != "offline" || got.Keepalive != 30 {
		t.Errorf("%+v", got)
	}
}

func TestMalformedConnectsAreRejected(t *testing.T) {
	good := connectPacket(nil)
	for name, raw := range map[string][]byte{
		"another packet first": {0xc0, 0},
		"HTTP":                 []byte("GET / HTTP/1.1\r\n\r\n"),
		"nothing":              {},
		"an endless length":    {0x10, 0xff, 0xff, 0xff, 0xff, 0x7f},
		"a length of 256 MB":   {0x10, 0xff, 0xff, 0xff, 0x7f},
		"a truncated packet":   good[:len(good)-3],
		"MQTT 5":               connectPacket(func(p *packets.ConnectPacket) { p.ProtocolVersion = 5 }),
		"MQTT 3.1": connectPacket(func(p *packets.ConnectPacket) {
			p.ProtocolName, p.ProtocolVersion = "MQIsdp",
				3
		}),
		"a will of QoS 2": connectPacket(func(p *packets.ConnectPacket) {
			p.WillFlag, p.WillQos, p.WillTopic = true, 2,
				"a"
		}),
		"a reserved flag":  append([]byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 3, 0, 9}, 0, 0),
		"trailing data":    append([]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 9}, 0, 0, 0),
		"a password alone": append([]byte{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x42, 0, 9}, 0, 0, 0, 0),
	} {
		if c, err := readConnect(bufio.NewReader(bytes.NewReader(raw))); err == nil {
			t.Errorf("%s was read: %+v", name, c)
		}
	}
}

// The packet to the embedded server must have the same meaning as the received packet.
func FuzzConnectAndFilters(f *testing.F) {
	f.Add(connectPacket(nil))
	f.Add([]byte{0x82, 8, 0, 1, 0, 3, 'a', '/', 'b', 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := readConnect(bufio.NewReader(bytes.NewReader(raw))); err == nil {
			again, err := readConnect(bufio.NewReader(bytes.NewReader(c.packet())))
			if err != nil || again.id != c.id || again.user != c.user || again.password != c.password ||
				!bytes.Equal(again.will, c.will) || again.keepAlive != c.keepAlive {
				t.Fatalf("%+v became %+v, %v", c, again, err)
			}
		}
		for _, kind := range []byte{typeSubscribe, typeUnsubscribe} {
			if filters, err := filtersOf(kind, raw); err == nil && len(strings.Join(filters, "")) > len(raw) {
				t.Fatalf("%q out of %q", filters, raw)
			}
		}
	})
}

// The embedded server must accept only the proxy's passwords, because it listens on loopback, where other users of the
// computer could connect.
func TestEmbeddedServerRejectsAccountPasswords(t *testing.T) {
	for _, accounts := range [][]Account{nil, {{User: "laser", Password: "resal", As: AsMachine, Machine: "laser"}}} {
		b, err := Start(Config{Dir: t.TempDir(), Site: "biklab", Accounts: accounts})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		for _, c := range [][2]string{{"", ""}, {"laser", "resal"}, {anyone, ""}, {"+setup", ""}} {
			o := mqtt.NewClientOptions().AddBroker("tcp://" + b.proxy.inner).SetProtocolVersion(4).
				SetUsername(c[0]).SetPassword(c[1]).SetClientID("portillon-biklab-laser")
			if tok := mqtt.NewClient(o).Connect(); !tok.WaitTimeout(10*time.Second) || tok.Error() == nil {
				t.Errorf("%q was accepted past the proxy", c[0])
			}
		}
	}
}

// The test opens a folder of the previous release, which had no limits. The broker must keep the retained messages of
// the folder and apply its limits.
func TestLimitsApplyToADataFolderOfThePreviousRelease(t *testing.T) {
	dir := t.TempDir()
	o := &server.Options{ServerName: "portillon-biklab", DontListen: true, NoSigs: true, NoSystemAccount: true,
		JetStream: true, StoreDir: dir,
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT}}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	client := func(port int) mqtt.Client {
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", port)).SetProtocolVersion(4))
		if tok := c.Connect(); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
		return c
	}
	c := client(o.MQTT.Port)
	if tok := c.Publish("portillon/biklab/laser/state", 1, true, "kept"); !tok.WaitTimeout(10*time.Second) ||
		tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	s.Shutdown()
	s.WaitForShutdown()
	c.Disconnect(0)

	b, err := Start(Config{Dir: dir, Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	got := make(chan string, 10)
	c = client(b.proxy.l.Addr().(*net.TCPAddr).Port)
	defer c.Disconnect(0)
	heard := ""
	for range 10 { // subscribe again, because a client may miss a retained message while the message changes
		c.Subscribe("portillon/biklab/+/state", 1, func(_ mqtt.Client, m mqtt.Message) { got <- string(m.Payload()) })
		select {
		case heard = <-got:
		case <-time.After(time.Second):
			continue
		}
		break
	}
	if heard != "kept" {
		t.Errorf("%q is retained, want what the release before kept", heard)
	}
	info, err := b.s.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Config: true})
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]server.StreamConfig{}
	for _, a := range info.AccountDetails {
		for _, x := range a.Streams {
			limits[x.Name] = *x.Config
		}
	}
	if m := limits[messages]; m.MaxAge != keepFor || m.MaxBytes != maxWaiting || m.Discard != server.DiscardOld {
		t.Errorf("messages: %+v", m)
	}
	if r := limits[retained]; r.MaxMsgsPer != 1 || r.MaxBytes <= 0 || r.Discard != server.DiscardNew {
		t.Errorf("retained: %+v", r)
	}
}
