package enrol

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/acceptance"
	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/sitetest"
	"portillon/daemon/control"
	"portillon/hub"
	"portillon/hub/actor"
	hubenrol "portillon/hub/enrol"
	"portillon/internal/testlog"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// TestMain also runs the daemon and its guard, which tests start from the test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" || os.Getenv("PORTILLON_TEST_DAEMON") != "" {
		os.Exit(daemoncmd.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

var admin = actor.Actor{Account: "a1", Name: "Ada", Site: actor.Administrator}

// clock is a clock that the test controls.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// world is a running hub and the hub's folder.
type world struct {
	*hub.Hub
	t      *testing.T
	dir    string
	config hub.Config
	clock  *clock
	signer note.Signer // signs bundles
	stop   func()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func key(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// newWorld starts a hub of the site «big» with one member.
func newWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts a hub with its broker")
	}
	w := &world{t: t, dir: t.TempDir(), clock: &clock{at: time.Now()}}
	private, _ := key(t, "portillon:hub:big")
	write(t, filepath.Join(w.dir, "hub.key"), private+"\n")
	write(t, filepath.Join(w.dir, "card.key"), strings.Repeat("5a", 16)+"\n")
	private, public := key(t, "portillon:site:big")
	var err error
	if w.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if err := sitetest.Make(filepath.Join(w.dir, "site"), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	w.buildBundle(1)
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	w.config = hub.Config{Site: "big", Data: filepath.Join(w.dir, "data"), Key: filepath.Join(w.dir, "hub.key"),
		MQTT:   hub.MQTTConfig{Listen: "127.0.0.1:0"},
		Bundle: hub.BundleConfig{File: filepath.Join(w.dir, "site.bundle"), Key: v, Public: public},
		Join:   hub.JoinConfig{Listen: "127.0.0.1:0", Name: "hub.test", CardKey: filepath.Join(w.dir, "card.key")}}
	w.start()
	return w
}

// buildBundle builds the site's bundle with the given version number.
func (w *world) buildBundle(version uint64) {
	w.t.Helper()
	s, err := site.Read(filepath.Join(w.dir, "site"))
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	b, err := s.Build(site.Order{Version: version, Issued: now, Expires: now.AddDate(0, 1, 0), Signer: w.signer,
		CardKey: bytes.Repeat([]byte{0x5a}, 16)})
	if err != nil {
		w.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := wire.WriteBundle(&out, b.Signed, b.Manifest, b.Chunk); err != nil {
		w.t.Fatal(err)
	}
	if err := wire.WriteFile(filepath.Join(w.dir, "site.bundle"), out.Bytes(), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// start starts the hub. A hub that is started again uses the same ports.
func (w *world) start() {
	w.t.Helper()
	h, err := hub.New(w.config, hub.Options{Log: testlog.New(w.t), Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	w.Hub = h
	once := sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.t.Error("run: ", err)
		}
		if err := h.Close(); err != nil {
			w.t.Error("close: ", err)
		}
	})
	w.stop = once
	w.t.Cleanup(once)
	w.config.Join.Listen = h.MachinesAddr()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(h.Broker(), "ssl://"))
	w.config.MQTT.Listen = net.JoinHostPort("127.0.0.1", port)
}

// code creates an enrolment code for a machine. If the site does not have the machine yet, code adds the machine first.
func (w *world) code(id policy.MachineID, replace bool) hubenrol.Code {
	w.t.Helper()
	if _, err := w.Enrol().Machines.Get(w.t.Context(), admin, id); err != nil {
		if _, err := w.Enrol().Machines.Add(w.t.Context(), admin, id); err != nil {
			w.t.Fatal(err)
		}
	}
	c, err := w.Enrol().Codes.New(w.t.Context(), admin, id, replace)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// pi is the simulated computer on which a machine is enrolled.
type pi struct {
	mu    sync.Mutex
	calls []string
	clock *clock
}

func (p *pi) Now() time.Time { return p.clock.Now() }
func (p *pi) BootID() string { return "boot" }
func (p *pi) Systemctl(_ context.Context, args ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, strings.Join(args, " "))
	return nil
}
func (p *pi) Status(context.Context, string) (control.Status, error) { return control.Status{}, nil }
func (p *pi) Do(context.Context, daemoncmd.Config, acceptance.Deed) error {
	return errors.New("not here")
}
func (p *pi) Own(...string) error                  { return nil }
func (p *pi) Pause(context.Context, time.Duration) {}

// wiring returns the wiring of a machine without hardware, whose relay pin is a file.
func wiring(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "wiring.yaml")
	write(t, path, `# How it is wired.
portillon: 1
site: elsewhere
machine: other
data: other
card-key: card.key
machine-key: other.key
bundle:
  key: "portillon-biklab+c260dc51+ARYiNm5YZQpt7c5qwRIEmnUAwwGd0tERIG7mdzSA5fIO"
  file: site.bundle
reader: { kind: none }
relay: { pin: "sim:/tmp/portillon-enrol-test-pin" }
mqtt:
  broker: "tcp://127.0.0.1:1883"
  hub-key: "portillon-biklab+c260dc51+ARYiNm5YZQpt7c5qwRIEmnUAwwGd0tERIG7mdzSA5fIO"
clock: trusted
`)
	return path
}

// enrolment returns an Enrolment for a computer that has no files of Portillon yet.
func (w *world) enrolment(t *testing.T, code string) (*Enrolment, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return &Enrolment{
		Options: Options{Address: "https://" + w.MachinesAddr(), Code: code, Wiring: wiring(t), Dir: "etc/portillon",
			Root: t.TempDir(), Lang: policy.English},
		Host:    &pi{clock: w.clock},
		Out:     out,
		Program: "0.7",
	}, out
}

// enrolled enrols a machine and returns the machine's configuration.
func (w *world) enrolled(t *testing.T, id policy.MachineID) (*Enrolment, daemoncmd.Config) {
	t.Helper()
	e, out := w.enrolment(t, w.code(id, false).Text)
	if err := e.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return e, e.read(t, id)
}

func (e *Enrolment) read(t *testing.T, id policy.MachineID) daemoncmd.Config {
	t.Helper()
	c, err := daemoncmd.ReadConfig(e.path(filepath.Join(e.Dir, string(id)+".yaml")))
	if err != nil {
		t.Fatal(err)
	}
	return e.belowRoot(c)
}
