package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/sitetest"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// freshPi returns the root folder of a Pi 4 after the installation of the package. A USB stick contains the site's card
// key and bundle.
func freshPi(t *testing.T) (root string, o Options) {
	t.Helper()
	root = t.TempDir()
	stick := filepath.Join(root, "stick")
	now := time.Now()
	if err := sitetest.Make(filepath.Join(stick, "site"), 1, now); err != nil {
		t.Fatal(err)
	}
	private, public, err := note.GenerateKey(rand.Reader, "portillon-big")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	s, err := site.Read(filepath.Join(stick, "site"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Build(site.Order{Version: 1, Issued: now, Expires: now.AddDate(0, 1, 0), Signer: signer,
		CardKey: bytes.Repeat([]byte{0x5a}, 16)})
	if err != nil {
		t.Fatal(err)
	}
	var bundle bytes.Buffer
	if err := wire.WriteBundle(&bundle, b.Signed, b.Manifest, b.Chunk); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"stick/site.bundle": bundle.String(),
		"stick/card.key":           strings.Repeat("5a", 16) + "\n",
		"boot/firmware/config.txt": "dtparam=audio=on\n",
		"proc/device-tree/model":   "Raspberry Pi 4 Model B Rev 1.4\x00"} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a := complete1()
	a.Site, a.BundleKey = "big", public
	return root, Options{Answers: a, Root: root, Live: true, Dir: "etc/portillon", NoTest: true,
		CardKey: filepath.Join(stick, "card.key"), Bundle: filepath.Join(stick, "site.bundle")}
}

func run(t *testing.T, l *lab, o Options, typed string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	s := &Setup{Options: o, Host: l, Term: NewTerminal(ctx, strings.NewReader(typed), &out, policy.English),
		Doctor: func(context.Context, daemoncmd.Config) int { return 0 }}
	err := s.Run(ctx)
	return out.String(), err
}

func TestSetupOfANewPiRestartsItOnceAndEnablesTheDaemon(t *testing.T) {
	root, o := freshPi(t)
	l := &lab{now: time.Now()}
	said, err := run(t, l, o, "y\ny\n")
	if !errors.Is(err, ErrReboot) || !slices.Equal(l.calls, []string{"reboot"}) {
		t.Fatalf("%v %q\n%s", err, l.calls, said)
	}
	for path, mode := range map[string]os.FileMode{"etc/portillon/laser.yaml": 0o644,
		"etc/credstore/portillon.laser.machine-key": 0o600, "etc/credstore/portillon.card-key": 0o600,
		"var/lib/portillon/site.bundle": 0o600} {
		if fi, err := os.Stat(filepath.Join(root, path)); err != nil || fi.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want mode %o", path, fi, err, mode)
		}
	}
	if want := filepath.Join(root, "var/lib/portillon"); !slices.Equal(l.owned, []string{want, want + "/site.bundle"}) {
		t.Errorf("the daemon's user owns %q", l.owned)
	}
	// Until the Pi has restarted, each run of setup asks for the restart again and starts no service.
	again := Options{Root: root, Live: true, Dir: o.Dir, NoTest: true}
	if said, err = run(t, l, again, "n\n"); !errors.Is(err, ErrIncomplete) || len(l.calls) != 1 {
		t.Fatalf("%v %q\n%s", err, l.calls, said)
	}
	if err := os.Remove(filepath.Join(root, restartMark)); err != nil { // remove the mark, as a restart does
		t.Fatal(err)
	}
	l.dead = true // make the daemon answer only after a delay
	if said, err = run(t, l, again, ""); err != nil || l.calls[1] != "enable --now portillond@laser" ||
		!strings.Contains(said, "portillond@laser: runs") {
		t.Fatalf("%v %q\n%s", err, l.calls, said)
	}
}

func TestSetupStopsWaitingForADaemonThatNeverAnswers(t *testing.T) {
	_, o := freshPi(t)
	o.NoReboot = true
	l := &lab{now: time.Now(), mute: true}
	if said, err := run(t, l, o, "y\n"); err == nil ||
		!strings.Contains(err.Error(), "portillond@laser does not answer") {
		t.Fatalf("%v\n%s", err, said)
	}
}

func TestBundleOfAnotherSiteIsNotInstalled(t *testing.T) {
	root, o := freshPi(t)
	o.Site = "other"
	if _, err := run(t, &lab{now: time.Now()}, o, "y\n"); err == nil ||
		!strings.Contains(err.Error(), "bundle belongs to site big, want site other") {
		t.Errorf("%v", err)
	}
	o.Site, o.BundleKey = "big", siteKey
	if _, err := run(t, &lab{now: time.Now()}, o, "y\ny\n"); err == nil ||
		!strings.Contains(err.Error(), `"portillon:machine:laser.other" was given, `+
			`want the private half of the machine key, as "portillon:machine:laser.big"; move the file away`) {
		t.Errorf("the machine's key of another site: %v", err)
	}
	os.Remove(filepath.Join(root, "etc/credstore/portillon.laser.machine-key"))
	if _, err := run(t, &lab{now: time.Now()}, o, "y\ny\n"); err == nil || !strings.Contains(err.Error(), "--bundle:") {
		t.Errorf("another key's bundle: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "var/lib/portillon/site.bundle")); err == nil {
		t.Error("it is in place")
	}
}

// If the doctor finds a fault, setup starts the acceptance test only after the person has answered yes.
func TestAcceptanceTestNeedsAConfirmationAfterADoctorsFinding(t *testing.T) {
	for typed, want := range map[string]error{"n\n": ErrIncomplete, "": ErrEnded} {
		s := &Setup{Host: &lab{}, Term: NewTerminal(t.Context(), strings.NewReader(typed), &bytes.Buffer{},
			policy.French), Doctor: func(context.Context, daemoncmd.Config) int { return 2 }}
		if err := s.examine(t.Context(), daemoncmd.Config{}); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", typed, err, want)
		}
	}
}

// The flag --yes alone must not start a test that closes the relay, because the machine may still be connected in place
// of the lamp.
func TestFlagYesDoesNotConfirmThatALampIsConnected(t *testing.T) {
	term := NewTerminal(t.Context(), strings.NewReader("n\n"), io.Discard, policy.English)
	term.Yes = true
	if yes, err := term.Confirm(t.Context(), policy.Text{EN: "write?"}); !yes || err != nil {
		t.Errorf("--yes: %t, %v", yes, err)
	}
	if yes, err := term.ConfirmDanger(t.Context(), false, policy.Text{EN: "lamp?"}); yes || err != nil {
		t.Errorf("--yes confirms that a lamp is in place: %t, %v", yes, err)
	}
	if yes, err := term.ConfirmDanger(t.Context(), true, policy.Text{EN: "lamp?"}); !yes || err != nil {
		t.Errorf("--yes-lamp: %t, %v", yes, err)
	}
}
