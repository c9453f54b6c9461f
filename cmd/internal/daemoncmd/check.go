package daemoncmd

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	pins "portillon/daemon/relay/gpio"
	"portillon/policy"
	"portillon/rfid/pcsc"
	"portillon/wire"
)

// Computer is the computer on which a machine.yaml is checked.
type Computer struct {
	Now       time.Time
	Unit      string                             // folder in $CREDENTIALS_DIRECTORY; empty outside the systemd unit
	Credstore string                             // folder from which systemd loads credentials
	Line      func(label string, line int) error // returns an error if no GPIO chip with this label has this line
	Root      fs.FS                              // the computer's files; nil: no files can be read
	Real      func(path string) string           // resolves symbolic links; nil: links are not resolved
	PCSC      func() ([]string, error)           // lists the readers of pcscd; nil: the readers are not checked
}

// Here returns the Computer on which this program runs.
func Here(now time.Time) Computer {
	return Computer{Now: now, Unit: os.Getenv("CREDENTIALS_DIRECTORY"), Credstore: credstore, Line: pins.FindLine,
		Root: os.DirFS("/"), Real: RealPath, PCSC: pcsc.Readers}
}

// Checked contains the results of a check.
type Checked struct {
	Faults   []error  // faults that prevent the daemon's start, or make the machine refuse every card
	Warnings []string // warnings: conditions that somebody should repair although the machine works
	Unseen   []string // files and folders that the user of the check has no permission to read

	// PCSC is the reason why the PC/SC reader cannot be used. PCSC is nil if the reader can be used, or if no PC/SC
	// reader is configured. The machine starts anyway, because a reader may be connected later.
	PCSC *PCSCFault
}

// maxSocket is the maximum length of a Unix socket's path on Linux, in bytes: sockaddr_un has 108 bytes, of which the
// last is zero (unix(7)).
const maxSocket = 107

// Check examines the keys, pins and folders that a machine.yaml names, and the bundle file if the machine.yaml names
// one. Check changes no file.
func (c Config) Check(on Computer) Checked {
	x := checker{c: c, on: on}
	s := secrets{unit: on.Unit, store: on.Credstore, instance: c.instance}
	k, errs := c.readKeys(s)
	for _, err := range errs {
		x.fault(err)
	}
	x.password(s)
	if k.bundle != nil {
		x.bundleFile(k)
		x.store(k)
	}
	x.out.warn(c.checkSeparateKey()...)
	x.journal()
	x.fault(c.CheckWires())
	x.fault(c.checkData())
	x.control()
	x.lines()
	x.modes()
	x.checkEStop()
	x.out.PCSC = c.checkPCSC(on)
	x.checkPi()
	return x.out
}

// checker collects the results for one computer.
type checker struct {
	c   Config
	on  Computer
	out Checked
}

// warn adds warnings.
func (f *Checked) warn(warnings ...string) { f.Warnings = append(f.Warnings, warnings...) }

// fault adds a fault. If only the daemon's user may read a file, fault lists the file in Unseen instead.
func (x *checker) fault(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errUnseen), x.on.Unit == "" && os.Geteuid() > 0 && errors.Is(err, fs.ErrPermission):
		x.out.Unseen = append(x.out.Unseen, err.Error())
	default:
		x.out.Faults = append(x.out.Faults, err)
	}
}

// password checks the broker's password. A missing password is a warning, because the daemon reads the password at
// each connection, and the machine works without its broker.
func (x *checker) password(s secrets) {
	if x.c.MQTT.PasswordFile == "" {
		return
	}
	if _, err := s.read("mqtt: password-file", x.c.MQTT.PasswordFile); errors.Is(err, errUnseen) {
		x.fault(err)
	} else if err != nil {
		x.out.warn(err.Error() + ": cards work, and nothing is reported")
	}
}

// bundleFile checks the bundle file. If the machine already has a bundle, a bad file is only a warning, because the
// machine starts with the stored bundle.
func (x *checker) bundleFile(k keys) {
	if x.c.Bundle.File == "" {
		return
	}
	err := x.tryBundle(k)
	if err == nil {
		return
	}
	if _, stored := x.c.store(k).Current(); stored == nil && !isWrongKey(err) {
		x.out.warn(err.Error() + ": the bundle that the machine has stays in force")
		return
	}
	x.fault(err)
}

// store checks the bundle in force.
func (x *checker) store(k keys) {
	if damage := x.c.checkStore(x.c.store(k)); damage != "" {
		x.out.warn(damage)
	}
	x.fault(x.c.checkCardKey(k))
}

// journal checks the journal. A damaged journal is only a warning, because the daemon starts and salvages the journal,
// or reports why the journal cannot be salvaged.
func (x *checker) journal() {
	err := x.c.checkJournal()
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrPermission):
		x.fault(err)
	case x.c.isReplaceable(err):
		x.out.warn(fmt.Sprintf("data: %v; %s", err, x.c.afterRenewal()))
	default:
		x.out.warn(fmt.Sprintf("data: %v; or %s", err, x.c.cureJournal()))
	}
}

// control rejects a path that is too long for a Unix socket.
func (x *checker) control() {
	if path := x.c.Control; len(path) > maxSocket {
		x.fault(fmt.Errorf("control: path %s has %d bytes, want at most %d for a socket, for example /run/portillon/%s.sock",
			path, len(path), maxSocket, x.c.Machine))
	}
}

// tryBundle installs the bundle file in a temporary folder, in the same way as the daemon. The installation checks the
// site, the key, the members and the machine.
func (x *checker) tryBundle(k keys) error {
	dir, err := os.MkdirTemp("", "portillond-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	keep := bundleUpdater{
		machine: policy.MachineID(x.c.Machine),
		store:   wire.Store{Dir: dir, Site: policy.SiteID(x.c.Site), Keys: k.bundle, Policy: k.policy},
		conf:    x.c.Bundle,
		options: x.c.rosterOptions(k),
		now:     func() time.Time { return x.on.Now },
		log:     slog.New(slog.DiscardHandler),
	}
	r, err := keep.fromFile()
	if err != nil {
		return fmt.Errorf("bundle: file: %w", x.c.withExpectedKey(err))
	}
	if r != nil {
		x.out.warn(x.c.checkBindings(r.Policy)...)
	}
	return nil
}

// checkData checks that the folder of the journal can be written or created.
func (c Config) checkData() error {
	for dir := c.Data; ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			continue
		case err == nil && !fi.IsDir():
			return fmt.Errorf("data: %s is a file, want a folder such as /var/lib/portillon/%s", dir, c.Machine)
		case err == nil:
			err = writable(dir)
		}
		if err != nil {
			return fmt.Errorf("data: folder %s cannot be written: %w", dir, err)
		}
		return nil
	}
}

// lines checks that the computer's GPIO chips have the GPIO lines that machine.yaml names.
func (x *checker) lines() {
	for _, p := range x.c.namedPins() {
		label, line, err := gpioLine(p.pin)
		if err != nil {
			continue // leave out a simulated pin, and a pin whose fault CheckWires reports
		}
		switch err = x.on.Line(label, line); {
		case errors.Is(err, pins.ErrNoChip):
			x.out.Unseen = append(x.out.Unseen,
				"there is no GPIO chip on this computer: whether its chip has these lines shows on the Pi")
			return
		case err != nil:
			x.fault(fmt.Errorf("%s: %w", p.key, err))
		}
		if errors.Is(err, fs.ErrPermission) {
			return // report a missing chip once, and not for each of its lines
		}
	}
}

// modes adds a warning for each key file that every user of this computer may read.
func (x *checker) modes() {
	for _, f := range []struct{ field, path string }{
		{"card-key", x.c.CardKey},
		{"machine-key", x.c.MachineKey},
		{"reader: aes-key", x.c.Reader.AESKey()},
		{"mqtt: password-file", x.c.MQTT.PasswordFile},
	} {
		if fi, err := os.Stat(f.path); err == nil && fi.Mode().Perm()&0o007 != 0 {
			x.out.warn(fmt.Sprintf("%s: everybody on this computer may read %s (mode %04o): chmod 640, or 600",
				f.field, f.path, fi.Mode().Perm()))
		}
	}
}

// Err returns all faults joined into one error, or nil.
func (c Checked) Err() error { return errors.Join(c.Faults...) }

// Notes returns the warnings, followed by the conditions that could not be examined.
func (c Checked) Notes() []string {
	out := slices.Concat(c.Warnings, c.Unseen)
	if c.PCSC != nil {
		out = append(out, c.PCSC.oneLine())
	}
	return out
}
