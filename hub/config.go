package hub

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
	"portillon/yamlfile"
)

// Config is the content of a hub.yaml.
//
//	portillon: 1
//	site: biklab
//	data: /var/lib/portillon-hub        # database, bundle, messages retained by the broker
//	key: hub.key                        # signs acknowledgements, commands and evidence
//	machines:
//	  laser: { key: "portillon:machine:laser.biklab+5f1c…", password-file: laser.password }
//	mqtt: { listen: "127.0.0.1:1883" }  # or { broker: "tcp://…", username: …, password-file: … }
//	http: 127.0.0.1:8038                # manifest and chunks, on loopback only
//	bundle: { file: site.bundle, key: "portillon:site:biklab+…" } # and policy-key:, if machines pin a separate one
//
// Relative paths start from the file's folder.
type Config struct {
	Site     policy.SiteID
	Data     string // path of the hub's data folder
	Key      string // path of the file that contains the hub's private key
	Machines []MachineConfig
	MQTT     MQTTConfig
	HTTP     string // host:port on loopback that serves the chunks; empty: chunks are not served
	Bundle   BundleConfig
	Join     JoinConfig

	Web       PeopleConfig // address and certificate of the pages and the API; zero: the hub has no pages
	PolicyKey string       // public half of a separate key that signs policies; empty: Key signs policies
	Mail      string       // path of a file with the mail settings; empty: no mail
	Issuer    IssuerConfig // issuer of the site's own badges; zero: the hub issues no badges
	Issuers   []string     // hosts on the site's own network from which the hub may fetch badges and status lists
	Sources   []SourceConfig

	keyAt string // file and line that set Key, such as hub.yaml:4
}

// MachineConfig is a machine of hub.yaml, whose records the hub accepts.
type MachineConfig struct {
	ID     policy.MachineID
	Key    note.Verifier // public key that verifies the machine's checkpoints
	Public string        // Key as text
	// PasswordFile is the path of a file with the password of the machine's account at the broker inside this program.
	// The account's name is the machine's id. Empty: the broker has no accounts.
	PasswordFile string
}

// MQTTConfig configures the broker: either the broker inside this program (Listen), or a separate broker (Broker).
type MQTTConfig struct {
	Listen        string // host:port
	Cert, CertKey string // PEM files; empty: no TLS
	// Watcher is the path of a password file for the account «watcher» (Home Assistant) at the broker inside this
	// program; empty: there is no such account.
	Watcher                string
	Broker                 string // URL of a separate broker: tcp://host:1883 or ssl://host:8883
	Username, PasswordFile string // name and password file of the hub's account at the separate broker
}

// BundleConfig is the bundle that the hub serves to machines.
type BundleConfig struct {
	File string        // path of the bundle file, which the hub reads again after each change; empty: no bundle file
	Key  note.Verifier // public key that verifies the signature of bundles

	Public string // Key as text

	// Policy is a separate policy key that machines pin. The hub serves no bundle whose policy this key did not sign.
	// nil: Key signs bundles and policies.
	Policy       note.Verifier
	PolicyPublic string // Policy as text
}

// Database returns the path of the hub's database.
func (c Config) Database() string { return filepath.Join(c.Data, store.Name) }

// Ledger returns the path of the file with the ledger. The file is the database, or the file ledger.db of an earlier
// release whose records have not been moved to the database yet. Evidence can be read from the file even while the hub
// runs.
func (c Config) Ledger() string {
	if old := ledger.OldPath(c.Database()); fileExists(old) {
		return old
	}
	return c.Database()
}

// Keys returns the machines' pinned keys.
func (c Config) Keys() ledger.Keys {
	out := ledger.Keys{}
	for _, m := range c.Machines {
		out[m.ID] = m.Key
	}
	return out
}

// Machine returns a machine's pinned key, as evidence.Verify requires; nil: unknown machine.
func (c Config) Machine(id policy.MachineID) note.Verifier { return c.Keys()[id] }

// Signer reads the hub's key.
func (c Config) Signer() (note.Signer, error) {
	b, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, fmt.Errorf("the hub's key: %w", err)
	}
	if err := c.rightKey(string(b)); err != nil {
		return nil, err
	}
	s, err := note.NewSigner(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("%s contains no signing key, want one line that begins with PRIVATE+KEY+", c.Key)
	}
	return s, nil
}

// Verifier returns the public half of the hub's key, which machines and readers of evidence pin.
func (c Config) Verifier() (note.Verifier, error) {
	b, err := os.ReadFile(c.Key)
	if err != nil {
		return nil, fmt.Errorf("the hub's key: %w", err)
	}
	if err := c.rightKey(string(b)); err != nil {
		return nil, err
	}
	v, err := publicHalf(string(b))
	if err != nil {
		return nil, fmt.Errorf("the hub's key %s: %w", c.Key, err)
	}
	return v, nil
}

// ReadConfig reads a hub.yaml. The error contains every fault of the file, with its line.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	return ParseConfig(path, data)
}

// ParseConfig parses the content of a hub.yaml. Each fault begins with path, and relative paths in the content start
// from the folder of path.
func ParseConfig(path string, data []byte) (Config, error) {
	d := yamlfile.Parse(path, data)
	p := parser{filepath.Dir(path)}
	c := p.hub(d.Root())
	if c.keyAt != "" {
		c.keyAt = path + ":" + c.keyAt
	}
	if err := d.Err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// parser parses hub.yaml. dir is the file's folder, from which relative paths start.
type parser struct{ dir string }

// file returns a path that hub.yaml contains as an absolute path; empty: hub.yaml does not set the path.
func (p parser) file(n yamlfile.Node) string {
	s := n.Str()
	if s == "" || filepath.IsAbs(s) {
		return s
	}
	return filepath.Join(p.dir, s)
}

// hub parses the whole file. hub adds each fault to the YAML node that has the fault, and the caller reads all faults
// at the end.
func (p parser) hub(r yamlfile.Node) Config {
	r.Only(
		"portillon",
		"site",
		"data",
		"key",
		"machines",
		"mqtt",
		"http",
		"bundle",
		"machines-listen",
		"machines-cert",
		"machines-cert-key",
		"machines-authority",
		"name",
		"card-key",
		"web",
		"policy-key",
		"mail",
		"lan-issuers",
		"issuer", "sources",
	)
	r.Get("portillon").Required().Int(1, 1)
	c := Config{
		Site: policy.SiteID(r.Get("site").Required().Slug()),
		Data: p.file(r.Get("data").Required()), Key: p.file(r.Get("key").Required()),
		Machines: p.machines(r.Get("machines"), r.Get("site").Str()),
		MQTT:     p.mqtt(r.Get("mqtt").Required()),
		HTTP:     loopbackAddr(r.Get("http")),
		Bundle:   p.bundle(r.Get("bundle"), r.Get("site").Str()),
		Join:     p.join(r),
		Web: p.web(
			r.Get("web"),
		), PolicyKey: policyKey(r.Get("policy-key"), r.Get("site").Str()), Mail: p.file(r.Get("mail")),
		Issuers: hostsOf(r.Get("lan-issuers")), Issuer: p.issuer(r),
		Sources: p.sources(r.Get("sources")),
	}
	p.together(r, c)
	storeKeyLine(&c, r)
	rejectSharedKey(r)
	p.accounts(r, c)
	return c
}

// machines parses the key machines.
func (p parser) machines(n yamlfile.Node, site string) []MachineConfig {
	var out []MachineConfig
	for _, e := range n.Pairs() {
		m := MachineConfig{ID: policy.MachineID(e.Key)}
		if id := e.KeyNode.Slug(); id == "" || wire.Reserved(policy.MachineID(id)) {
			e.KeyNode.Fault("", "%q cannot be a machine's id", e.Key)
		}
		e.Value.Required().Only("key", "password-file")
		m.Public = e.Value.Get("key").Str()
		m.Key = verifier(e.Value.Get("key").Required(), keykind.Place{Kind: keykind.Machine, ID: e.Key + "." + site})
		m.PasswordFile = p.file(e.Value.Get("password-file"))
		out = append(out, m)
	}
	return out
}

// verifier parses a public key whose name must match place p, and adds any fault to the node.
func verifier(n yamlfile.Node, p keykind.Place) note.Verifier {
	s := n.Str()
	if s == "" {
		return nil
	}
	if err := p.Check(s); err != nil {
		n.Fault("", "%v", err)
		return nil
	}
	v, err := note.NewVerifier(s)
	if err != nil {
		hint := "one line that reads name+hash+key"
		if strings.HasPrefix(s, "PRIVATE+KEY+") {
			n.Fault("write its public half: "+hint, "this is the private half of a key")
			return nil
		}
		n.Fault(hint, "%.80q is no verifier key", s)
		return nil
	}
	return v
}

// mqtt parses the key mqtt, which configures either the broker inside this program or a separate broker.
func (p parser) mqtt(n yamlfile.Node) MQTTConfig {
	n.Only("listen", "cert", "cert-key", "watcher", "broker", "username", "password-file")
	c := MQTTConfig{
		Listen: addr(
			n.Get("listen"),
		), Cert: p.file(n.Get("cert")), CertKey: p.file(n.Get("cert-key")), Watcher: p.file(n.Get("watcher")),
		Broker: n.Get("broker").Str(), Username: n.Get("username").Str(), PasswordFile: p.file(n.Get("password-file")),
	}
	if !n.Present() {
		return c
	}
	inside, outside := n.Get("listen").Present(), n.Get("broker").Present()
	if inside == outside {
		n.Fault(
			"listen: for the broker inside, broker: for one outside",
			"one of listen and broker must stand here, and one only",
		)
		return c
	}
	for _, k := range []string{"cert", "cert-key", "watcher"} {
		if outside && n.Get(k).Present() {
			n.Get(k).Fault("", "it is for the broker inside")
		}
	}
	for _, k := range []string{"username", "password-file"} {
		if inside && n.Get(k).Present() {
			n.Get(k).Fault("the hub gives itself an account at the broker inside", "it is for a broker outside")
		}
	}
	if (c.Cert == "") != (c.CertKey == "") {
		n.Fault("", "cert and cert-key go together")
	}
	if u, err := url.Parse(c.Broker); outside && (err != nil || u.Host == "" || u.Scheme != "tcp" && u.Scheme != "ssl") {
		n.Get("broker").Fault("tcp://host:1883 or ssl://host:8883", "%.80q is no broker's address", c.Broker)
	}
	return c
}

// bundle parses the key bundle; the zero BundleConfig: the hub serves no bundle file.
func (p parser) bundle(n yamlfile.Node, site string) BundleConfig {
	if !n.Present() {
		return BundleConfig{}
	}
	n.Only("file", "key", "policy-key")
	b := BundleConfig{File: p.file(n.Get("file").Required()), Public: n.Get("key").Str()}
	kind := keykind.Site
	if own := n.Get("policy-key"); own.Present() && !keykind.Same(own.Str(), b.Public) {
		kind, b.PolicyPublic = keykind.Hub, own.Str()
		b.Policy = verifier(own, keykind.Place{Kind: keykind.Policy, ID: site})
	}
	b.Key = verifier(n.Get("key").Required(), keykind.Place{Kind: kind, ID: site})
	return b
}

// accounts checks the broker inside this program: either the broker has an account for every client, or it listens on
// loopback and has no accounts.
func (p parser) accounts(r yamlfile.Node, c Config) {
	with := 0
	for _, m := range c.Machines {
		if m.PasswordFile != "" {
			with++
		}
	}
	if with > 0 && c.MQTT.Broker != "" {
		r.Get("machines").
			Fault("set passwords at that broker", "password-file is for the broker inside, and mqtt names one outside")
	} else if with > 0 && with < len(c.Machines) {
		r.Get("machines").Fault("a password-file for each, or for none", "%d of %d machines have a password-file", with,
			len(c.Machines))
	}
	listen := r.Get("mqtt").Get("listen")
	if c.Join.Listen != "" { // the broker has an account for every client
		return
	}
	if with == 0 && c.MQTT.Listen != "" && !onLoopback(c.MQTT.Listen) {
		listen.Fault(
			"give each machine a password-file, or listen on 127.0.0.1",
			"%q can be reached from the network, and the broker would know nobody",
			c.MQTT.Listen,
		)
	}
	if with == 0 && c.MQTT.Watcher != "" {
		r.Get("mqtt").
			Get("watcher").
			Fault("give each machine a password-file", "a watcher's account makes sense only where machines have accounts")
	}
}

// addr parses a host:port; empty: hub.yaml does not set the value.
func addr(n yamlfile.Node) string {
	s := n.Str()
	if s == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(s); err != nil {
		n.Fault("host:port, as in 127.0.0.1:1883", "%.80q is no address", s)
		return ""
	}
	return s
}

// loopbackAddr parses a host:port, which must be on loopback, because requests to this address need no certificate.
func loopbackAddr(n yamlfile.Node) string {
	s := addr(n)
	if s != "" && !onLoopback(s) {
		n.Fault(
			"listen on 127.0.0.1, and let a proxy that asks for client certificates stand before it",
			"%q can be reached from the network, and chunks hold members' names",
			s,
		)
		return ""
	}
	return s
}

// onLoopback reports whether only programs on this computer can connect to host:port.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// readPassword reads the first line of a password file.
func readPassword(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimRight(line, "\r"); line == "" {
		return "", errors.New(path + ": its first line is empty")
	}
	return line, nil
}
