package daemoncmd

import (
	"fmt"
	"io/fs"
	"path/filepath"

	"portillon/cmd/internal/bootconfig"
)

// checkPi looks at the computer that the machine runs on: what the kernel does with the relay's line when a program
// dies, whether the reader's bus works on this model, and whether the journal is there after a reboot. It asks
// nothing where nothing hangs on its pins.
func (c Config) checkPi(on Computer, out *Checked) {
	if c.Simulated() {
		return
	}
	if on.Root == nil {
		out.Unseen = append(out.Unseen,
			"the computer's files cannot be seen from here: its model, its GPIO driver and its mounts show on the Pi")
		return
	}
	board := bootconfig.ReadBoard(on.Root)
	c.checkPersistence(on.Root, board, out)
	c.checkBus(board, out)
	c.checkStorage(on, board, out)
}

// RelayLine is the relay's line: how its chip's label begins, and its number there.
func (c Config) RelayLine() (label string, line int, err error) { return gpioLine(c.Relay.Pin) }

// PiFault is a fault of the computer, which the doctor explains in both languages under the name of its look.
type PiFault struct {
	Look string // persist, bus or storage
	Err  error
}

func (f PiFault) Error() string { return f.Err.Error() }
func (f PiFault) Unwrap() error { return f.Err }

// KeptWarning is how the warning begins that the doctor's look persist explains.
const KeptWarning = "relay.pin: the kernel keeps an output"

// CheckPi is the part of Check that looks at the computer alone: at no key, bundle or folder.
func (c Config) CheckPi(on Computer) (out Checked) {
	c.checkPi(on, &out)
	return out
}

// checkPersistence refuses a relay that a dead program leaves closed. A charge pump opens it by itself: there the
// parameter is a warning.
func (c Config) checkPersistence(root fs.FS, b bootconfig.Board, out *Checked) {
	label, line, err := c.RelayLine()
	if err != nil {
		return // simulated, or a fault of CheckWires
	}
	kept, driver := bootconfig.Outputs(root, label, line, b)
	const cure = "sudo portillon firmware apply writes dtparam=strict_gpiod into config.txt; then reboot"
	switch {
	case kept == bootconfig.Kept && c.Relay.Heartbeat:
		out.Warnings = append(out.Warnings, fmt.Sprintf(KeptWarning+" as it was when its program dies "+
			"(%s.persist_gpio_outputs=Y): the charge pump opens the relay, and nothing opens the extraction and the lamps: "+
			"%s", driver, cure))
	case kept == bootconfig.Kept:
		out.refuse("persist", fmt.Errorf("relay.mode: level, and the kernel keeps an output as it was when its program dies "+
			"(%s.persist_gpio_outputs=Y): a killed portillond would leave the machine on: %s", driver, cure))
	case kept == bootconfig.Released:
	case driver == "":
		out.Unseen = append(out.Unseen, "relay.pin: no Raspberry Pi that Portillon knows: "+
			"whether the kernel lets an output go when its program dies shows on the Pi")
	default:
		out.Unseen = append(out.Unseen,
			fmt.Sprintf("relay.pin: the driver %s does not say whether it lets an output go when its program dies: "+
				"check once, machine unplugged: kill -9 portillond and its guard, and look at the relay", driver))
	}
}

// checkBus refuses a PN532 on I²C where the Pi's I²C cannot wait for it. The chip stretches the clock (PN532 user
// manual, UM0701-02, I²C interface; check), which the BSC of the BCM2835 to BCM2711 gets wrong (raspberrypi/linux,
// issues 254 and 4884). The RP1 of a Pi 5 has another controller.
func (c Config) checkBus(b bootconfig.Board, out *Checked) {
	switch {
	case !c.Reader.StretchesClock() || b.Family == bootconfig.RP1:
	case b.Known():
		out.refuse("bus",
			fmt.Errorf("reader.port: a PN532 on I²C works on a Pi 5 or Compute Module 5 only, and this is a %s: "+
				"its I²C gets the chip's clock stretching wrong (raspberrypi/linux, issues 254 and 4884): set the chip's "+
				"switches to SPI and "+
				"write port: \"spi:/dev/spidev0.0\", or take a serial adapter on USB", b.Model))
	default:
		out.Unseen = append(out.Unseen, "reader.port: a PN532 on I²C works on a Pi 5 or Compute Module 5 only "+
			"(clock stretching: raspberrypi/linux, issues 254 and 4884): which model this is shows on the Pi")
	}
}

func (f *Checked) refuse(look string, err error) { f.Faults = append(f.Faults, PiFault{look, err}) }

// checkStorage refuses a journal that is lost at each boot.
func (c Config) checkStorage(on Computer, b bootconfig.Board, out *Checked) {
	dir := c.Data
	if on.Real != nil {
		dir = on.Real(dir)
	}
	where, m := StorageOf(on.Root, dir)
	const cure = "mount a partition of its own at /var/lib/portillon: portillon doctor says which"
	switch {
	case where == InMemory:
		out.refuse("storage", fmt.Errorf("data: %s is in memory (%s at %s): the journal is lost at each boot: %s", c.Data,
			m.Type, m.Point, cure))
	case where == Overlaid:
		out.refuse("storage", fmt.Errorf("data: %s is on an overlay whose upper layer is in memory (at %s): "+
			"the journal is lost at each boot: %s", c.Data, m.Point, cure))
	case where == StorageUnknown && m.Type == "overlay" && b.Known():
		out.refuse("storage", fmt.Errorf("data: %s is on an overlay (at %s) whose upper layer cannot be seen: "+
			"nobody can say whether the journal is there after a reboot: %s", c.Data, m.Point, cure))
	case where == StorageUnknown:
		out.Unseen = append(out.Unseen, fmt.Sprintf("data: on which disk %s is cannot be seen from here: it shows on the Pi",
			c.Data))
	}
}

// RealPath is a path without symbolic links, as far as it is there.
func RealPath(file string) string {
	rest := ""
	for dir := filepath.Clean(file); ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		if dir == filepath.Dir(dir) {
			return file
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}
