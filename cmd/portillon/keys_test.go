package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/setup"
	"portillon/hub"
	"portillon/openbadge"
	policyfile "portillon/policy/file"
	"portillon/rfid/strong"
)

// oldKeys is the folder with the keys and the bundle that the program of commit 80f842b has created.
const oldKeys = "testdata/keys-80f842b"

// givenKey is a key that the test tries in every field and flag.
type givenKey struct {
	name   string // site/new/private
	text   string
	shown  string // name of the key in a refusal
	secret string // secret text that no refusal may contain; empty: no secret
}

func keyPair(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func oldKey(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(oldKeys, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// allKeys returns keys of every kind, in each form of that kind.
func allKeys(t *testing.T) (out []givenKey) {
	t.Helper()
	add := func(name, private, public, shown string) {
		out = append(out, givenKey{name + "/private", private, shown, strings.SplitN(private, "+", 5)[4]},
			givenKey{name + "/public", public, shown, ""})
	}
	for kind, id := range map[string]string{
		"site":    "biklab",
		"policy":  "biklab",
		"hub":     "biklab",
		"machine": "laser.biklab",
	} {
		private, public := keyPair(t, "portillon:"+kind+":"+id)
		add(kind+"/new", private, public, "portillon:"+kind+":"+id)
	}
	private, public := keyPair(t, "portillon:machine:vinyl.biklab")
	add("other machine/new", private, public, "portillon:machine:vinyl.biklab")
	private, public = keyPair(t, "portillon:site:elsewhere")
	add("other site/new", private, public, "portillon:site:elsewhere")
	add("site/old", oldKey(t, "site.key"), oldKey(t, "site.pub"), "portillon-biklab")
	add("machine/old", oldKey(t, "laser.key"), oldKey(t, "laser.pub"), "laser.biklab")
	did, issuer := oldKey(t, "issuer.pub"), oldKey(t, "issuer.key")
	k, err := openbadge.ParseKey([]byte(issuer))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return append(out, givenKey{"issuer/file", issuer, did, "z3u2ZqZ"},
		givenKey{"issuer/rsa file", oldKey(t, "issuer-rsa.key"), "RSA key", `"d"`},
		givenKey{"issuer/did", did, did, ""}, givenKey{"issuer/multikey", k.Multikey(), k.Multikey(), ""},
		givenKey{"issuer/jwk", `{"kty":"OKP","crv":"Ed25519","x":"AcxATtxqDZkMPtTRPwRDapR1iYRgu1vyJirVZyNhx9C6"}`, "JWK", ""},
		givenKey{"issuer/pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "PEM", ""},
		givenKey{"card/old", oldKey(t, "card.key"), "card key", oldKey(t, "card.key")},
		givenKey{"aes/old", oldKey(t, "aes.key"), "AES key", oldKey(t, "aes.key")})
}

// keyPlace is a flag or a line of a file that names a key.
type keyPlace struct {
	name string
	fits []string                      // names of the keys that this place accepts
	want string                        // name of the expected kind in a refusal
	at   string                        // file and line in a refusal; empty for a flag
	put  func(*keyBench, string) error // writes a text into the flag or field and returns the program's error
}

// keyBench is a folder with a machine.yaml, a hub.yaml and a site, all of which name the correct keys. The keys are
// those of commit 80f842b, whose names do not contain the kind.
type keyBench struct {
	t   *testing.T
	dir string
}

func (b *keyBench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *keyBench) write(name, text string) string {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return b.path(name)
}

var errNoReader = errors.New("no reader")

// tool runs a command of the tool, and returns the command's error and output.
func (b *keyBench) tool(args ...string) error {
	var out, errs bytes.Buffer
	w := stdio{
		in:   strings.NewReader(""),
		out:  &out,
		err:  &errs,
		open: func(string) (talker, error) { return nil, errNoReader },
	}
	v, rest, err := findVerb(args)
	if err == nil {
		err = v.run(b.t.Context(), w, rest)
	}
	code := report(w, err)
	if code == 0 {
		return nil
	}
	return fmt.Errorf("exit %d: %s%s", code, out.String(), errs.String())
}

// machine checks a machine.yaml in which the line of one field is replaced. The argument lines contains the lines that
// name keys.
func (b *keyBench) machine(field, value string) error {
	line := func(key, text string) string {
		if key == field {
			text = value
		}
		return text
	}
	text := fmt.Sprintf(`portillon: 1
site: biklab
machine: laser
data: data
card-key: %s
machine-key: %s
bundle:
  from: "https://hub.lan"
  key: %s
mqtt:
  broker: "tcp://hub.lan:1883"
  hub-key: %s
reader:
  kind: pn532
  port: "serial:/dev/ttyUSB0"
  aes-key: %s
relay: { pin: "sim:pin", e-stop: "sim:e-stop" }
`, line("card-key", "card.key"), line("machine-key", "laser.key"), line("bundle", quoted(oldKey(b.t, "site.pub"))),
		line("hub-key", quoted(oldKey(b.t, "site.pub"))), line("aes-key", "aes.key"))
	if field == "policy-key" {
		text += "policy-key: " + value + "\n"
	}
	c, err := daemoncmd.ReadConfig(b.write("laser.yaml", text))
	if err != nil {
		return err
	}
	return c.Check(daemoncmd.Computer{Now: time.Now(), Line: func(string, int) error { return nil }}).Err()
}

func (b *keyBench) hub(field, value string) error {
	line := func(key, text string) string {
		if key == field {
			text = value
		}
		return text
	}
	text := fmt.Sprintf(`portillon: 1
site: biklab
data: data
key: %s
machines:
  laser:
    key: %s
bundle:
  file: site.bundle
  key: %s
mqtt: { listen: "127.0.0.1:1883" }
`, line("key", "site.key"), line("laser", quoted(oldKey(b.t, "laser.pub"))),
		line("bundle", quoted(oldKey(b.t, "site.pub"))))
	if field == "policy-key" {
		text = strings.Replace(text, "mqtt:", "  policy-key: "+value+"\nmqtt:", 1)
	}
	c, err := hub.ReadConfig(b.write("hub.yaml", text))
	if err != nil {
		return err
	}
	_, err = c.Signer()
	return err
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }

// given writes a key to a file.
func (b *keyBench) given(text string) string { return b.write("given.key", text+"\n") }

// fitting returns the names of the keys that a flag or field accepts.
func fitting(names ...string) []string { return names }

func machinePlaces() []keyPlace {
	site := fitting("site/new/public", "site/old/public")
	file := func(field string) func(*keyBench, string) error {
		return func(b *keyBench, s string) error { b.given(s); return b.machine(field, "given.key") }
	}
	public := func(field string) func(*keyBench, string) error {
		return func(b *keyBench, s string) error { return b.machine(field, quoted(s)) }
	}
	return []keyPlace{
		{"machine.yaml card-key", fitting("card/old"), "card key", "laser.yaml:5", file("card-key")},
		{
			"machine.yaml machine-key",
			fitting("machine/new/private", "machine/old/private"),
			"machine key",
			"laser.yaml:6",
			file("machine-key"),
		},
		{"machine.yaml bundle key", site, "site key", "laser.yaml:9", public("bundle")},
		{
			"machine.yaml hub-key",
			fitting("site/new/public", "site/old/public", "hub/new/public"),
			"hub key",
			"laser.yaml:12",
			public("hub-key"),
		},
		{
			"machine.yaml policy-key",
			fitting("site/new/public", "site/old/public", "policy/new/public"),
			"policy key",
			"laser.yaml:18",
			public("policy-key"),
		},
		{"machine.yaml aes-key", fitting("aes/old"), "AES key", "laser.yaml:16", file("aes-key")},
	}
}

func hubPlaces() []keyPlace {
	public := func(field string) func(*keyBench, string) error {
		return func(b *keyBench, s string) error { return b.hub(field, quoted(s)) }
	}
	return []keyPlace{
		{"hub.yaml key", fitting("site/new/private", "site/old/private", "hub/new/private"), "hub key", "hub.yaml:4",
			func(b *keyBench, s string) error { b.given(s); return b.hub("key", "given.key") }},
		{
			"hub.yaml machines",
			fitting("machine/new/public", "machine/old/public"),
			"machine key",
			"hub.yaml:7",
			public("laser"),
		},
		{"hub.yaml bundle key", fitting("site/new/public", "site/old/public"), "site key", "hub.yaml:10", public("bundle")},
		{
			"hub.yaml policy key",
			fitting("site/new/public", "site/old/public", "policy/new/public", "machine/old/public"),
			"policy key",
			"hub.yaml:11",
			public("policy-key"),
		},
	}
}

func toolPlaces() []keyPlace {
	flag := func(args ...string) func(*keyBench, string) error {
		return func(b *keyBench, s string) error {
			all := slices.Clone(args)
			for i, a := range all {
				all[i] = strings.NewReplacer(
					"FILE",
					b.path("given.key"),
					"KEY",
					s,
					"DIR",
					b.dir,
					"SITEPUB",
					oldKey(b.t, "site.pub"),
				).
					Replace(a)
			}
			b.given(s)
			return b.tool(all...)
		}
	}
	issuer := fitting("issuer/file", "issuer/rsa file")
	return []keyPlace{
		{"bundle build --key", fitting("site/new/private", "site/old/private"), "site key", "",
			flag("bundle", "build", "DIR/site", "--key", "FILE", "--card-key", "DIR/card.key", "-o", "DIR/x.bundle")},
		{
			"bundle build --policy-key",
			fitting("site/new/private", "site/old/private", "policy/new/private", "machine/old/private"),
			"policy key",
			"",
			flag(
				"bundle",
				"build",
				"DIR/site",
				"--key",
				"DIR/site.key",
				"--card-key",
				"DIR/card.key",
				"--policy-key",
				"FILE",
				"-o",
				"DIR/x.bundle",
			),
		},
		{
			"policy sign --key",
			fitting("site/new/private", "site/old/private", "policy/new/private", "machine/old/private"),
			"policy key",
			"",
			flag("policy", "sign", "DIR/site", "--key", "FILE", "-o", "DIR/x.policy"),
		},
		{"bundle build --card-key", fitting("card/old", "aes/old"), "card key", "",
			flag("bundle", "build", "DIR/site", "--key", "DIR/site.key", "--card-key", "FILE", "-o", "DIR/x.bundle")},
		{
			"bundle verify --pub",
			fitting("site/old/public"),
			"site key",
			"",
			flag("bundle", "verify", "DIR/site.bundle", "--pub", "KEY"),
		},
		{"bundle verify --card-key", fitting("card/old", "aes/old"), "card key", "",
			flag("bundle", "verify", "DIR/site.bundle", "--pub", "SITEPUB", "--card-key", "FILE")},
		{"badge status-list --key", fitting("issuer/file"), "issuer key", "",
			flag("badge", "status-list", "--key", "FILE", "--id", "https://lab.example/1", "-o", "DIR/list.json")},
		{
			"badge publish --key",
			issuer,
			"issuer key",
			"",
			flag("badge", "publish", "--key", "FILE", "--issuer", "https://lab.example/p",
				"--issuer-name", "Lab", "-o", "DIR/p.json"),
		},
		{"setup --verify --pub", nil, "machine key", "", flag("setup", "--verify", "DIR/site.bundle", "--pub", "KEY")},
		{"card check --key", nil, "AES key", "", flag("card", "check", "--reader", "none", "--key", "FILE")},
	}
}

func otherPlaces() []keyPlace {
	answer := func(set func(*setup.Answers, string)) func(*keyBench, string) error {
		return func(b *keyBench, s string) error {
			a := setup.Answers{Machine: "laser", Site: "biklab"}
			set(&a, s)
			return a.Check()
		}
	}
	return []keyPlace{
		{"setup --bundle-key", fitting("site/new/public", "site/old/public"), "site key", "",
			answer(func(a *setup.Answers, s string) { a.BundleKey = s })},
		{"setup --hub-key", fitting("site/new/public", "site/old/public", "hub/new/public"), "hub key", "",
			answer(func(a *setup.Answers, s string) { a.HubKey = s })},
		{
			"policy.yaml issuers",
			fitting("issuer/did", "issuer/multikey", "issuer/pem"),
			"issuer key",
			"policy.yaml:7",
			func(b *keyBench, s string) error {
				text := strings.Replace(policyForKeys, "KEY", quoted(s), 1)
				_, err := policyfile.Parse("policy.yaml", []byte(text))
				return err
			},
		},
	}
}

const policyForKeys = `portillon: 1
site: biklab
timezone: Europe/Paris
issuers:
  lab:
    name: Lab
    keys: [KEY]
    id: "https://lab.example/profile"
badges: {}
machines: {}
`

func newKeyBench(t *testing.T) *keyBench {
	t.Helper()
	b := &keyBench{t: t, dir: t.TempDir()}
	for _, f := range []string{"site.key", "laser.key", "card.key", "aes.key", "site.bundle"} {
		data, err := os.ReadFile(filepath.Join(oldKeys, f))
		if err != nil {
			t.Fatal(err)
		}
		b.write(f, string(data))
	}
	if err := os.CopyFS(b.path("site"), os.DirFS("../../site-example")); err != nil {
		t.Fatal(err)
	}
	return b
}

// The test tries every key in every flag and field that names a key. Each flag or field either accepts the key, or
// refuses the key with an error that contains the key's name and the expected kind.
func TestAKeyOfTheWrongKindIsRefusedInEveryFlagAndField(t *testing.T) {
	if testing.Short() {
		t.Skip("short: runs the programs as processes")
	}
	given := allKeys(t)
	for _, p := range slices.Concat(machinePlaces(), hubPlaces(), toolPlaces(), otherPlaces()) {
		t.Run(p.name, func(t *testing.T) {
			b := newKeyBench(t)
			for _, k := range given {
				os.Remove(b.path("x.bundle"))
				os.Remove(b.path("list.json"))
				os.Remove(b.path("p.json"))
				checkPlace(t, b, p, k)
			}
		})
	}
}

// unrecognised lists pairs of a place and an older key whose wrong kind cannot be recognised: the key's name does not
// contain the kind, and the place has no other key for comparison. Each of these pairs causes another error, or no
// error.
var passes = map[string][]string{
	// the bundle is refused, because these keys have not signed it
	"bundle verify --pub":      {"machine/old/public", "site/new/public", "other site/new/public"},
	"bundle build --card-key":  nil,
	"bundle verify --card-key": nil,
	"setup --verify --pub": {
		"site/old/public",
		"machine/old/public",
		"machine/new/public",
		"other machine/new/public",
	},
	"card check --key":        {"aes/old"},         // the command fails because no reader is connected
	"badge status-list --key": {"issuer/rsa file"}, // the command fails because an RSA key needs --issuer
	"policy.yaml issuers":     {"issuer/jwk"},      // the key is an issuer's key in a form that a policy does not accept
	"machine.yaml card-key":   {"aes/old"},         // the key is refused, because the same file names it as AES key
}

func checkPlace(t *testing.T, b *keyBench, p keyPlace, k givenKey) {
	t.Helper()
	err := p.put(b, k.text)
	said := fmt.Sprint(err)
	switch {
	case slices.Contains(p.fits, k.name):
		if err != nil {
			t.Errorf("%s: %v, want it to be taken", k.name, err)
		}
	case err == nil:
		t.Errorf("%s: taken, want %s", k.name, p.want)
	case k.secret != "" && strings.Contains(said, k.secret):
		t.Errorf("%s: the refusal shows the secret: %s", k.name, said)
	case slices.Contains(passes[p.name], k.name):
	case !strings.Contains(said, k.shown) || !strings.Contains(said, p.want):
		t.Errorf("%s: %s\nwant a refusal that names %q and the %s", k.name, said, k.shown, p.want)
	case !strings.Contains(said, p.at):
		t.Errorf("%s: %s\nwant the place %s", k.name, said, p.at)
	}
}

// Keys and bundles of an earlier release must stay valid.
func TestBundleBuiltByAnOlderReleaseIsAccepted(t *testing.T) {
	b := newKeyBench(t)
	if err := b.tool(
		"bundle",
		"verify",
		b.path("site.bundle"),
		"--pub",
		oldKey(t, "site.pub"),
		"--card-key",
		b.path("card.key"),
	); err != nil {
		t.Error(err)
	}
	if err := b.machine("", ""); err != nil {
		t.Error("machine.yaml with older keys:", err)
	}
	if err := b.hub("", ""); err != nil {
		t.Error("hub.yaml with older keys:", err)
	}
	if _, err := strong.ParseKey([]byte(oldKey(t, "aes.key"))); err != nil {
		t.Error(err)
	}
}
