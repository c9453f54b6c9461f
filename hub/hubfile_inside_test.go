package hub

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/api"
)

// keyPair generates a key with this name.
func keyPair(t *testing.T, name string) (private, public string, v note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	if v, err = note.NewVerifier(public); err != nil {
		t.Fatal(err)
	}
	return private, public, v
}

// Each fault of a hub.yaml is reported once, at the key that must change.
func TestHubFileReportsEachFaultOnceAndAtItsKey(t *testing.T) {
	_, laser, _ := keyPair(t, "portillon-laser")
	_, bundle, _ := keyPair(t, "portillon-biklab")
	head := "portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\n"
	machine := "machines:\n  laser: { key: \"" + laser + "\", password-file: p }\n"
	for _, x := range []struct {
		name, text, says, never string
	}{
		{"no broker", head + machine, "mqtt: is missing", "one of listen and broker"},
		{"passwords for a broker outside", head + machine + "mqtt: { broker: \"tcp://x:1\" }\n",
			"set passwords at that broker", ""},
		{"the key of a machine in place of the site's",
			head + machine + "mqtt: { listen: \"127.0.0.1:0\" }\nbundle: { file: b, key: \"" + laser + "\" }\n",
			"is a machine key too (machines.laser.key", ""},
		{"the key of the site in place of a machine's",
			head + machine + "mqtt: { listen: \"127.0.0.1:0\" }\nbundle: { file: b, key: \"" + laser + "\" }\n",
			"is the site key too (bundle.key", ""},
		{"a host with a port", head + machine + "mqtt: { listen: \"127.0.0.1:0\" }\nbundle: { file: b, key: \"" + bundle +
			"\" }\nlan-issuers: [badges.lab, \"other.lab:80\"]\n", "host 2: \"other.lab:80\" is no name of a host", "host 1"},
		{"a certificate of the site without a listener", head + machine + "mqtt: { listen: \"127.0.0.1:0\" }\n" +
			"machines-cert: c\nmachines-cert-key: k\nmachines-authority: a\n", "machines-listen is missing", "beside it"},
		{"half a certificate of the site", head + machine + "mqtt: { listen: \"127.0.0.1:0\" }\nmachines-cert: c\n",
			"machines-cert-key is missing beside it", ""},
		{"a name of a certificate that is none", head + machine + "mqtt: { listen: \"127.0.0.1:0\" }\nname: HUB\n",
			"cannot be in a certificate", ""},
	} {
		_, err := ParseConfig("hub.yaml", []byte(x.text))
		if err == nil || !strings.Contains(err.Error(), x.says) || x.never != "" && strings.Contains(err.Error(), x.never) {
			t.Errorf("%s: %v, want %q", x.name, err, x.says)
		}
	}
	c, err := ParseConfig("hub.yaml", []byte(head+"card-key: c\nweb: { listen: \"127.0.0.1:0\" }\n"+
		"mqtt: { listen: \"127.0.0.1:0\" }\nlan-issuers: [badges.lab, 192.168.1.7]\n"))
	if err != nil || !slices.Equal(c.Issuers, []string{"badges.lab", "192.168.1.7"}) {
		t.Errorf("%q, %v", c.Issuers, err)
	}
}

// Two keys with the same name but different key data are different keys.
func TestHubFileMustNotUseAMachinesKeyAsHubKey(t *testing.T) {
	c := Config{Site: "biklab", Key: filepath.Join(t.TempDir(), "hub.key")}
	private, _, own := keyPair(t, "portillon-hub")
	if err := os.WriteFile(c.Key, []byte(private+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, namesake := keyPair(t, "portillon-hub")
	for name, x := range map[string]struct {
		key  note.Verifier
		want bool
	}{"no key": {nil, false}, "another key of that name": {namesake, false}, "the same key": {own, true}} {
		c.Machines = []MachineConfig{{ID: "laser", Key: x.key}}
		_, err := c.Signer()
		_, verr := c.Verifier()
		refused := err != nil && strings.Contains(err.Error(), "is a machine key too (machines.laser.key")
		if refused != x.want || (err != nil) != x.want || (verr != nil) != x.want {
			t.Errorf("%s: %v, %v", name, err, verr)
		}
	}
}

func TestNewHubBeyondLoopbackGetsACertificate(t *testing.T) {
	for web, want := range map[string]bool{"": false, "127.0.0.1:8040": false, "0.0.0.0:8040": true} {
		text := NewHub{Site: "biklab", Host: "Hub", Web: web}.config()
		if got := strings.Contains(text, "\n  cert: own "); got != want {
			t.Errorf("%q: a certificate of its own %v, want %v", web, got, want)
		}
		if !strings.Contains(text, "name: hub ") {
			t.Errorf("%q: the name is not that of the computer in lower case:\n%s", web, text)
		}
	}
	if text := (NewHub{Site: "biklab", Host: "my hub"}).config(); !strings.Contains(text, "name: portillon-hub ") {
		t.Errorf("a computer's name that no certificate can hold:\n%s", text)
	}
}

func TestSettingsContainOnlyPrintableLines(t *testing.T) {
	right := api.Settings{Name: "Bik’Lab", Language: "fr", Contact: "bureau@lab.example"}
	for name, x := range map[string]struct {
		change func(*api.Settings)
		field  string
	}{
		"valid settings":             {func(*api.Settings) {}, ""},
		"the longest name":           {func(s *api.Settings) { s.Name = strings.Repeat("a", maxSiteName) }, ""},
		"a name that is too long":    {func(s *api.Settings) { s.Name = strings.Repeat("a", maxSiteName+1) }, "name"},
		"a name of spaces":           {func(s *api.Settings) { s.Name = "  " }, "name"},
		"a replacement character":    {func(s *api.Settings) { s.Name = "a\ufffdb" }, "name"},
		"another language":           {func(s *api.Settings) { s.Language = "de" }, "language"},
		"no contact":                 {func(s *api.Settings) { s.Contact = "" }, ""},
		"the longest contact":        {func(s *api.Settings) { s.Contact = strings.Repeat("a", maxContact) }, ""},
		"a contact that is too long": {func(s *api.Settings) { s.Contact = strings.Repeat("a", maxContact+1) }, "contact"},
		"a contact of two lines":     {func(s *api.Settings) { s.Contact = "a\nb" }, "contact"},
	} {
		s := right
		x.change(&s)
		got := checkSettings(s)
		if x.field == "" && got != nil || x.field != "" && (len(got) != 1 || got[0].Field != x.field) {
			t.Errorf("%s: %+v, want %q", name, got, x.field)
		}
	}
}

func TestBrowsersMayAddressTheHubByNameOrURL(t *testing.T) {
	loopback := []string{"localhost", "127.0.0.1", "::1"}
	for name, x := range map[string]struct {
		name string
		url  *url.URL
		want []string
	}{
		"neither":          {"", nil, loopback},
		"a name":           {"hub.lab", nil, append(slices.Clone(loopback), "hub.lab")},
		"a URL":            {"", &url.URL{Scheme: "https", Host: "www.lab:8443"}, append(slices.Clone(loopback), "www.lab")},
		"a name and a URL": {"hub.lab", &url.URL{Host: "www.lab"}, append(slices.Clone(loopback), "www.lab", "hub.lab")},
	} {
		h := newParts(&core{c: Config{Join: JoinConfig{Name: x.name}, Web: PeopleConfig{URL: x.url}}})
		if got := h.pagesServer.hosts(); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}
