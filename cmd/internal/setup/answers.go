package setup

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/keykind"
	"portillon/rfid"
)

// Answers contains the choices from which a machine.yaml is made. The zero Answers contains no choice yet, so setup
// asks every question.
type Answers struct {
	Machine, Site string
	BundleKey     string // site's public key
	Broker        string // address of the hub's broker, or "none"
	HubKey        string // hub's public key; empty: the site's key
	Reader        string // name of a reader in offers
	Port          string // the reader's device file
	Format        string // number format of a keyboard reader: decimal or hex
	Relay         string // kind of relay: high, transistor or pump
	Inputs        string // names of inputs, separated by commas, or "none"
}

// slug is the pattern of an id of a site or a machine, the same as in package yamlfile.
var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// brokerAddress is the pattern of an answer about the broker. A later check of machine.yaml examines the address more
// closely.
var brokerAddress = regexp.MustCompile(`^(?:tcp|mqtt|ssl|tls|mqtts)://[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}$`)

// offers returns the readers that setup proposes, in this order. The last offer stands for a machine without a reader.
func offers() []daemoncmd.ReaderOffer {
	return append(daemoncmd.ReaderOffers(), daemoncmd.ReaderOffer{
		Offer: rfid.Offer{Name: "none", FR: "aucun (essais au banc)", EN: "none (for trials on a bench)"},
		Spec:  rfid.Spec{Kind: "none"}})
}

// ReaderNames returns the possible answers about the reader, for a command's help.
func ReaderNames() string {
	names := readerNames()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// input is a device that may be wired to the Pi in addition to the relay.
type input struct {
	name string
	line int    // GPIO number that setup proposes, as in firmware-config/mfrc522-contactor.yaml
	what string // comment that setup writes beside the input in machine.yaml
}

var inputs = []input{
	{"e-stop", 22, "the e-stop's second contact, normally closed, to ground"},
	{"door", 5, "normally closed, to ground; the lid's own contact stops the machine without Portillon"},
	{"feedback", 23, "the contactor's mirror contact, normally closed, to ground"},
	{"busy", 24, "a current relay's contact to 3.3 V, closed while the machine works"},
	{"exhaust", 27, "the extraction's relay, with its own 10 kΩ to ground"},
	{"lamps", 0, "red 12, amber 13, green 19"},
	{"buzzer", 16, ""},
}

// doorAlternative is the GPIO number of the door contact if the reader already uses the door contact's default line.
const doorAlternative = 26

// names returns the name of each item in list.
func names[T any](list []T, name func(T) string) (out []string) {
	for _, x := range list {
		out = append(out, name(x))
	}
	return out
}

// readerNames returns the names of the offered readers.
func readerNames() []string {
	return names(offers(), func(o daemoncmd.ReaderOffer) string { return o.Name })
}
func inputNames() []string { return names(inputs, func(i input) string { return i.name }) }

// relays are the kinds of relay that setup offers. setup does not offer an active-low board without a transistor: while
// no program drives the line, the line is low and would close the board's relay.
var relays = []string{"high", "transistor", "pump"}

// wiredInputs returns the answer about inputs as a list.
func (a Answers) wiredInputs() []string {
	if a.Inputs == "none" {
		return nil
	}
	return strings.FieldsFunc(a.Inputs, func(r rune) bool { return r == ',' || r == ' ' })
}

// offer returns the chosen reader, or the zero offer if the answer about the reader is missing or invalid.
func (a Answers) offer() daemoncmd.ReaderOffer {
	for _, o := range offers() {
		if o.Name == a.Reader {
			return o
		}
	}
	return daemoncmd.ReaderOffer{}
}

// Check returns an error for each wrong answer. A missing answer is not an error.
func (a Answers) Check() error {
	errs := append(a.checkIDs(), a.checkKeys()...)
	for _, x := range [...]struct {
		flag, given string
		valid       bool
		want        string
	}{
		{"broker", a.Broker, a.Broker == "none" || brokerAddress.MatchString(a.Broker),
			"an address with its port, as tcp://hub.lan:1883, or none"},
		{"reader", a.Reader, a.offer().Name != "", "one of " + strings.Join(readerNames(), ", ")},
		{"port", a.Port, validPort(a.Port), "a device file, as in /dev/input/by-id/…-event-kbd"},
		{"format", a.Format, a.Format == "decimal" || a.Format == "hex", "decimal or hex"},
		{"relay", a.Relay, slices.Contains(relays, a.Relay),
			"one of " + strings.Join(relays, ", ") + "; an active-low board needs a transistor before it"},
	} {
		if x.given != "" && !x.valid {
			errs = append(errs, invalid(x.flag, x.given, x.want))
		}
	}
	for _, w := range a.wiredInputs() {
		if !slices.Contains(inputNames(), w) {
			errs = append(errs, invalid("inputs", w, "none, or some of "+strings.Join(inputNames(), ", ")))
		}
	}
	return errors.Join(errs...)
}

// invalid returns the error for an answer that is not among the valid answers.
func invalid(flag, given, want string) error {
	return fmt.Errorf("--%s: %q is not valid, want %s", flag, given, want)
}

// checkIDs rejects ids that a policy cannot contain.
func (a Answers) checkIDs() (errs []error) {
	for _, x := range [...]struct{ flag, given string }{{"machine", a.Machine}, {"site", a.Site}} {
		if x.given != "" && !slug.MatchString(x.given) {
			errs = append(errs, invalid(x.flag, x.given, "lower-case letters, digits and hyphens"))
		}
	}
	return errs
}

// checkKeys rejects keys of the wrong kind, and the machine's own key.
func (a Answers) checkKeys() (errs []error) {
	for _, x := range [...]struct {
		flag, given string
		kind        keykind.Kind
	}{{"bundle-key", a.BundleKey, keykind.Site}, {"hub-key", a.HubKey, keykind.Hub}} {
		if err := (keykind.Place{Kind: x.kind, ID: a.Site}).Check(x.given); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", x.flag, err))
			continue
		}
		// Machine keys from older releases do not have their kind in the name; such a key has the machine's name.
		if own := a.Machine + "." + a.Site; keykind.NameOf(x.given) == own {
			errs = append(errs, fmt.Errorf("--%s: %q is the name of this machine's key, want the %s, as \"portillon:site:%s\"",
				x.flag, own, x.kind, a.Site))
			continue
		}
		if _, err := note.NewVerifier(x.given); x.given != "" && err != nil {
			errs = append(errs, invalid(x.flag, x.given, "the line that portillon bundle keygen printed for the site"))
		}
	}
	return errs
}

// validPort reports whether a device file may be written into a machine.yaml.
func validPort(s string) bool {
	path := s
	if bus, file, ok := strings.Cut(s, ":"); ok && slices.Contains([]string{"serial", "spi", "i2c"}, bus) {
		path = file
	}
	return len(s) <= 200 && filepath.IsAbs(path) && filepath.Clean(path) == path &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r == 0x7f })
}

// Render returns the machine.yaml for complete answers.
func (a Answers) Render() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by portillon setup. The wiring page says how each pin is wired: " +
		"/usr/share/doc/portillon/wiring/README.md")
	line("portillon: 1\nsite: %s\nmachine: %s\ndata: /var/lib/portillon/%[2]s", a.Site, a.Machine)
	line("card-key: credential:card-key         # /etc/credstore/portillon.card-key, the same on every machine " +
		"of the site")
	line("machine-key: credential:machine-key   # /etc/credstore/portillon.%s.machine-key", a.Machine)
	line("bundle: { key: %q, file: /var/lib/portillon/site.bundle }", a.BundleKey)
	line("reader: %s", a.reader())
	line("relay:\n  pin: \"gpio:pinctrl-/17\"   # %s",
		map[string]string{"high": "active high, with 10 kΩ from the pin to ground",
			"transistor": "an active-low board behind a transistor: high closes it; 10 kΩ from the pin to ground",
			"pump":       "a charge pump, with no relay board"}[a.Relay])
	if a.Relay == "pump" {
		line("  mode: heartbeat")
	}
	// Write the inputs as keys of the section relay of machine.yaml. Write the lamps and the buzzer to a separate section.
	var lights []string
	for _, in := range inputs {
		switch {
		case !slices.Contains(a.wiredInputs(), in.name):
		case in.name == "lamps":
			lights = append(lights, `red: "gpio:pinctrl-/12", amber: "gpio:pinctrl-/13", green: "gpio:pinctrl-/19"`)
		case in.name == "buzzer":
			lights = append(lights, fmt.Sprintf(`buzzer: "gpio:pinctrl-/%d"`, in.line))
		default:
			if slices.Contains(a.offer().Pins, in.line) {
				in.line = doorAlternative
			}
			line("  %s: \"gpio:pinctrl-/%d\"   # %s", in.name, in.line, in.what)
		}
	}
	if len(lights) > 0 {
		line("lights: { %s }", strings.Join(lights, ", "))
	}
	// If the hub has no key of its own, it signs with the site's key.
	if a.Broker != "none" && a.Broker != "" {
		key := a.HubKey
		if key == "" {
			key = a.BundleKey
		}
		line("mqtt: { broker: %q, hub-key: %q }", a.Broker, key)
	}
	return b.String()
}

// reader returns the reader section of the machine.yaml.
func (a Answers) reader() string {
	return a.offer().Section(rfid.Values{rfid.KeyPort: a.Port, "format": a.Format})
}

// topLines matches the lines of a sample that name its site, machine, data and bundle. If a sample writes these lines
// in another form, topLines does not match, and the parser rejects the resulting file.
var topLines = regexp.MustCompile(`(?m)^(site|machine|data|bundle):.*(?:\n[ \t]+.*)*$`)

// FromWiring returns the text of another machine.yaml in which site, machine and bundle key are replaced by the given
// answers.
func (a Answers) FromWiring(text string) string {
	return topLines.ReplaceAllStringFunc(text, func(was string) string {
		key, _, _ := strings.Cut(was, ":")
		switch {
		case key == "site" && a.Site != "":
			return "site: " + a.Site
		case key == "machine" && a.Machine != "":
			return "machine: " + a.Machine
		case key == "data" && a.Machine != "":
			return "data: /var/lib/portillon/" + a.Machine
		case key == "bundle" && a.BundleKey != "":
			return fmt.Sprintf("bundle: { key: %q, file: /var/lib/portillon/site.bundle }", a.BundleKey)
		}
		return was
	})
}
