// Package pitest provides the files that Portillon reads on a Raspberry Pi, for each model and each Raspberry Pi OS
// that it supports, so that tests can examine a Pi without hardware. testdata/README.md names the source of each file.
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

// Watchdog is the path of a file, in a tree, with the output of systemctl show -p RuntimeWatchdogUSec --value. On a
// real Pi this file does not exist.
const Watchdog = "systemctl/RuntimeWatchdogUSec"

// Names returns the names of the trees: zero-w-bookworm, 5-trixie and others.
func Names() (out []string) {
	files, err := fs.Glob(trees, "testdata/*.txtar")
	if err != nil {
		panic(err) // the error is impossible, because the pattern is constant
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
		return nil, fmt.Errorf("Pi tree %q does not exist, want one of %s", name, strings.Join(Names(), ", "))
	}
	out := fstest.MapFS{}
	for _, f := range txtar.Parse(b).Files {
		text := string(f.Data)
		if strings.HasPrefix(f.Name,
			"proc/device-tree/") { // device tree strings end in a zero byte (Devicetree Specification 0.4, §2.2.4)
			text = strings.ReplaceAll(text, "\n", "\x00")
		}
		out[f.Name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return out, nil
}
