package hub_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/internal/testlog"
	"portillon/wire"
)

// A machine that finds the broker's port open before the hub hears it would lose what it says.
func TestRecordsSentWhileTheHubStartsAreAcknowledged(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(5)
	c := configure(t, []*ledgertest.Machine{m})
	h, err := hub.New(c, hub.Options{Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	key, err := c.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", h.Broker()[len("tcp://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	topics := wire.Topics{Site: "biklab"}
	send(t, conn, packets.Connect, func(p packets.ControlPacket) {
		x := p.(*packets.ConnectPacket)
		x.ProtocolName, x.ProtocolVersion, x.CleanSession, x.ClientIdentifier = "MQTT", 4, true, topics.ClientID("laser")
	})
	send(t, conn, packets.Subscribe, func(p packets.ControlPacket) {
		x := p.(*packets.SubscribePacket)
		x.MessageID, x.Topics, x.Qoss = 1, []string{topics.Ack("laser")}, []byte{1}
	})
	send(t, conn, packets.Publish, func(p packets.ControlPacket) {
		x := p.(*packets.PublishPacket)
		x.MessageID, x.Qos, x.TopicName, x.Payload = 2, 1, topics.Records("laser"), m.Data(1, 5)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for {
		p, err := packets.ReadPacket(conn)
		if err != nil {
			t.Fatal("no acknowledgement of the records: ", err)
		}
		x, is := p.(*packets.PublishPacket)
		if !is {
			continue
		}
		a, err := wire.OpenAck(x.Payload, note.VerifierList(key), "biklab", "laser")
		if err != nil {
			t.Fatal(err)
		}
		if a.Seq == 5 {
			return
		}
	}
}

func send(t *testing.T, c net.Conn, kind byte, fill func(packets.ControlPacket)) {
	t.Helper()
	p := packets.NewControlPacket(kind)
	fill(p)
	if err := p.Write(c); err != nil {
		t.Fatal(err)
	}
}
