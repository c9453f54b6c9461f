package daemoncmd

import (
	"fmt"
	"path/filepath"

	"portillon/cmd/internal/bootconfig"
)

// checkPi checks three properties of the computer: the kernel releases the relay's line when a program dies, this model
// has the reader's bus, and the journal survives a reboot. If the machine uses no pins, checkPi does nothing.
func (x *checker) checkPi() {
	if x.c.Simulated() {
		return
	}
	if x.on.Root == nil {
		x.out.Unseen = append(x.out.Unseen,
			"the computer's files cannot be seen from here: its model, its GPIO driver and its mounts show on the Pi")
		return
	}
	board := bootconfig.ReadBoard(x.on.Root)
	x.checkPersistence(board)
	x.checkBus(board)
	x.checkStorage(board)
}

// RelayLine returns the GPIO line of the relay: the beginning of the chip's label, and the line's number on that chip.
func (c Config) RelayLine() (label string, line int, err error) { return gpioLine(c.Relay.Pin) }

// PiFault is a fault of the computer. The doctor explains the fault in French and English under the name in Look.
type PiFault struct {
	Look string // name of the check in the doctor: persist, bus or storage
	Err  error
}

// Error implements error.
func (f PiFault) Error() string { return f.Err.Error() }

// Unwrap returns the error without the name in Look.
func (f PiFault) Unwrap() error { return f.Err }

// KeptWarning is the beginning of the warning that the kernel keeps an output driven after its program has died. The
// doctor explains this warning under the name persist.
const KeptWarning = "relay.pin: the kernel keeps an output"

// CheckPi performs the checks of the computer that Check performs, but not those of keys, bundle and folders.
func (c Config) CheckPi(on Computer) Checked {
	x := checker{c: c, on: on}
	x.checkPi()
	return x.out
}

// checkPersistence rejects a relay that stays closed after its program has died. A relay behind a charge pump opens
// without the kernel's help, so a wrong kernel parameter causes only a warning.
func (x *checker) checkPersistence(b bootconfig.Board) {
	label, line, err := x.c.RelayLine()
	if err != nil {
		return // leave out a simulated relay, and a relay whose fault CheckWires reports
	}
	kept, driver := bootconfig.Outputs(x.on.Root, label, line, b)
	const cure = "sudo portillon firmware apply writes dtparam=strict_gpiod into config.txt; then reboot"
	switch {
	case kept == bootconfig.Kept && x.c.Relay.Heartbeat:
		x.out.Warnings = append(x.out.Warnings, fmt.Sprintf(KeptWarning+" as it was when its program dies "+
			"(%s.persist_gpio_outputs=Y): the charge pump opens the relay, and nothing opens the extraction and the lamps: "+
			"%s", driver, cure))
	case kept == bootconfig.Kept:
		x.out.addPiFault("persist",
			fmt.Errorf("relay.mode: level, and the kernel keeps an output as it was when its program "+
				"dies "+
				"(%s.persist_gpio_outputs=Y): a killed portillond would leave the machine on: %s", driver, cure))
	case kept == bootconfig.Released:
	case driver == "":
		x.out.Unseen = append(x.out.Unseen, "relay.pin: no Raspberry Pi that Portillon knows: "+
			"whether the kernel lets an output go when its program dies shows on the Pi")
	default:
		x.out.Unseen = append(x.out.Unseen,
			fmt.Sprintf("relay.pin: the driver %s does not say whether it lets an output go when its program dies: "+
				"check once, machine unplugged: kill -9 portillond and its guard, and look at the relay", driver))
	}
}

// checkBus rejects a PN532 on I²C if the Pi's controller does not support clock stretching. The PN532 stretches the
// clock (PN532 user manual, UM0701-02, I²C interface; check). The controller BSC of the BCM2835 to BCM2711 handles
// clock stretching wrongly (raspberrypi/linux, issues 254 and 4884). The RP1 of a Pi 5 has another controller.
func (x *checker) checkBus(b bootconfig.Board) {
	switch {
	case !x.c.Reader.StretchesClock() || b.Family == bootconfig.RP1:
	case b.Known():
		x.out.addPiFault("bus",
			fmt.Errorf("reader.port: a PN532 on I²C works on a Pi 5 or Compute Module 5 only, and this is a %s: "+
				"its I²C gets the chip's clock stretching wrong (raspberrypi/linux, issues 254 and 4884): set the chip's "+
				"switches to SPI and "+
				"write port: \"spi:/dev/spidev0.0\", or take a serial adapter on USB", b.Model))
	default:
		x.out.Unseen = append(x.out.Unseen, "reader.port: a PN532 on I²C works on a Pi 5 or Compute Module 5 only "+
			"(clock stretching: raspberrypi/linux, issues 254 and 4884): which model this is shows on the Pi")
	}
}

// addPiFault adds a fault of the computer. The argument look is the name under which the doctor explains the fault.
func (f *Checked) addPiFault(look string, err error) { f.Faults = append(f.Faults, PiFault{look, err}) }

// checkStorage rejects a journal folder whose files would be lost at each boot.
func (x *checker) checkStorage(b bootconfig.Board) {
	dir := x.c.Data
	if x.on.Real != nil {
		dir = x.on.Real(dir)
	}
	where, m := StorageOf(x.on.Root, dir)
	const cure = "mount a partition of its own at /var/lib/portillon: portillon doctor says which"
	switch {
	case where == InMemory:
		x.out.addPiFault("storage",
			fmt.Errorf("data: folder %s is in memory (%s at %s), so the journal would be lost at each boot: %s", x.c.Data,
				m.Type, m.Point, cure))
	case where == Overlaid:
		x.out.addPiFault("storage", fmt.Errorf("data: %s is on an overlay whose upper layer is in memory (at %s): "+
			"the journal is lost at each boot: %s", x.c.Data, m.Point, cure))
	case where == StorageUnknown && m.Type == "overlay" && b.Known():
		x.out.addPiFault("storage", fmt.Errorf("data: %s is on an overlay (at %s) whose upper layer cannot be seen: "+
			"nobody can say whether the journal is there after a reboot: %s", x.c.Data, m.Point, cure))
	case where == StorageUnknown:
		x.out.Unseen = append(x.out.Unseen,
			fmt.Sprintf("data: on which disk %s is cannot be seen from here: it shows on the Pi",
				x.c.Data))
	}
}

// RealPath resolves the symbolic links in the part of the path that exists.
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
