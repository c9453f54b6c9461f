package daemoncmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"portillon/cmd/internal/pitest"
	"portillon/rfid"
)

// configuredPi returns the files of a Pi after "firmware apply" and a reboot: its kernel releases outputs when a
// program dies.
func configuredPi(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	root, err := pitest.Tree(name)
	if err != nil {
		t.Fatal(err)
	}
	for path, f := range root {
		if strings.HasSuffix(path, "persist_gpio_outputs") {
			f.Data = []byte("N\n")
		}
	}
	return root
}

// withFile returns a copy of the tree with one more file.
func withFile(root fstest.MapFS, path, text string) fstest.MapFS {
	root[path] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	return root
}

// piCheck returns the results of CheckPi for a relay in level mode, with the journal in the default folder.
func piCheck(root fstest.MapFS, change func(*Config)) (out Checked) {
	c := Config{Machine: "laser", Data: "/var/lib/portillon/laser", Relay: RelayConfig{Pin: "gpio:pinctrl-/17"},
		Reader: ReaderConfig{Kind: "none"}}
	if change != nil {
		change(&c)
	}
	on := Computer{}
	if root != nil {
		on.Root = root
	}
	return c.CheckPi(on)
}

// On a Pi 5 both drivers are loaded, and pinctrl_rp1 drives the header's lines.
func TestLevelModeIsRejectedIfOutputsStayDrivenAfterTheProgramDied(t *testing.T) {
	const bcm, rp1 = "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs",
		"sys/module/pinctrl_rp1/parameters/persist_gpio_outputs"
	for name, x := range map[string]struct {
		tree, path, value string
		fault             string
	}{
		"Zero W keeps":                      {"zero-w-bookworm", bcm, "Y\n", "pinctrl_bcm2835.persist_gpio_outputs=Y"},
		"4 keeps":                           {"4-trixie", bcm, "Y\n", "pinctrl_bcm2835.persist_gpio_outputs=Y"},
		"4 keeps, as a number":              {"4-trixie", bcm, "1", "pinctrl_bcm2835.persist_gpio_outputs=Y"},
		"4 lets go":                         {"4-trixie", bcm, "N\n", ""},
		"5 keeps":                           {"5-trixie", rp1, "Y\n", "pinctrl_rp1.persist_gpio_outputs=Y"},
		"CM5 keeps":                         {"cm5-bookworm", rp1, "Y\n", "pinctrl_rp1.persist_gpio_outputs=Y"},
		"5 lets go, whatever its SoC keeps": {"5-trixie", bcm, "Y\n", ""},
	} {
		found := piCheck(withFile(configuredPi(t, x.tree), x.path, x.value), nil)
		err := found.Err()
		if x.fault == "" && (err != nil || len(found.Notes()) > 0) || x.fault != "" &&
			(err == nil || !strings.Contains(err.Error(), "relay.mode: level, and the kernel keeps") ||
				!strings.Contains(err.Error(), x.fault) || !strings.Contains(err.Error(), "sudo portillon firmware apply")) {
			t.Errorf("%s: %v %q, want %q", name, err, found.Notes(), x.fault)
		}
	}
}

func TestHeartbeatModeGetsAWarningIfOutputsStayDrivenAfterTheProgramDied(t *testing.T) {
	root := withFile(configuredPi(t, "4-trixie"), "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "Y\n")
	found := piCheck(root, func(c *Config) { c.Relay.Heartbeat = true })
	if found.Err() != nil || len(found.Warnings) != 1 ||
		!strings.Contains(found.Warnings[0], "the charge pump opens the relay") {
		t.Errorf("%v %q", found.Err(), found.Warnings)
	}
}

// The driver of the chip that has the relay's line determines the kernel parameter, even if that chip is not the
// board's first chip: the driver of a GPIO expander has no such parameter.
func TestKernelParameterBelongsToTheDriverOfTheRelaysChip(t *testing.T) {
	root := withFile(configuredPi(t, "4-trixie"), "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "Y\n")
	for pin, want := range map[string]string{"gpio:pinctrl-/17": "fault", "gpio:pinctrl-bcm2711/17": "fault",
		"gpio:raspberrypi-exp/3": "unseen", "gpio:pinctrl-/57": "fault"} {
		found := piCheck(root, func(c *Config) { c.Relay.Pin = pin })
		if got := verdict(found); got != want {
			t.Errorf("%s: %s (%v %q), want %s", pin, got, found.Err(), found.Notes(), want)
		}
	}
}

// On a kernel without /sys/class/gpio the board's model determines the driver.
func TestDriverFollowsFromTheBoardModelIfNoChipIsVisible(t *testing.T) {
	for tree, driver := range map[string]string{"5-trixie": "pinctrl_rp1", "cm4-trixie": "pinctrl_bcm2835",
		"zero-2-w-bookworm": "pinctrl_bcm2835"} {
		root := configuredPi(t, tree)
		for path := range root {
			if strings.HasPrefix(path, "sys/class/gpio/") {
				delete(root, path)
			}
		}
		withFile(root, "sys/module/"+driver+"/parameters/persist_gpio_outputs", "Y\n")
		if err := piCheck(root, nil).Err(); err == nil || !strings.Contains(err.Error(), driver+".persist_gpio_outputs=Y") {
			t.Errorf("%s: %v", tree, err)
		}
	}
}

func verdict(found Checked) string {
	switch {
	case len(found.Faults) > 0:
		return "fault"
	case len(found.Warnings) > 0:
		return "warning"
	case len(found.Unseen) > 0:
		return "unseen"
	}
	return "well"
}

func TestFilesWithoutReadPermissionAreListedInUnseen(t *testing.T) {
	mute := configuredPi(t, "4-trixie")
	delete(mute, "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs")
	desk := fstest.MapFS{"proc/self/mountinfo": {Data: []byte("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")}}
	for name, x := range map[string]struct {
		root fstest.MapFS
		want string
	}{
		"a driver without the parameter": {mute, "the driver pinctrl_bcm2835 does not say"},
		"a strange value": {withFile(configuredPi(t, "4-trixie"),
			"sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "maybe\n"), "does not say"},
		"no Pi":    {desk, "no Raspberry Pi that Portillon knows"},
		"no files": {nil, "cannot be seen from here"},
	} {
		found := piCheck(x.root, nil)
		if found.Err() != nil || len(found.Unseen) != 1 || !strings.Contains(found.Unseen[0], x.want) {
			t.Errorf("%s: %v %q, want %q", name, found.Err(), found.Notes(), x.want)
		}
	}
}

func TestComputerWithSimulatedPinsIsNotChecked(t *testing.T) {
	root := fstest.MapFS{"proc/self/mountinfo": {Data: []byte("1 0 0:1 / / rw - tmpfs tmpfs rw\n")}}
	if found := piCheck(root, func(c *Config) { c.Relay.Pin = "sim:/tmp/pin" }); verdict(found) != "well" {
		t.Errorf("%v %q", found.Err(), found.Notes())
	}
}

func TestPN532OnI2CIsAcceptedOnlyOnAPi5(t *testing.T) {
	want := map[string]string{"zero-w": "fault", "zero-2-w": "fault", "3": "fault", "4": "fault", "cm4": "fault",
		"5": "well", "cm5": "well"}
	for model, state := range want {
		for port, state := range map[string]string{"i2c:/dev/i2c-1": state, "spi:/dev/spidev0.0": "well",
			"serial:/dev/ttyUSB0": "well"} {
			found := piCheck(configuredPi(t, model+"-trixie"),
				func(c *Config) { c.Reader = ReaderConfig{Kind: "pn532", Values: rfid.Values{"port": port}} })
			if got := verdict(found); got != state || state == "fault" &&
				!strings.Contains(found.Err().Error(), "clock stretching") {
				t.Errorf("%s on %s: %s (%v), want %s", port, model, got, found.Err(), state)
			}
		}
	}
	root := configuredPi(t, "4-trixie")
	withFile(root, "proc/device-tree/model", "Some Board")
	delete(root, "proc/device-tree/compatible")
	found := piCheck(root, func(c *Config) {
		c.Reader = ReaderConfig{Kind: "pn532",
			Values: rfid.Values{"port": "i2c:/dev/i2c-1"}}
	})
	if got := strings.Join(found.Unseen, "\n"); found.Err() != nil ||
		!strings.Contains(got, "which model this is shows on the Pi") {
		t.Errorf("a model that is not known: %v %q", found.Err(), got)
	}
}

// overlayMounts is the kernel's mount table of a root file system under overlayroot. With overlayroot's option recurse,
// the mounts of fstab are added.
const overlayMounts = `30 1 179:2 / /media/root-ro ro,relatime - ext4 /dev/mmcblk0p2 ro
31 1 0:25 / /media/root-rw rw,relatime - tmpfs tmpfs-root rw
32 1 0:26 / / rw,relatime - overlay overlayroot ` +
	`rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/overlay-workdir/_
40 32 179:1 / /boot/firmware ro,relatime - vfat /dev/mmcblk0p1 ro
`

func TestJournalFolderThatIsLostAtABootIsRejected(t *testing.T) {
	hidden := "32 1 0:26 / / rw - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work\n"
	for name, x := range map[string]struct{ mounts, cmdline, model, want string }{
		"a card":                           {"1 0 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n", "", "pi", "well"},
		"overlayroot":                      {overlayMounts, "overlayroot=tmpfs", "pi", "fault"},
		"overlayroot, command line unseen": {overlayMounts, "", "pi", "fault"},
		"a partition of its own": {overlayMounts +
			"41 32 179:3 / /var/lib/portillon rw - ext4 /dev/mmcblk0p3 rw\n", "", "pi", "well"},
		"a partition overlayroot covers": {overlayMounts +
			"41 32 0:27 / /var/lib/portillon rw - overlay /var rw,lowerdir=/media/root-ro/var/lib/portillon,upperdir=/media/" +
			"root-rw/overlay/var/lib/portillon,workdir=/w\n", "", "pi", "fault"},
		"the unit's own folder, bound to a disk": {overlayMounts +
			"41 32 179:3 /laser /var/lib/portillon/laser rw - ext4 /dev/mmcblk0p3 rw\n", "", "pi", "well"},
		"an upper layer on a disk": {strings.Replace(overlayMounts, "tmpfs tmpfs-root", "ext4 /dev/sda1", 1),
			"overlayroot=device:dev=/dev/sda1", "pi", "well"},
		"raspi-config before Bookworm":      {hidden, "boot=overlay console=tty1", "pi", "fault"},
		"an upper layer that nobody sees":   {hidden, "", "pi", "fault"},
		"the same in a container":           {hidden, "", "", "unseen"},
		"overlayroot in a container's view": {hidden, "overlayroot=tmpfs:recurse=0", "", "fault"},
		"an overlay on a disk, its layer unseen": {"1 0 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n50 1 0:40 / /var/lib rw - " +
			"overlay o rw,lowerdir=/a,upperdir=/gone/up,workdir=/w\n",
			"", "pi", "fault"},
		"a tmpfs": {"1 0 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n50 1 0:40 / /var rw - tmpfs tmpfs " +
			"rw\n", "", "pi", "fault"},
		"a tmpfs with a neighbour's name": {"1 0 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n50 1 0:40 / /var/lib/port rw - " +
			"tmpfs tmpfs rw\n", "", "pi", "well"},
		"a tmpfs under a later disk": {"1 0 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n50 1 0:40 / /var/lib rw - tmpfs " +
			"tmpfs rw\n51 1 8:1 / /var/lib rw - ext4 /dev/sda1 rw\n", "", "pi", "well"},
		"no mounts": {"", "", "pi", "unseen"},
	} {
		root := withFile(withFile(configuredPi(t, "4-trixie"), "proc/self/mountinfo", x.mounts), "proc/cmdline", x.cmdline)
		if x.model == "" {
			delete(root, "proc/device-tree/model")
			delete(root, "proc/device-tree/compatible")
			root = withFile(root, "sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs", "N")
		}
		found := piCheck(root, nil)
		if got := verdict(found); got != x.want || got == "fault" &&
			!strings.Contains(found.Err().Error(), "mount a partition of its own at /var/lib/portillon") {
			t.Errorf("%s: %s (%v %q), want %s", name, got, found.Err(), found.Notes(), x.want)
		}
	}
}

// The kernel writes a space in a mount point as \040.
func TestEscapedSpacesInMountPointsAreDecoded(t *testing.T) {
	m := Mounts(`50 1 8:1 / /mnt/my\040disk rw shared:1 master:2 - ext4 /dev/sda1 ro` +
		"\nnot a line\n1 2 3 4 5 6 - ext4\n")
	if len(m) != 1 || m[0].Point != "/mnt/my disk" || !m[0].ReadOnly || m[0].Source != "/dev/sda1" {
		t.Errorf("%+v", m)
	}
}

func TestRealPathResolvesLinksInTheExistingPartOfAPath(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.Mkdir(filepath.Join(dir, "real"), 0o755), os.Symlink("real", filepath.Join(dir, "link")))
	if got := RealPath(filepath.Join(dir, "link", "portillon", "laser")); err != nil ||
		got != filepath.Join(dir, "real", "portillon", "laser") {
		t.Errorf("%s %v", got, err)
	}
}

func FuzzMounts(f *testing.F) {
	f.Add(overlayMounts, "/var/lib/portillon")
	f.Add("1 2 3 4 \\057 6 - overlay x upperdir=\\", "/")
	f.Fuzz(func(t *testing.T, text, dir string) {
		for _, m := range Mounts(text) {
			if m.Type == "" {
				t.Errorf("%q: %+v", text, m)
			}
		}
		StorageOf(fstest.MapFS{"proc/self/mountinfo": {Data: []byte(text)}}, dir)
	})
}
