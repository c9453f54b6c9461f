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
func (c Config) Check(on Computer) (out Checked) {
	fault := func(err error) {
		switch {
		case err == nil:
		case errors.Is(err, errUnseen), on.Unit == "" && os.Geteuid() > 0 && errors.Is(err, fs.ErrPermission):
			// not ours, and perhaps the daemon's
			out.Unseen = append(out.Unseen, err.Error())
		default:
			out.Faults = append(out.Faults, err)
		}
	}
	s := secrets{unit: on.Unit, store: on.Credstore, instance: c.instance}
	k, errs := c.keys(s)
	for _, err := range errs {
		fault(err)
	}
	if c.MQTT.PasswordFile != "" {
		if _, err := s.read("mqtt: password-file", c.MQTT.PasswordFile); errors.Is(err, errUnseen) {
			fault(err)
		} else if err != nil { // it is read at each connection: a machine works without its broker
			out.Warnings = append(out.Warnings, err.Error()+": cards work, and nothing is reported")
		}
	}
	if c.Bundle.File != "" && k.bundle != nil {
		if err := c.checkBundle(k, on.Now, &out); err != nil {
			if _, whole := c.store(k).Current(); whole == nil && !isWrongKey(err) {
				// what is in force stays in force: a bad file on a stick keeps no machine from starting
				out.Warnings = append(out.Warnings, err.Error()+": the bundle that the machine has stays in force")
			} else {
				fault(err)
			}
		}
	}
	if k.bundle != nil {
		if damage := c.checkStore(c.store(k)); damage != "" {
			out.Warnings = append(out.Warnings, damage)
		}
		fault(c.checkCardKey(k))
	}
	out.Warnings = append(out.Warnings, c.checkApart()...)
	if err := c.checkJournal(); errors.Is(err, fs.ErrPermission) {
		fault(err)
	} else if c.isReplaceable(err) {
		out.Warnings = append(out.Warnings, fmt.Sprintf("data: %v; %s", err, c.afterRenewal()))
	} else if err != nil {
		out.Warnings = append(out.Warnings, fmt.Sprintf("data: %v; or %s", err, c.cureJournal()))
	}
	fault(c.CheckWires())
	fault(c.checkData())
	if len(c.Control) > maxSocket {
		fault(fmt.Errorf("control: %s has %d bytes, and a socket's path has at most %d: /run/portillon/%s.sock", c.Control, len(c.Control), maxSocket, c.Machine))
	}
	c.checkLines(on, fault, &out)
	c.checkModes(&out)
	c.checkEStop(&out)
	out.PCSC = c.checkPCSC(on)
	c.checkPi(on, &out)
	return out
}

// checkBundle takes the bundle as a daemon would, in a folder of its own: its site, its key, its members, and this
// machine.
func (c Config) checkBundle(k keys, now time.Time, out *Checked) error {
	dir, err := os.MkdirTemp("", "portillond-check-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	keep := bundleUpdater{machine: policy.MachineID(c.Machine), store: wire.Store{Dir: dir, Site: policy.SiteID(c.Site), Keys: k.bundle, Policy: k.policy}, conf: c.Bundle, options: c.rosterOptions(k),
		now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
	r, err := keep.fromFile()
	if err != nil {
		return fmt.Errorf("bundle: file: %w", c.explain(err))
	}
	if r != nil {
		out.Warnings = append(out.Warnings, c.checkBindings(r.Policy)...)
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

// checkLines asks the computer's GPIO chips whether they have the lines that the file names.
func (c Config) checkLines(on Computer, fault func(error), out *Checked) {
	for _, p := range c.pins() {
		label, line, err := gpioLine(p.pin)
		if err != nil {
			continue // simulated, or a fault of CheckWires
		}
		if err = on.Line(label, line); errors.Is(err, pins.ErrNoChip) {
			out.Unseen = append(out.Unseen, "there is no GPIO chip on this computer: whether its chip has these lines shows on the Pi")
			return
		}
		if errors.Is(err, fs.ErrPermission) {
			fault(fmt.Errorf("%s: %w", p.key, err))
			return // the others are no better
		}
		if err != nil {
			fault(fmt.Errorf("%s: %w", p.key, err))
		}
	}
}

// checkModes looks for keys that everybody on this computer may read.
func (c Config) checkModes(out *Checked) {
	for _, x := range []struct{ field, path string }{{"card-key", c.CardKey}, {"machine-key", c.MachineKey}, {"reader: aes-key", c.Reader.AESKey()}, {"mqtt: password-file", c.MQTT.PasswordFile}} {
		if fi, err := os.Stat(x.path); err == nil && fi.Mode().Perm()&0o007 != 0 {
			out.Warnings = append(out.Warnings, fmt.Sprintf("%s: everybody on this computer may read %s (mode %04o): chmod 640, or 600", x.field, x.path, fi.Mode().Perm()))
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
