package hubd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"portillon/hub"
	"portillon/policy"
)

// systemConfig is the configuration file of the packaged service.
const systemConfig = "/etc/portillon/hub.yaml"

// runningConfig returns the configuration of an existing hub: the hub.yaml of this folder, or otherwise of the system.
func runningConfig() string {
	if _, err := os.Stat("hub.yaml"); err == nil {
		return "hub.yaml"
	}
	return systemConfig
}

// findConfig returns the configuration for a hub that was started without -config: the hub.yaml of this folder,
// otherwise the system's. If neither file exists, findConfig creates a hub.yaml in this folder, which must be empty.
func findConfig(dir string, n hub.NewHub, out io.Writer) (string, error) {
	if there, err := existingConfig(dir); there != "" || err != nil {
		return there, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if n.Site == "" {
		n.Site = policy.SiteID(slug(filepath.Base(abs)))
	}
	if n.Host, err = os.Hostname(); err != nil {
		n.Host = "" // pass an empty name, so that hub.Create chooses a name
	}
	made, err := hub.Create(abs, n)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(out, "portillon-hub: a new hub of the site %s is in %s\n  key that machines pin: %s\n", made.Site, abs,
		made.Key)
	return made.Config, nil
}

// existingConfig returns the hub.yaml of this folder, or otherwise of the system, or "" if neither exists.
func existingConfig(dir string) (string, error) {
	for _, path := range []string{filepath.Join(dir, "hub.yaml"), systemConfig} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// slug returns an id made from a folder's name: lower-case letters, digits and hyphens, or "site" if no such character
// is left.
func slug(name string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	id = strings.Trim(id, "-")
	if id == "" {
		return "site"
	}
	return strings.TrimRight(id[:min(len(id), 40)], "-")
}
