// Package pitest provides the files that Portillon reads on a Raspberry Pi, for each model and each Raspberry Pi OS
// that it supports, so that tests can examine a Pi without hardware. The file testdata/README.md names the source of
// each of these files.
package pitest

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

//go:embed testdata/*.txtar
var trees embed.FS

// Watchdog is the path, within a tree, of a file that contains the output of systemctl show -p RuntimeWatchdogUSec
// --value. A real Pi does not have this file.
const Watchdog = "systemctl/RuntimeWatchdogUSec"

// Names returns the names of the trees, such as zero-w-bookworm and 5-trixie.
func Names() (out []string) {
	files, err := fs.Glob(trees, "testdata/*.txtar")
	if err != nil {
		panic(err) // the error is impossible, because the pattern is a constant
	}
	for _, f := range files {
		out = append(out, strings.TrimSuffix(path.Base(f), ".txtar"))
	}
	return out
}

// Tree returns the root directory of a Pi with an unmodified image.
func Tree(name string) (fstest.MapFS, error) {
	b, err := trees.ReadFile("testdata/" + name + ".txtar")
	if err != nil {
		return nil, fmt.Errorf("tree %q of a Pi does not exist, want one of %s", name, strings.Join(Names(), ", "))
	}
	out := fstest.MapFS{}
	for _, f := range txtar.Parse(b).Files {
		text := string(f.Data)
		if strings.HasPrefix(f.Name,
			"proc/device-tree/") { // add a zero byte, with which device tree strings end (Devicetree Specification 0.4, §2.2.4)
			text = strings.ReplaceAll(text, "\n", "\x00")
		}
		out[f.Name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return out, nil
}
