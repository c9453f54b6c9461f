package daemoncmd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
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

// HubConfig is the hub at which the machine was enrolled (portillond enrol). The zero HubConfig belongs to a machine
// whose files somebody installed by hand, without an enrolment.
type HubConfig struct {
	Address string // host:port of the hub's listener for machines
	Name    string // host name in the hub's certificate
}

// parseHub reads the settings of the hub that the enrolment wrote.
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

// HubDir returns the folder of the files for the connection to the hub.
func (c Config) HubDir() string { return filepath.Join(c.Data, "hub") }

// HubLink opens the connection to the hub. If the signer is nil, HubLink does not renew the machine's certificate.
func (c Config) HubLink(signer note.Signer, now func() time.Time, trusted func() bool) (*hublink.Link, error) {
	return c.HubLinkBy(nil, signer, now, trusted)
}

// HubLinkBy is HubLink with another dialer. If the dialer is nil, HubLinkBy connects over the network.
func (c Config) HubLinkBy(
	dial hublink.Dial,
	signer note.Signer,
	now func() time.Time,
	trusted func() bool,
) (*hublink.Link, error) {
	if c.Hub == (HubConfig{}) {
		return nil, errors.New("hub: this machine was not enrolled, run: portillond enrol https://HUB:8443 CODE")
	}
	v, err := note.NewVerifier(c.MQTT.HubKey)
	if err != nil {
		return nil, fmt.Errorf("hub: field hub-key of mqtt is not a valid public key: %w", err)
	}
	return hublink.Open(hublink.Config{Dir: c.HubDir(), Site: policy.SiteID(c.Site),
		Machine: policy.MachineID(c.Machine), Name: c.Hub.Name, Address: c.Hub.Address, HubKey: note.VerifierList(v),
		Signer: signer, Now: now, Trusted: trusted, Dial: dial, Finder: hublink.MDNS{}})
}

// LanguageOf returns the language in a flag, or the language of the environment if the flag is empty.
func LanguageOf(flag string, env func(string) string) (policy.Language, error) {
	return languageOf(flag, env)
}

// openHub opens the connection to the hub. If the files of the enrolment are damaged, the machine works without the
// hub.
func (d *Daemon) openHub(k keys) {
	if d.c.Hub == (HubConfig{}) {
		return
	}
	link, err := d.c.HubLink(k.signer, d.clock.now, d.clock.trusted)
	if err != nil {
		d.log.Error("machine works without its hub, because the files of the enrolment are unusable", "err", err)
		return
	}
	d.hub = &hubWatch{link: link, lost: make(chan struct{}, 1), clock: d.clock, log: d.log}
}

// hubWatch maintains the connection to the hub. A machine that was not enrolled has a nil *hubWatch.
type hubWatch struct {
	link *hublink.Link
	// receives a value when the connection to the broker is lost; the value requests a check of the hub; capacity 1
	lost    chan struct{}
	clock   clock
	log     *slog.Logger
	bundles *bundleUpdater // function that receives the hub's manifests; set before run
}

// chunks returns the source of chunks at the hub, or nil if the machine gets its chunks from a file or a folder.
func (h *hubWatch) chunks() wire.PartSource {
	if h == nil {
		return nil
	}
	return h.link.Chunks(context.Background()) // each request has its own timeout
}

// brokerRoute returns how the hub's broker is verified and how its address is found. Both results are nil for a machine
// that was not enrolled, because its machine.yaml names the broker itself.
func (h *hubWatch) brokerRoute() (*tls.Config, func(string) string) {
	if h == nil {
		return nil, nil
	}
	return h.link.TLS(), func(hostport string) string {
		select {
		case h.lost <- struct{}{}: // check the hub, because its address may have changed
		default:
		}
		return h.link.Resolve(hostport)
	}
}

const (
	// hubEvery is the pause between two checks of the connection. hubAgain is the pause after a failed check.
	hubEvery, hubAgain = 10 * time.Minute, time.Minute
	// manifestEvery is the interval at which the manifest is fetched over HTTPS, in case MQTT does not deliver the
	// manifest.
	manifestEvery = time.Hour
	// hubSoonest is the minimum time between two checks of the hub. The time is long because a check may search the whole
	// network.
	hubSoonest = 10 * time.Second
)

// run checks the connection to the hub repeatedly until ctx ends.
func (h *hubWatch) run(ctx context.Context) {
	var fetched time.Time // durations are measured with the monotonic clock
	failed := false
	for {
		select {
		case <-h.lost: // remove a waiting request, because this check also answers that request
		default:
		}
		err := h.check(ctx, &fetched)
		if err != nil && ctx.Err() == nil && !failed {
			h.log.Warn("hub unreachable", "err", err)
		} else if err == nil && failed {
			h.log.Info("hub is reachable again", "address", h.link.Address())
		}
		failed = err != nil
		pause := hubEvery
		if failed {
			pause = hubAgain
		}
		// The pause is random, so that the machines of a site do not send requests at the same time.
		if !h.waitForCheck(ctx, pause/2+rand.N(pause)) {
			return
		}
	}
}

// waitForCheck waits until the pause is over or the connection to the broker is lost. The result is false if ctx has
// ended.
func (h *hubWatch) waitForCheck(ctx context.Context, pause time.Duration) bool {
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
	case <-h.lost:
	}
	return true
}

// check finds the hub, renews the certificate if it is due, asks the hub for the time if the clock is not
// synchronised, and fetches the manifest.
func (h *hubWatch) check(ctx context.Context, fetched *time.Time) error {
	if err := h.link.Find(ctx); err != nil {
		return err
	}
	if h.link.Due() {
		if err := h.link.Renew(ctx); err != nil {
			return err
		}
		h.log.Info("certificate renewed")
	}
	if v := h.clock.trust; v != nil && !v.asks() {
		ahead, within, err := h.link.Time(ctx)
		if err != nil {
			return err
		}
		if !v.trustHub(ahead, within) {
			h.log.Warn("machine's clock differs from the hub's clock", "hub_ahead", ahead.Round(time.Second))
		}
	}
	if !fetched.IsZero() && time.Since(*fetched) < manifestEvery {
		return nil
	}
	m, err := h.link.Manifest(ctx)
	if r := (*hublink.Refused)(nil); errors.As(err, &r) && r.Code == "" { // the hub has no bundle yet
		return nil
	}
	if err != nil {
		return err
	}
	*fetched = time.Now()
	select {
	case h.bundles.cardKeys.again <- struct{}{}:
	default: // drop the request, because another request is already waiting
	}
	h.bundles.offer(m)
	return nil
}

// setClockWithin is the maximum time that a start waits for the hub's time.
const setClockWithin = 5 * time.Second

// setClock sets this computer's clock to the hub's time if no time server has synchronised the clock, and logs the
// result.
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
