package daemoncmd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portillon/keykind"
	"portillon/yamlfile"
)

// Config is the content of a machine.yaml: which machine the daemon serves, and how the machine is wired.
type Config struct {
	Site, Machine string
	Data          string // folder in which the daemon stores the journal, the bundle and the verdicts on badges
	Control       string // the local socket
	CardKey       string // file of the site's card key, or credential:NAME for a credential of systemd
	MachineKey    string // file of the key that signs this machine's checkpoints
	PolicyKey     string // key that verifies the policy; empty: the key that verifies bundles
	Bundle        BundleConfig
	Reader        ReaderConfig
	Relay         RelayConfig
	Lights        LightsConfig
	MQTT          MQTTConfig
	Hub           HubConfig
	Panel         PanelConfig
	Clock         string // "ntp" or "trusted"

	instance string // name of the unit's instance (%i), which is the name of machine.yaml without .yaml
	path     string
	lines    map[string]int // line number of each field that names a key, for use in errors
}

// BundleConfig tells where the machine gets its bundles.
type BundleConfig struct {
	Key  string // the key that verifies bundles
	File string // path of a bundle file, which the daemon reads again after each change
	From string // folder or https URL from which the chunks of a new manifest are fetched
}

// MQTTConfig contains the settings of the connection to the broker. If Broker is empty, the machine has no hub.
type MQTTConfig struct {
	Broker, Username, PasswordFile string
	HubKey                         string // key that verifies the hub's acknowledgements and commands
}

// PanelConfig contains the settings of the panel's page.
type PanelConfig struct {
	Listen, Framed, URL string
	Screens             []netip.Addr // addresses of the machine's screens, in addition to this computer's own
}

// ReadConfig reads a machine.yaml. Relative paths in the file are relative to the file's folder. The error lists every
// fault.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	d := yamlfile.Parse(path, data)
	c := parse(d.Root(), filepath.Dir(path))
	c.instance = strings.TrimSuffix(filepath.Base(path), ".yaml")
	c.remember(path, d.Root())
	return c, d.Err()
}

// parse reads a machine.yaml. Relative paths are relative to dir. Faults are added to the document of r.
func parse(r yamlfile.Node, dir string) Config {
	beside := func(n yamlfile.Node) string {
		s := n.Str()
		if s == "" || filepath.IsAbs(s) || strings.HasPrefix(s, credential) {
			return s
		}
		return filepath.Join(dir, s)
	}
	r.Only("portillon", "site", "machine", "data", "control", "card-key", "machine-key", "policy-key", "bundle", "reader",
		"relay", "lights", "mqtt", "hub", "panel", "clock")
	r.Get("portillon").Required().Int(1, 1)
	c := Config{
		Site: r.Get("site").Required().Slug(), Machine: r.Get("machine").Required().Slug(),
		Data: beside(r.Get("data").Required()), Control: beside(r.Get("control")),
		CardKey: beside(r.Get("card-key").Required()), MachineKey: beside(r.Get("machine-key").Required()),
		Clock: r.Get("clock").OneOf("ntp", "trusted"),
	}
	b := r.Get("bundle").Required().Only("key", "file", "from")
	c.Bundle = BundleConfig{Key: b.Get("key").Required().Str(), File: beside(b.Get("file")), From: b.Get("from").Str()}
	c.PolicyKey = r.Get("policy-key").Str()
	checkKeyKind(r.Get("policy-key"), keykind.Place{Kind: keykind.Policy, ID: c.Site})
	checkKeyKind(b.Get("key"), keykind.Place{Kind: c.bundleKind(), ID: c.Site})
	c.Hub = parseHub(r.Get("hub"))
	if b.Present() && c.Bundle.File == "" && c.Bundle.From == "" && !r.Get("hub").Present() {
		b.Fault("file: for a bundle file, from: for a folder or an https URL", "names no source")
	}
	if f := c.Bundle.From; f != "" && !strings.Contains(f, "://") {
		c.Bundle.From = beside(b.Get("from"))
	}
	c.Reader = parseReader(r.Get("reader").Required(), beside)
	c.Relay = parseRelay(r.Get("relay").Required(), beside)
	c.Lights = parseLights(r.Get("lights"), beside)
	c.MQTT = parseMQTT(r.Get("mqtt"), beside, c.Site)
	c.Panel = parsePanel(r.Get("panel"))
	return c.withDefaults()
}

// parseMQTT reads the settings of the broker. Without the section mqtt, the machine has no hub.
func parseMQTT(n yamlfile.Node, beside func(yamlfile.Node) string, site string) MQTTConfig {
	n.Only("broker", "username", "password-file", "hub-key")
	c := MQTTConfig{
		Broker:       n.Get("broker").Str(),
		Username:     n.Get("username").Str(),
		PasswordFile: beside(n.Get("password-file")),
		HubKey:       n.Get("hub-key").Str(),
	}
	if n.Present() {
		checkBroker(n.Get("broker").Required())
		checkKeyKind(n.Get("hub-key").Required(), keykind.Place{Kind: keykind.Hub, ID: site})
	}
	return c
}

// parsePanel reads the settings of the panel. Every key has a default (withDefaults).
func parsePanel(n yamlfile.Node) PanelConfig {
	n.Only("listen", "framed", "url", "screens")
	checkListen(n.Get("listen"))
	return PanelConfig{
		Listen:  n.Get("listen").Str(),
		Framed:  n.Get("framed").Str(),
		URL:     panelURL(n.Get("url")),
		Screens: screens(n.Get("screens")),
	}
}

// withDefaults returns the configuration with defaults for missing keys.
func (c Config) withDefaults() Config {
	if c.Control == "" && c.Machine != "" {
		c.Control = fmt.Sprintf("/run/portillon/%s.sock", c.Machine)
	}
	if c.Clock == "" {
		c.Clock = "ntp"
	}
	if c.Panel.Listen == "" {
		c.Panel.Listen = "127.0.0.1:8037"
	}
	return c
}

// Synchronised reports whether the kernel considers the clock synchronised.
func Synchronised() bool { return synchronised() }

// These constants are the daemon's intervals and time limits.
const (
	tick            = 500 * time.Millisecond // interval at which the session checks its timeouts
	shutdownTimeout = 5 * time.Second        // time limit of a shutdown once the relay is off
)

// screens returns the addresses of the machine's screens. Touches on these screens follow the rule of the machine's own
// screen: they require a card only if the rule requires one there.
func screens(n yamlfile.Node) (out []netip.Addr) {
	for _, x := range n.List() {
		a, err := netip.ParseAddr(x.Str())
		if err != nil {
			x.Fault("as 192.168.1.40: the address of a screen that stands at the machine", "%q is no address", x.Str())
			continue
		}
		out = append(out, a.Unmap())
	}
	return out
}

// checkBroker reports a broker address that the uplink would reject.
func checkBroker(n yamlfile.Node) {
	u, err := url.Parse(n.Str())
	if n.Present() &&
		(err != nil || !has([]string{"tcp", "mqtt", "ssl", "tls", "mqtts"}, u.Scheme) || u.Hostname() == "" ||
			u.Port() == "") {
		n.Fault("tcp://hub.lan:1883, or with TLS ssl://hub.lan:8883", "%q is no address of a broker", n.Str())
	}
}

// checkListen reports an invalid listening address.
func checkListen(n yamlfile.Node) {
	_, port, err := net.SplitHostPort(n.Str())
	if number, perr := strconv.ParseUint(port, 10, 16); n.Present() &&
		(err != nil || perr != nil || strconv.FormatUint(number, 10) != port) {
		n.Fault("127.0.0.1:8037 for this computer, 0.0.0.0:8037 for all of its network", "%q is no address to listen on",
			n.Str())
	}
}

// listen opens the panel's address for connections.
func (p PanelConfig) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", p.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("panel: listen: %s is taken, perhaps by another machine on this computer; give this one its "+
			"own: panel: { listen: "+"127.0.0.1:8039 }", p.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("panel: listening on the address of the panel failed: %w", err)
	}
	return l, nil
}

// panelURL returns the address at which phones reach the panel.
func panelURL(n yamlfile.Node) string {
	s := n.Str()
	if u, err := url.Parse(s); n.Present() &&
		(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(s) > 100) {
		n.Fault("as http://laser.local:8037, the address at which a phone on this network reaches the panel",
			"%q is no such address", s)
		return ""
	}
	return s
}
