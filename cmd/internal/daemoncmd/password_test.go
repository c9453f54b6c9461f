package daemoncmd

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"portillon/daemon/journal"
)

// The setting password-file: credential:mqtt-password, as in rdm6300-relay.yaml, names a credential of systemd. The
// daemon sends the password in the credential to the broker, and does not treat "credential:…" as a file name.
func TestBrokersPasswordIsReadFromACredential(t *testing.T) {
	b := newBench(t)
	for unit, file := range map[string]string{"card-key": "portillon.card-key",
		"machine-key": "portillon.laser.machine-key"} {
		text, err := secrets{}.read(unit, filepath.Join(b.dir, "credstore", file))
		if err != nil {
			t.Fatal(err)
		}
		b.put(t, "handed/"+unit, text)
	}
	b.put(t, "handed/mqtt-password", "open sesame\n")
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(b.dir, "handed"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b.c.MQTT.Broker = "tcp://" + l.Addr().String()
	k, errs := b.c.readKeys(b.c.secrets())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	d := &Daemon{c: b.c, clock: clock{trusted: func() bool { return true }}, log: slog.New(slog.DiscardHandler)}
	if d.journal, err = journal.Open(filepath.Join(b.dir, "journal.db"), journal.Options{Site: "biklab",
		Machine: "laser", Signer: k.signer}); err != nil {
		t.Fatal(err)
	}
	defer d.journal.Close()
	if err := d.openUplink(k); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.uplink.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	var said []byte
	for part := make([]byte, 512); !bytes.Contains(said, []byte("open sesame")); {
		n, err := conn.Read(part)
		if err != nil {
			t.Fatalf("%v; it said %q", err, said)
		}
		said = append(said, part[:n]...)
	}
}
