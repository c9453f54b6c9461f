package setup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"portillon/cmd/internal/daemoncmd"
)

// HubAnswers contains those parts of the hub's answer to an enrolment that must be written to machine.yaml.
type HubAnswers struct {
	Address    string // host:port of the hub's listener for machines
	Name       string // name in the hub's certificate
	BrokerPort string
	HubKey     string // public key that verifies acknowledgements and commands

	// Beside is true if the keys and the data are in the same folder as machine.yaml, as in a trial without root and
	// without systemd.
	Beside bool
}

// hubLines matches the settings of a machine.yaml that the hub determines, including the comments inside these
// settings.
var hubLines = regexp.MustCompile(
	`(?m)^(?:(?:bundle|mqtt|hub|machine-key|card-key):.*\n(?:[ \t]+.*\n)*|# Written by portillond enrol\.\n)`,
)

// placeLines matches the paths of a machine's data and socket.
var placeLines = regexp.MustCompile(`(?m)^(?:data|control):.*\n`)

// Simulated is the wiring of a machine without hardware: its relay is a file named pin, its emergency stop a file
// named e-stop, and cards come from «portillon machine tap».
const Simulated = `# No hardware: the relay is a file called pin, and cards come from «portillon machine tap».
portillon: 1
site: site
machine: machine
data: data
reader: { kind: none }
relay: { pin: "sim:pin", e-stop: "sim:e-stop" }
clock: trusted                        # this computer's clock is set
`

// Enrolled returns a machine.yaml that contains the wiring of the argument text and the settings of the hub that the
// machine joins.
func (a Answers) Enrolled(text string, h HubAnswers) string {
	if text != "" && text[len(text)-1] != '\n' {
		text += "\n"
	}
	text = hubLines.ReplaceAllString(a.FromWiring(text), "")
	if h.Beside {
		return a.enrolledBeside(placeLines.ReplaceAllString(text, ""), h)
	}
	return text + fmt.Sprintf(`# Written by portillond enrol.
card-key: credential:card-key         # /etc/credstore/portillon.card-key
machine-key: credential:machine-key   # /etc/credstore/portillon.%[1]s.machine-key
bundle: { key: %[2]q }
hub: { address: %[3]q, name: %[4]q }
mqtt:
  broker: "ssl://%[4]s:%[5]s"
  username: %[1]s
  password-file: credential:mqtt-password   # /etc/credstore/portillon.%[1]s.mqtt-password
  hub-key: %[6]q
`, a.Machine, a.BundleKey, h.Address, h.Name, h.BrokerPort, h.HubKey)
}

// enrolledBeside does the same as Enrolled for a machine whose files are all in one folder.
func (a Answers) enrolledBeside(text string, h HubAnswers) string {
	return text + fmt.Sprintf(`# Written by portillond enrol.
data: %[1]s
control: %[1]s.sock
card-key: card.key
machine-key: %[1]s.key
bundle: { key: %[2]q }
hub: { address: %[3]q, name: %[4]q }
mqtt:
  broker: "ssl://%[4]s:%[5]s"
  username: %[1]s
  password-file: %[1]s.password
  hub-key: %[6]q
`, a.Machine, a.BundleKey, h.Address, h.Name, h.BrokerPort, h.HubKey)
}

// SoundIn parses a machine.yaml like Sound; the paths in the file are relative to the folder dir.
func SoundIn(dir, name, text string) (daemoncmd.Config, error) {
	f, err := os.CreateTemp(dir, "."+name+"-*")
	if err != nil {
		return daemoncmd.Config{}, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return daemoncmd.Config{}, err
	}
	c, err := readWires(f.Name())
	if err == nil {
		err = checkFileName(name, c)
	}
	return c, err
}

// Sound parses a text as a machine.yaml and returns its configuration. The error lists all faults of the text.
func Sound(name, text string) (daemoncmd.Config, error) {
	dir, err := os.MkdirTemp("", "portillon-setup-")
	if err != nil {
		return daemoncmd.Config{}, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return daemoncmd.Config{}, err
	}
	c, err := readWires(path)
	if err == nil {
		err = checkFileName(name, c)
	}
	return c, err
}

// ReadSmall reads a file of at most 64 MB.
func ReadSmall(path string) ([]byte, error) { return readSmall(path) }
