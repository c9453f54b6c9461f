package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// pack creates the two initrds. The initrd full is a Debian system with the agent as a service; the initrd light
// contains only portillond and the agent, which is /init.
func (t *test) pack(ctx context.Context) error {
	if err := t.site(ctx); err != nil {
		return err
	}
	if err := t.addInstalledFiles(ctx); err != nil {
		return err
	}
	modules, err := filepath.Glob(filepath.Join(t.cache, "modules/*.ko"))
	if err != nil || len(modules) == 0 {
		return fmt.Errorf("folder %s has no kernel modules", t.cache)
	}
	if err := t.copyTo("rig/modules", modules...); err != nil {
		return err
	}
	script := `set -e; cd "$1"
mkdir light full
cp -R rig light/rig; ln -s rig/agent light/init
mkdir -p light/dev light/etc
rm -f light/rig/*.deb light/rig/files/usr/bin/portillon light/rig/files/portillond-armv6 light/rig/site/many.bundle
mv light/rig/site light/etc/portillon
( cd light && find . | cpio -o -H newc --quiet ) > light.cpio
mv rig full/rig; mkdir -p full/etc/systemd/system full/etc/udev/rules.d
cp "$2"/*.service "$2"/rig.target full/etc/systemd/system/; cp "$2/rig.rules" full/etc/udev/rules.d/
mkdir -p full/etc/systemd/system/sysinit.target.wants
ln -s ../rig-early.service full/etc/systemd/system/sysinit.target.wants/
( cd full && find . | cpio -o -H newc --quiet ) | cat "$3/root.cpio" - > full.cpio
rm -rf light full`
	return t.do(ctx, nil, "sh", "-c", script, "pack", t.work, absolute(here), absolute(t.cache))
}

// addInstalledFiles adds the files that the machine will install: the Debian package if the repository can build it,
// and otherwise the files that the package would contain.
func (t *test) addInstalledFiles(ctx context.Context) error {
	if _, err := os.Stat("packaging/build-deb"); err == nil {
		// Pack the archive again without compression, because the emulated machine would need half a minute to decompress
		// it.
		const repack = `cd "$1"
dpkg-deb -R portillon_0.1_arm64.deb deb
dpkg-deb --root-owner-group -Znone -b deb rig/portillon.deb
rm -r deb`
		return errors.Join(
			t.do(ctx, nil, "packaging/build-deb", "arm64", t.work, "0.1"),
			t.do(ctx, nil, "sh", "-ec", repack, "repack", t.work))
	}
	return t.copyTo("rig/files/etc/systemd/system", "systemd/portillond@.service")
}

// absolute returns the absolute form of a path.
func absolute(path string) string {
	p, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return p
}

// disk returns an empty file system of 48 MiB, which simulates a small SD card.
func (t *test) disk(ctx context.Context, name string) ([]byte, error) {
	path := t.path(name + ".disk")
	if err := t.do(ctx, nil, "mke2fs", "-q", "-F", "-t", "ext4", path, "48M"); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	return os.ReadFile(path)
}
