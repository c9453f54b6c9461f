package broker_test

import (
	"net"
	"strings"
	"testing"

	"portillon/hub/broker"
)

func TestInsecureConfigurationsAreRejected(t *testing.T) {
	machine := broker.Account{User: "laser", Password: "x", As: broker.AsMachine, Machine: "laser"}
	for _, c := range []struct {
		name string
		c    broker.Config
		says string
	}{
		{"the network without accounts", broker.Config{Addr: "0.0.0.0:0"}, "not loopback"},
		{"every address without accounts", broker.Config{Addr: ":0"}, "not loopback"},
		{"an account that may do nothing", broker.Config{Accounts: []broker.Account{{User: "x", Password: "y"}}},
			"has no role"},
		{"an account without a password", broker.Config{Accounts: []broker.Account{{User: "x", As: broker.AsHub}}},
			"password"},
		{"two accounts of one name", broker.Config{Accounts: []broker.Account{machine, machine}}, "want a unique name"},
		{"a machine named like a wildcard",
			broker.Config{Accounts: []broker.Account{{User: "x", Password: "y", As: broker.AsMachine, Machine: ">"}}},
			"invalid machine id"},
		{"a machine named ack", broker.Config{
			Accounts: []broker.Account{{User: "x", Password: "y", As: broker.AsMachine, Machine: "ack"}}}, "invalid machine id"},
		{"a site named like a wildcard", broker.Config{Site: "*", Accounts: []broker.Account{machine}}, "invalid site id"},
		{"an address without a port", broker.Config{Addr: "127.0.0.1"}, "host:port"},
		{"a port above 65535", broker.Config{Addr: "127.0.0.1:99999"}, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.c.Dir = t.TempDir()
			if c.c.Site == "" {
				c.c.Site = "biklab"
			}
			b, err := broker.Start(c.c)
			if err == nil {
				b.Close()
				t.Fatal("a broker with an insecure configuration was started")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
		})
	}
}

func TestStartReportsAPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := broker.Start(broker.Config{Addr: l.Addr().String(), Dir: t.TempDir(), Site: "biklab"})
	if err == nil {
		b.Close()
		t.Fatal("a second broker was started on the same port")
	}
	if !strings.Contains(err.Error(), "in use") {
		t.Errorf("%q does not say why", err)
	}
}

func TestBrokerCanBeClosedTwiceAndRestarted(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		b, err := broker.Start(broker.Config{Dir: dir, Site: "biklab"})
		if err != nil {
			t.Fatal(err)
		}
		connect(t, b.Addr(), "").publish("portillon/biklab/bundle", true, "x")
		b.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
