package daemoncmd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"portillon/rfid"
	"portillon/rfid/pcsc"
	"portillon/rfid/pcsc/pcsctest"
	"portillon/rfid/strong"
	"portillon/rfid/strong/strongtest"
)

// This test runs Debian's pcscd with a virtual reader, in separate network and process namespaces.
func TestTapsOnAPCSCReaderArriveThroughDebiansPcscd(t *testing.T) {
	skipIfShort(t, "starts pcscd")
	const inside = "PORTILLON_TEST_PCSCD"
	if os.Getenv(inside) == "" {
		if why := pcsctest.Missing(); why != "" {
			t.Skip(why)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0],
			"-test.run=^TestTapsOnAPCSCReaderArriveThroughDebiansPcscd$", "-test.v", "-test.timeout=2m")
		cmd.Env = append(os.Environ(), inside+"=1")
		pcsctest.Apart(cmd)
		out, err := cmd.CombinedOutput()
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
			t.Skip("no namespaces for this user: ", err)
		}
		if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := pcsctest.Settle(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	x := &testPcscd{T: t, ctx: ctx, dir: t.TempDir(), out: make(chan rfid.Event)}
	x.start()
	card, key := x.personalise()
	c := Config{Site: "biklab", Reader: ReaderConfig{Kind: "pcsc", Values: rfid.Values{"port": "ACS", "aes-key": key}}}
	prove, err := c.proofVerifier(secrets{})
	if err != nil {
		t.Fatal(err)
	}
	c.Reader.host.Prove = prove
	watched := make(chan struct{})
	go func() { rfid.Watch(ctx, c.Reader.readerOpener(), x.out); close(watched) }()
	x.waitForHealth(true, nil)

	x.tap(card, rfid.AES, "04112233445566")
	x.tap(pcsctest.Numbered("\xDE\xAD\xBE\xEF"), rfid.NumberOnly, "DEADBEEF")
	x.requireNoTap(pcsctest.Numbered("\x08\xAD\xBE\xEF"))
	x.p.End()
	x.waitForHealth(false, nil)
	x.start()
	x.waitForHealth(true, nil)
	x.tap(card, rfid.AES, "04112233445566")
	x.p.Process.Signal(syscall.SIGSTOP)
	x.waitForHealth(false, pcsc.ErrSilent)
	x.p.Process.Signal(syscall.SIGCONT)
	x.waitForHealth(true, nil)
	x.tap(pcsctest.Numbered("\xDE\xAD\xBE\xEF"), rfid.NumberOnly, "DEADBEEF")
	cancel()
	<-watched
	x.p.End()
}

// testPcscd is the part of the test that runs inside the namespaces.
type testPcscd struct {
	*testing.T
	ctx context.Context
	dir string
	p   *pcsctest.Pcscd
	out chan rfid.Event
}

// start runs pcscd, and waits until pcscd answers.
func (x *testPcscd) start() {
	x.Helper()
	p, err := pcsctest.StartPcscd(x.dir, "ACS ACR122U")
	if err != nil {
		x.Fatal(err)
	}
	x.p = p
	for names, err := []string(nil), error(nil); len(names) == 0; names, err = pcsc.Readers() {
		select {
		case <-x.ctx.Done():
			log, _ := os.ReadFile(filepath.Join(x.dir, "pcscd.log"))
			x.Fatalf("%q, %v\n%s", names, err, log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// personalise writes the site's key to a card through the reader, like portillon card personalise, and returns the card
// and the path of the site's key.
func (x *testPcscd) personalise() (pcsctest.Card, string) {
	x.Helper()
	path, site := keyFile(x.T)
	plastic := strongtest.New(strongtest.NTAG424, [7]byte{4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66})
	card := func(b []byte) ([]byte, error) {
		switch {
		case bytes.Equal(b, []byte{0xFF, 0xCA, 0, 0, 0}):
			return append(plastic.Number().Bytes(), 0x90, 0), nil
		case b[0] == 0xFF:
			return []byte{0x90, 0}, nil
		}
		return plastic.Exchange(x.ctx, b)
	}
	d, err := pcsc.Open("ACS")
	if err != nil {
		x.Fatal(err)
	}
	defer d.Close()
	remove, err := x.p.Insert(x.ctx, card)
	if err != nil {
		x.Fatal(err)
	}
	defer remove()
	u, found := rfid.UID{}, false
	for !found {
		if u, found, err = d.Poll(x.ctx); err != nil || x.ctx.Err() != nil {
			x.Fatal(err, x.ctx.Err())
		}
	}
	if err := site.Personalise(x.ctx, d, u, strong.Key{}); err != nil {
		x.Fatal(err)
	}
	return card, path
}

// nextEvent returns the next event of the reader.
func (x *testPcscd) nextEvent() rfid.Event {
	x.Helper()
	select {
	case e := <-x.out:
		return e
	case <-x.ctx.Done():
		x.Fatal("nothing happens")
	}
	return rfid.Event{}
}

// waitForHealth waits until the reader is reported as up or down. On a slow computer, the reader may be reported as up
// and down more often than the test expects, so further reports are ignored.
func (x *testPcscd) waitForHealth(alive bool, why error) {
	x.Helper()
	for {
		e := x.nextEvent()
		if e.Tap.UID != (rfid.UID{}) {
			x.Fatalf("a tap of nobody: %+v", e)
		}
		if e.Alive == alive && (why == nil || errors.Is(e.Err, why)) {
			return
		}
	}
}

// tap puts a card on the reader, expects one tap, and removes the card. If the reader goes down meanwhile, the card is
// put on the reader again.
func (x *testPcscd) tap(c pcsctest.Card, proof rfid.Proof, number string) {
	x.Helper()
	for {
		remove, err := x.p.Insert(x.ctx, c)
		if err != nil {
			x.Fatal(err)
		}
		e := x.nextEvent()
		remove()
		if !e.Alive {
			x.waitForHealth(true, nil)
			continue
		}
		if e.Tap.UID.Hex() != number {
			x.Fatalf("%+v %s, want %s", e, e.Tap.UID.Hex(), number)
		}
		if e.Tap.Proof == proof && (e.Tap.Unproven == nil) == (proof == rfid.AES) {
			return
		}
		// Retry if the card was removed before the reader had read the card.
		if !errors.Is(e.Tap.Unproven, strong.ErrLeft) || proof != rfid.AES {
			x.Fatalf("%+v, want proof %v", e, proof)
		}
	}
}

// requireNoTap puts a card on the reader until the card has received three commands, and checks that the reader reports
// no tap.
func (x *testPcscd) requireNoTap(c pcsctest.Card) {
	x.Helper()
	asked := make(chan struct{}, 3)
	remove, err := x.p.Insert(x.ctx, func(b []byte) ([]byte, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		return c(b)
	})
	if err != nil {
		x.Fatal(err)
	}
	defer remove()
	for range cap(asked) {
		select {
		case <-asked:
		case e := <-x.out:
			if e.Tap.UID != (rfid.UID{}) {
				x.Fatalf("%+v", e)
			}
		case <-x.ctx.Done():
			x.Fatal("nobody asks the card")
		}
	}
}
