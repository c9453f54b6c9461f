package hub

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/policy"
)

// Created is the result of Create.
type Created struct {
	Config string // path of hub.yaml
	Site   policy.SiteID
	Key    string // public half of the site's key, which machines pin
}

// cardKeyBytes is the length of a new card key in bytes. cardKeyBytes equals the output length of HMAC-SHA-256 (RFC
// 2104 §3).
const cardKeyBytes = 32

// NewHub contains the parameters of Create.
type NewHub struct {
	Site policy.SiteID
	Host string // the computer's host name; machines and browsers check that the certificate has this name
	// Web is the host:port for browsers; empty: 127.0.0.1:8040. If the address is not on loopback, the hub's own
	// authority signs a certificate for it.
	Web string

	Machines string // host:port where machines join and fetch their bundle; empty: 0.0.0.0:8443
	Broker   string // host:port of the broker inside this program; empty: 0.0.0.0:8883
}

// Create creates a hub in an empty folder: its hub.yaml, a key that signs bundles, policies and acknowledgements, and a
// card key. Create writes hub.yaml last, so a folder without hub.yaml is incomplete.
func Create(dir string, n NewHub) (Created, error) {
	if err := requireEmptyFolder(dir); err != nil {
		return Created{}, err
	}
	name, err := keykind.Name(keykind.Site, string(n.Site))
	if err != nil {
		return Created{}, err
	}
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return Created{}, err
	}
	card := make([]byte, cardKeyBytes)
	rand.Read(card) // crypto/rand.Read never fails
	text := n.config()
	config := filepath.Join(dir, "hub.yaml")
	if _, err := ParseConfig(config, []byte(text)); err != nil {
		return Created{}, fmt.Errorf("site %q: %w", n.Site, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "keys"), 0o700); err != nil {
		return Created{}, err
	}
	for _, f := range []struct{ path, text string }{
		{filepath.Join(dir, "keys", "site.key"), private + "\n"},
		{filepath.Join(dir, "keys", "card.key"), hex.EncodeToString(card) + "\n"},
		{config, text},
	} {
		if err := writeNew(f.path, f.text); err != nil {
			return Created{}, err
		}
	}
	return Created{Config: config, Site: n.Site, Key: public}, nil
}

// config returns the text of the hub.yaml that Create writes.
func (n NewHub) config() string {
	if !dnsName.MatchString(strings.ToLower(n.Host)) {
		n.Host = "portillon-hub"
	}
	n.Web = cmp.Or(n.Web, "127.0.0.1:8040")
	n.Machines, n.Broker = cmp.Or(n.Machines, "0.0.0.0:8443"), cmp.Or(n.Broker, "0.0.0.0:8883")
	cert := ""
	if !onLoopback(n.Web) {
		cert = "\n  cert: own                               # signed by the hub's own authority: docs/hub.md"
	}
	return fmt.Sprintf(newConfig, n.Site, n.Web, cert, n.Machines, strings.ToLower(n.Host), n.Broker)
}

// newConfig is the format string of the hub.yaml that Create writes. The arguments of newConfig are the site's id,
// the address for people, a line about the certificate, the address for machines, the computer's name, and the
// broker's address.
const newConfig = `# The hub of a site.` +
	` Relative paths stand beside this file. portillon-hub -check says what is wrong with it.
portillon: 1
site: %s
data: data                                # the database, and what the broker inside keeps
key: keys/site.key                        # signs bundles, policies and acknowledgements; machines pin its public half
card-key: keys/card.key                   # turns card numbers into what machines hold
web:                                      # for people: pages and API
  # for other computers: 0.0.0.0:8040 with cert: own, or a reverse proxy and url:
  listen: %s%s
machines-listen: %s             # for machines: they join here, and fetch what they work from
name: %s                                # the name in the hub's certificate: machines verify it, never an address
mqtt: { listen: %s }            # the broker inside: each machine has an account
`

// requireEmptyFolder returns an error if a folder contains files that are not hidden. requireEmptyFolder creates the
// folder if the folder is missing.
func requireEmptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			return fmt.Errorf("folder %s contains %s but no hub.yaml, want an empty folder for a new hub", dir, e.Name())
		}
	}
	return nil
}

// writeNew creates a file that only its owner can read, and returns once the file is on the disk. writeNew fails if the
// file exists.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
