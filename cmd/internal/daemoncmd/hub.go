package daemoncmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/hublink"
	"portillon/policy"
	"portillon/wire"
	"portillon/yamlfile"
)

// HubConfig is the hub that the machine was enrolled at (portillond enrol). The zero HubConfig is a machine whose files
// were put there by hand.
type HubConfig struct {
	Address string // host:port of the hub's listener for machines
	Name    string // in the hub's certificate
}

func parseHub(n yamlfile.Node) HubConfig {
	n.Only("address", "name")
	if !n.Present() {
		return HubConfig{}
	}
	c := HubConfig{Name: n.Get("name").Required().Str()}
	a := n.Get("address").Required()
	at, err := hublink.Address(a.Str())
	if err != nil && a.Str() != "" {
		a.Fault("hub.local:8443", "%.100q is no address of a hub", a.Str())
	}
	c.Address = at
	return c
}

// HubDir is where the enrolment keeps what belongs to the way to the hub.
func (c Config) HubDir() string { return filepath.Join(c.Data, "hub") }

// HubLink opens the way to the hub. A nil signer renews no certificate.
func (c Config) HubLink(signer note.Signer, now func() time.Time, trusted func() bool) (*hublink.Link, error) {
	return c.HubLinkBy(nil, signer, now, trusted)
}

// HubLinkBy is HubLink over another network; a nil dial is this computer's.
func (c Config) HubLinkBy(dial hublink.Dial, signer note.Signer, now func() time.Time, trusted func() bool) (*hublink.Link, error) {
	if c.Hub == (HubConfig{}) {
		return nil, errors.New("hub: the machine was not enrolled at a hub: portillond enrol https://HUB:8443 CODE")
	}
	v, err := note.NewVerifier(c.MQTT.HubKey)
	if err != nil {
		return nil, fmt.Errorf("hub: mqtt: hub-key: %w", err)
	}
	return hublink.Open(hublink.Config{Dir: c.HubDir(), Site: policy.SiteID(c.Site), Machine: policy.MachineID(c.Machine), Name: c.Hub.Name,
		Address: c.Hub.Address, HubKey: note.VerifierList(v), Signer: signer, Now: now, Trusted: trusted, Dial: dial, Finder: hublink.MDNS{}})
}

// LanguageOf is the language that a flag names, or the environment.
func LanguageOf(flag string, env func(string) string) (policy.Language, error) {
	return languageOf(flag, env)
}

// openHub opens the way to the hub. A machine whose files are damaged works without.
func (d *Daemon) openHub(k keys) {
	if d.c.Hub == (HubConfig{}) {
		return
	}
	link, err := d.c.HubLink(k.signer, d.clock.now, d.clock.trusted)
	if err != nil {
		d.log.Error("no way to the hub", "err", err)
		return
	}
	d.hub = link
}

// chunksFromHub is where chunks are fetched; nil: not from the hub.
func (d *Daemon) chunksFromHub() wire.PartSource {
	if d.hub == nil {
		return nil
	}
	return d.hub.Chunks(context.Background()) // each request has a bound of its own
}

// wayToHub is how the hub's broker is verified and where it is dialled; nil: as mqtt: broker says.
func (d *Daemon) wayToHub() (*tls.Config, func(string) string) {
	if d.hub == nil {
		return nil, nil
	}
	return d.hub.TLS(), func(hostport string) string {
		select {
		case d.hubLost <- struct{}{}: // the broker is dialled again: perhaps the hub moved
		default:
		}
		return d.hub.Resolve(hostport)
	}
}

const (
	// hubEvery is how often the way to the hub is looked after; hubAgain after a failure.
	hubEvery, hubAgain = 10 * time.Minute, time.Minute
	// manifestEvery is how often the manifest is fetched over HTTPS. MQTT brings each new one at once, where it works.
	manifestEvery = time.Hour
	// hubSoonest is the shortest time between two looks: a search asks the whole network.
	hubSoonest = 10 * time.Second
)

// watchHub looks after the way to the hub until ctx ends.
func (d *Daemon) watchHub(ctx context.Context) {
	var fetched time.Time // by the monotonic clock
	failed := false
	for {
		select {
		case <-d.hubLost: // this look is the answer
		default:
		}
		err := d.checkHub(ctx, &fetched)
		if err != nil && ctx.Err() == nil && !failed {
			d.log.Warn("the hub is away", "err", err)
		} else if err == nil && failed {
			d.log.Info("the hub is back", "address", d.hub.Address())
		}
		failed = err != nil
		pause := hubEvery
		if failed {
			pause = hubAgain
		}
		if !d.waitForHub(ctx, pause/2+rand.N(pause)) { // machines of a site do not ask in step
			return
		}
	}
}

// waitForHub waits until the hub is looked after again: after a pause, or when the broker is dialled, which a
// connection that was lost is the reason of. It returns false once ctx ends.
func (d *Daemon) waitForHub(ctx context.Context, pause time.Duration) bool {
	soonest, late := time.NewTimer(hubSoonest/2+rand.N(hubSoonest)), time.NewTimer(pause)
	defer soonest.Stop()
	defer late.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-soonest.C:
	}
	select {
	case <-ctx.Done():
		return false
	case <-late.C:
	case <-d.hubLost:
	}
	return true
}

// checkHub finds the hub, renews the certificate when it is due, asks the time where nothing vouches for the clock,
// and fetches the manifest.
func (d *Daemon) checkHub(ctx context.Context, fetched *time.Time) error {
	if err := d.hub.Find(ctx); err != nil {
		return err
	}
	if d.hub.Due() {
		if err := d.hub.Renew(ctx); err != nil {
			return err
		}
		d.log.Info("certificate renewed")
	}
	if v := d.clock.trust; v != nil && !v.asks() {
		ahead, within, err := d.hub.Time(ctx)
		if err != nil {
			return err
		}
		if !v.trustHub(ahead, within) {
			d.log.Warn("clock differs from the hub's", "hub_ahead", ahead.Round(time.Second))
		}
	}
	if !fetched.IsZero() && time.Since(*fetched) < manifestEvery {
		return nil
	}
	m, err := d.hub.Manifest(ctx)
	if r := (*hublink.Refused)(nil); errors.As(err, &r) && r.Code == "" { // there is no bundle yet
		return nil
	}
	if err != nil {
		return err
	}
	*fetched = time.Now()
	select {
	case d.bundles.askAgain <- struct{}{}:
	default: // it will be asked for
	}
	d.bundles.offer(m)
	return nil
}

// setClockWithin bounds how long a start waits for the hub's time.
const setClockWithin = 5 * time.Second

// setClock sets this computer's clock by the hub's, where the kernel says that no time server did. It says what it did.
func setClock(c Config) {
	if c.Hub == (HubConfig{}) || c.Clock != "ntp" || synchronised() {
		return
	}
	link, err := c.HubLink(nil, WallNow, func() bool { return false })
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), setClockWithin)
		defer cancel()
		var ahead time.Duration
		if ahead, _, err = link.Time(ctx); err == nil && ahead.Abs() > step {
			if err = setTime(WallNow().Add(ahead)); err == nil {
				fmt.Printf("portillond: clock set by the hub: %v\n", ahead.Round(time.Second))
			}
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "portillond: clock not set: %v\n", err)
	}
}
