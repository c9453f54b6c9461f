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

// Computer is the computer on which a file is checked.
type Computer struct {
	Now       time.Time
	Unit      string                             // $CREDENTIALS_DIRECTORY: empty where no unit runs
	Credstore string                             // where systemd takes credentials from
	Line      func(label string, line int) error // nil: a chip with this label has this line
	Root      fs.FS                              // its files; nil: they cannot be seen
	Real      func(path string) string           // a path without its symbolic links; nil: as it is
	PCSC      func() ([]string, error)           // the readers that pcscd has; nil: nobody asks
}

// Here is the computer that this runs on.
func Here(now time.Time) Computer {
	return Computer{Now: now, Unit: os.Getenv("CREDENTIALS_DIRECTORY"), Credstore: credstore, Line: pins.FindLine,
		Root: os.DirFS("/"), Real: RealPath, PCSC: pcsc.Readers}
}

// Checked is what a check found.
type Checked struct {
	Faults   []error  // what a daemon would refuse, or what leaves a machine that lets nobody in
	Warnings []string // what should be mended, and stops nobody
	Unseen   []string // what could not be looked at from here

	// what keeps the PC/SC reader from being used; stops nobody, for readers come and go; nil: nothing, or there is none
	PCSC *PCSCFault
}

// maxSocket is how long the path of a Unix socket may be on Linux: sockaddr_un has 108 bytes, the last a zero
// (unix(7)).
const maxSocket = 107

// Check looks at all that the file names: keys, pins, folders, and the bundle's file where there is one. It changes
// nothing.
func (c Config) Check(on Computer) Checked {
	x := checker{c: c, on: on}
	s := secrets{unit: on.Unit, store: on.Credstore, instance: c.instance}
	k, errs := c.keys(s)
	for _, err := range errs {
		x.fault(err)
	}
	x.password(s)
	if k.bundle != nil {
		x.bundleFile(k)
		x.store(k)
	}
	x.out.warn(c.checkApart()...)
	x.journal()
	x.fault(c.CheckWires())
	x.fault(c.checkData())
	x.control()
	x.lines()
	x.modes()
	x.eStop()
	x.out.PCSC = c.checkPCSC(on)
	x.pi()
	return x.out
}

// checker collects what is found on one computer.
type checker struct {
	c   Config
	on  Computer
	out Checked
}

func (f *Checked) warn(warnings ...string) { f.Warnings = append(f.Warnings, warnings...) }

// fault takes an error. A file that only the daemon's user may read is no fault: it could not be looked at.
func (x *checker) fault(err error) {
	switch {
	case err == nil:
	case errors.Is(err, errUnseen), x.on.Unit == "" && os.Geteuid() > 0 && errors.Is(err, fs.ErrPermission):
		x.out.Unseen = append(x.out.Unseen, err.Error())
	default:
		x.out.Faults = append(x.out.Faults, err)
	}
}

// password looks at the broker's password. A missing one is a warning: the daemon reads it at each connection, and a
// machine works without its broker.
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

// bundleFile looks at the bundle's file. Where the machine has a bundle, that one stays in force: a bad file on a stick
// keeps no machine from starting.
func (x *checker) bundleFile(k keys) {
	if x.c.Bundle.File == "" {
		return
	}
	err := x.takeBundle(k)
	if err == nil {
		return
	}
	if _, stored := x.c.store(k).Current(); stored == nil && !isWrongKey(err) {
		x.out.warn(err.Error() + ": the bundle that the machine has stays in force")
		return
	}
	x.fault(err)
}

// store looks at the bundle that the machine works from.
func (x *checker) store(k keys) {
	if damage := x.c.checkStore(x.c.store(k)); damage != "" {
		x.out.warn(damage)
	}
	x.fault(x.c.checkCardKey(k))
}

// journal looks at the journal. A damaged one is a warning: a daemon starts all the same, and salvages it or says why
// it cannot.
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

// control refuses a path that no socket can have.
func (x *checker) control() {
	if path := x.c.Control; len(path) > maxSocket {
		x.fault(fmt.Errorf("control: %s has %d bytes, and a socket's path has at most %d: /run/portillon/%s.sock",
			path, len(path), maxSocket, x.c.Machine))
	}
}

// takeBundle takes the bundle as a daemon would, in a folder of its own: its site, its key, its members, and this
// machine.
func (x *checker) takeBundle(k keys) error {
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
		return fmt.Errorf("bundle: file: %w", x.c.explain(err))
	}
	if r != nil {
		x.out.warn(x.c.checkBindings(r.Policy)...)
	}
	return nil
}

// checkData asks whether the folder of the journal can be written, or made.
func (c Config) checkData() error {
	for dir := c.Data; ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			continue
		case err == nil && !fi.IsDir():
			return fmt.Errorf("data: %s is a file: a folder goes here, /var/lib/portillon/%s", dir, c.Machine)
		case err == nil:
			err = writable(dir)
		}
		if err != nil {
			return fmt.Errorf("data: %s cannot be written: %w", dir, err)
		}
		return nil
	}
}

// lines asks the computer's GPIO chips whether they have the lines that the file names.
func (x *checker) lines() {
	for _, p := range x.c.pins() {
		label, line, err := gpioLine(p.pin)
		if err != nil {
			continue // simulated, or a fault of CheckWires
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
			return // the others are no better
		}
	}
}

// modes looks for keys that everybody on this computer may read.
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

// Err is the faults as one error.
func (c Checked) Err() error { return errors.Join(c.Faults...) }

// Notes are what should be said and stops nobody.
func (c Checked) Notes() []string {
	out := slices.Concat(c.Warnings, c.Unseen)
	if c.PCSC != nil {
		out = append(out, c.PCSC.note())
	}
	return out
}
