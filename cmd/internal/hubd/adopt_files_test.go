package hubd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The adopted hub writes no bundle file, so the adoption names each machine whose machine.yaml names a bundle file.
func TestAdoptionWarnsOfMachinesThatReadABundleFile(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *oldHub)
		says   []string
		not    []string
	}{
		"http": {func(*oldHub) {}, []string{"warning: nobody writes ", "site.bundle from now on", "keeps bundle 100"},
			[]string{"machines.laser:", "the machine laser reads"}},
		"no http": {func(o *oldHub) {
			text, err := os.ReadFile(o.config)
			if err != nil {
				t.Fatal(err)
			}
			o.write("hub.yaml", strings.Replace(string(text), "http: 127.0.0.1:0\n", "", 1))
		}, []string{"warning: machines.laser: hub.yaml has neither http: nor machines-listen:",
			"warning: machines.vinyl: "}, nil},
		"machine.yaml beside": {func(o *oldHub) {
			o.write("machine.yaml", "portillon: 1\nmachine: laser\nbundle: { key: k, file: site.bundle }\n")
			o.write("vinyl.yaml", "portillon: 1\nmachine: vinyl\nbundle: { key: k, from: \"http://127.0.0.1:8038\" }\n")
			o.write("torn.yaml", "machine: [\n")
			o.write("list.yaml", "- machine\n")
			o.write("large.yaml", "machine: large\nbundle: { file: x }\n#"+strings.Repeat(" ", maxBesideSize))
		}, []string{"machine.yaml: the machine laser reads its bundle from the file site.bundle"},
			[]string{"the machine vinyl", "the machine large", "torn", "list.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOldHub(t, false, nil)
			c.change(o)
			said := o.adopt(0, filepath.Join(t.TempDir(), "new"))
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("no %q in\n%s", want, said)
				}
			}
			for _, not := range c.not {
				if strings.Contains(said, not) {
					t.Errorf("%q in\n%s", not, said)
				}
			}
		})
	}
}
