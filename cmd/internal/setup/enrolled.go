package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"portillon/cmd/internal/machined"
)

// HubAnswers are what a hub says to a machine that joins.
type HubAnswers struct {
	Address    string // host:port of its listener for machines
	Name       string // in its certificate
	BrokerPort string
	HubKey     string // the verifier key of acknowledgements and commands
}

// hubLines are the parts of a machine's file that the hub decides, with the comment lines between their lines.
var hubLines = regexp.MustCompile(`(?m)^(?:(?:bundle|mqtt|hub|machine-key|card-key):.*\n(?:[ \t]+.*\n)*|# Written by portillond enrol\.\n)`)

// Enrolled is a machine.yaml with the wiring of another one, for the hub that the machine joins.
func (a Answers) Enrolled(text string, h HubAnswers) string {
	if text != "" && text[len(text)-1] != '\n' {
		text += "\n"
	}
	text = hubLines.ReplaceAllString(a.FromWiring(text), "")
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

// Sound reads a text as the machine's file that it would be, and says what is wrong with it.
func Sound(name, text string) (machined.Config, error) {
	dir, err := os.MkdirTemp("", "portillon-setup-")
	if err != nil {
		return machined.Config{}, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return machined.Config{}, err
	}
	c, err := readWires(path)
	if err == nil {
		err = isOf(name, c)
	}
	return c, err
}

// ReadSmall reads a file of at most 64 MB.
func ReadSmall(path string) ([]byte, error) { return readSmall(path) }
