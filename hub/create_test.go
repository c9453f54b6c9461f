package hub_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub"
)

func TestNewHubNeedsAnEmptyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	made, err := hub.Create(dir, hub.NewHub{Site: "biklab", Host: "Raspberry-Pi"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.ReadConfig(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	v, err := c.Verifier()
	if err != nil || !strings.HasPrefix(made.Key, v.Name()+"+") {
		t.Errorf("the key %q, printed %q, %v", v.Name(), made.Key, err)
	}
	if !c.Managed() || c.Join.Name != "raspberry-pi" || c.Site != "biklab" {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"hub.yaml", "keys/site.key", "keys/card.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := hub.Create(dir, hub.NewHub{Site: "biklab", Host: "pi"}); err == nil ||
		!strings.Contains(err.Error(), "hub.yaml") {
		t.Errorf("a second hub in the same folder: %v", err)
	}
}

func TestNewHubThatListensOnTheNetworkHasACertificate(t *testing.T) {
	made, err := hub.Create(t.TempDir(), hub.NewHub{Site: "biklab", Host: "pi", Web: "0.0.0.0:8040"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.ReadConfig(made.Config)
	if err != nil || c.Web.Cert != hub.OwnCert || c.Web.Listen != "0.0.0.0:8040" {
		t.Errorf("%+v, %v", c.Web, err)
	}
}

func TestNewHubRefusesAFolderWithFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.odt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := hub.Create(dir, hub.NewHub{Site: "biklab", Host: "pi"})
	if err == nil || !strings.Contains(err.Error(), "thesis.odt") {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d entries in the folder", len(entries))
	}
}

func TestErrorsAboutTheHubFileOfAManagedHubNameTheFix(t *testing.T) {
	dir := t.TempDir()
	made, err := hub.Create(dir, hub.NewHub{Site: "biklab", Host: "pi"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, says string }{
		{"pages in the clear on the network", "listen: 127.0.0.1:8040", "listen: 0.0.0.0:8040",
			"passwords would travel in the clear"},
		{"a certificate without its key", "web: ", "web: { listen: \"127.0.0.1:1\", cert: a.pem }\n# ",
			"cert and cert-key go together"},
		{"an address as the hub's name", "name: pi", "name: 192.168.1.4", "cannot be in a certificate"},
		{"no card key", "card-key: keys/card.key", "# ", "card-key: is missing"},
		{"a bundle from elsewhere", "mqtt:", "bundle: { file: site.bundle, key: \"" + made.Key + "\" }\nmqtt:",
			"builds the bundle itself"},
		{"a proxy that is none", "web: ", "web: { listen: \"127.0.0.1:1\", proxies: [next] }\n# ", "is no address"},
		{"an issuer with a port", "mqtt:", "lan-issuers: [\"badges.lab.lan:443\"]\nmqtt:", "no name of a host"},
		{"issuers of the site's network", "mqtt:", "lan-issuers: [badges.lab.lan, 10.0.0.7]\nmqtt:", ""},
		{"a URL below a path", "web: ", "web: { listen: \"127.0.0.1:1\", url: \"https://lab.example/hub\" }\n# ",
			"of the form https://HOST"},
	} {
		_, err := hub.ParseConfig(made.Config, []byte(cutBlock(strings.Replace(string(text), c.from, c.to, 1), c.to)))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// cutBlock removes the indented lines after the first line of a mapping.
func cutBlock(text, line string) string {
	if !strings.Contains(line, "{") || strings.HasPrefix(line, "bundle") {
		return text
	}
	before, after, _ := strings.Cut(text, line)
	lines := strings.SplitAfter(after, "\n")
	for len(lines) > 1 && strings.HasPrefix(lines[1], "  ") {
		lines = append(lines[:1], lines[2:]...)
	}
	return before + line + strings.Join(lines, "")
}
