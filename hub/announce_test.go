package hub

import (
	"io"
	"log"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/mdns"
)

func TestAnnouncementContainsAddressAndPort(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	t.Parallel() // parallel, because the test mostly waits
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	joined := &enrolments{core: &core{c: Config{Site: "biklab"}}, listener: l}
	stop, err := joined.announce(lo)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	entries := make(chan *mdns.ServiceEntry, 8)
	done := make(chan error, 1)
	go func() {
		done <- mdns.Query(&mdns.QueryParam{Service: machineService, Domain: "local", Timeout: 2 * time.Second,
			Interface: lo, Entries: entries,
			DisableIPv6: true, Logger: log.New(io.Discard, "", 0)})
	}()
	select {
	case e := <-entries:
		if e.AddrV4.String() != "127.0.0.1" || e.Port != l.Addr().(*net.TCPAddr).Port || len(e.InfoFields) != 1 ||
			e.InfoFields[0] != "site=biklab" {
			t.Errorf("%+v", e)
		}
	case err := <-done:
		t.Fatal("no answer came: ", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHubAnnouncesTheComputersNetworkAddresses(t *testing.T) {
	if ips, err := reachableAddresses("192.0.2.7", nil); err != nil || len(ips) != 1 || ips[0].String() != "192.0.2.7" {
		t.Error(ips, err)
	}
	ips, err := reachableAddresses("::", nil)
	for _, ip := range ips {
		if ip.IsLoopback() || ip.To4() == nil {
			t.Error(ip)
		}
	}
	if err == nil && len(ips) == 0 {
		t.Error("no address, and no error")
	}
}
