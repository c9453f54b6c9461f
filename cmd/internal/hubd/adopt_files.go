package hubd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"portillon/policy"
)

// These constants limit the number and the size of the files beside hub.yaml that the adoption examines.
const (
	maxBeside     = 200
	maxBesideSize = 1 << 20
)

// bundleFiles warns of machines that will receive no newer bundle. bundleFiles finds such machines in hub.yaml and in
// the machine.yaml files beside hub.yaml. The adopted hub writes no bundle file, so a machine whose machine.yaml
// contains bundle: file: gets no newer bundle. If hub.yaml has neither http: nor machines-listen:, no machine can
// receive bundles in another way.
func (a *adoption) bundleFiles() (out []string) {
	for _, m := range machineFiles(filepath.Dir(a.config)) {
		out = append(out, fmt.Sprintf("%s: the machine %s reads its bundle from the file %s, which this hub does not write: "+
			"give it bundle: { from: … } or enrol it", m.path, m.Machine, m.Bundle.File))
	}
	if a.conf.HTTP == "" && a.conf.Join.Listen == "" {
		for _, m := range a.conf.Machines {
			out = append(out, fmt.Sprintf("machines.%s: hub.yaml has neither http: nor machines-listen:, so this machine has "+
				"only a file to read its bundle from: add one of the two to the new hub.yaml", m.ID))
		}
	}
	return append(out, fmt.Sprintf("nobody writes %s from now on: any other machine that reads its bundle from this file "+
		"keeps bundle %d", a.conf.Bundle.File, a.before.Version))
}

// machineFile contains the fields of a machine.yaml that bundleFiles examines.
type machineFile struct {
	path    string
	Machine policy.MachineID `yaml:"machine"`
	Bundle  struct {
		File string `yaml:"file"`
	} `yaml:"bundle"`
}

// machineFiles returns the machine.yaml files of a folder that have bundle: file:.
func machineFiles(dir string) (out []machineFile) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	seen := 0
	for _, e := range all {
		if !strings.HasSuffix(e.Name(), ".yaml") || !e.Type().IsRegular() {
			continue
		}
		if seen++; seen > maxBeside {
			break
		}
		m := machineFile{path: filepath.Join(dir, e.Name())}
		if info, err := e.Info(); err != nil || info.Size() > maxBesideSize {
			continue
		}
		b, err := os.ReadFile(m.path)
		if err != nil || yaml.Unmarshal(b, &m) != nil || m.Machine == "" || m.Bundle.File == "" {
			continue // not a machine.yaml
		}
		out = append(out, m)
	}
	return out
}
