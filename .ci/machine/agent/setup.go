package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"
)

// These are more lines of the chip, and the folders of the row setup.
const (
	doorLine    = 5  // input line of the door's contact
	busyLine    = 24 // input line of the current relay
	exhaustLine = 27 // output line of the extraction
	// this folder stands for the SD card, because the machine's root file system is in memory
	saved     = dataFolder + "/.etc"
	protocols = dataFolder + "/laser/acceptance" // folder with the reports of the acceptance test
)

// settings lists the folders that portillon setup writes. On an SD card, the files in these folders would survive a
// power cut.
var settings = []string{"/etc/portillon", "/etc/credstore"}

// lampQuestion is the question of the acceptance test whether the lamp is on.
const lampQuestion = "Is the lamp lit?"

// typedHere is a file with the commands that a person must type at this machine, one per line, from the installation
// of the package until the acceptance test has passed.
const typedHere = dataFolder + "/.commands"

// recordCommand adds a command to the file typedHere.
func recordCommand(format string, a ...any) error {
	f, err := os.OpenFile(typedHere, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, format+"\n", a...)
	return errors.Join(err, f.Close())
}

// bench simulates the workplace of the acceptance test: the contacts, the reader, and a lamp behind a starter with
// no-volt release.
type bench struct {
	m          *machine // the machine under test
	door, busy *contact // the door's contact, and the current relay's contact
	latched    bool     // true: the starter is latched, because somebody pressed its button while the relay was closed
	// true: the emergency stop is pressed; one of its contacts opens the starter's circuit without any program
	pressed bool
	bridged bool // true: the Pi's e-stop input is bridged to ground, so the Pi does not detect the button
	forced  bool // true: another source than the Pi supplies the contactor's coil
}

// lit reports whether the lamp is on; the lamp stands for the machine's tool.
func (b *bench) lit() bool {
	if !b.m.line.high() || b.pressed {
		b.latched = false
	}
	return b.latched || b.forced
}

// stop presses or releases the button of the emergency stop.
func (b *bench) stop(pressed bool) {
	if b.pressed = pressed; !b.bridged {
		b.m.estop.set(pressed)
	}
}

// press presses the button of the starter; the starter latches only if the relay is closed.
func (b *bench) press() { b.latched = b.m.line.high() && !b.pressed }

// typeCard makes the keyboard reader type the number of Léa's card.
func (b *bench) typeCard() error {
	b.m.settle()
	if err := b.m.keys.types(lea + "\n"); err != nil {
		return err
	}
	time.Sleep(150 * time.Millisecond) // wait until the journal contains the tap and the relay has switched
	return nil
}

// noHardware gives, for each step of the acceptance list that an emulated machine must skip, the reason.
var noHardware = map[string]string{
	"lid-without-portillon": "no laser is connected to an emulated machine",
	"pi-halted":             "a halted emulated computer has no 5 V supply",
	"isolation":             "an emulated machine has no mains supply",
}

// followInstruction does what an instruction of the acceptance list asks for. If a step needs hardware that is
// missing, followInstruction skips the step and gives the reason.
func (b *bench) followInstruction(step, text string) (line string, err error) {
	if reason := noHardware[step]; reason != "" {
		return "s " + reason, nil
	}
	has := func(words string) bool { return strings.Contains(text, words) }
	b.lit() // if the relay is open, the starter is released
	switch {
	// Do nothing, because the simulated starter is already beside the lamp.
	case has("put the machine itself in the lamp’s place"):
	case has("Bridge the Pi’s input “e-stop”"):
		b.bridged = true
		b.stop(true)
	case has("take the bridge to ground away"):
		b.bridged = false
		b.stop(false)
	case has("Without a card, press the start button"):
		b.press()
	case has("Do not touch the start button"), has("Tap the same card"), has("Tap the card"):
		return "", b.typeCard()
	case has("then press the machine’s start button"):
		defer func() { b.press() }()
		return "", b.typeCard()
	case has("Press the machine’s start button"):
		b.press()
	case has("Press the emergency stop"):
		b.stop(true)
	case has("second contact off the Pi"):
		b.m.estop.set(true)
	case has("Release the emergency stop"):
		b.stop(false)
	case step == "e-stop-wire" && has("Put the wire back"):
		b.m.estop.set(false)
	case has("Open the door"):
		b.door.set(true)
	case has("Close the door"):
		b.door.set(false)
	case has("mirror contact’s wire off"), has("join +24 V"):
		b.forced = has("join +24 V")
		b.m.mirror.set(true)
	case step == "feedback-wire" && has("Put the wire back"), has("Take the wire away"):
		b.forced = false
		b.m.mirror.follow(b.m.line.high)
	case has("join the two wires of the current relay"):
		time.Sleep(10 * time.Second)
		b.busy.set(true)
	case has("Part the two wires"):
		b.busy.set(false)
	case has("Wait two seconds"):
		time.Sleep(1500 * time.Millisecond)
	case has("end of the extraction’s time"):
	case has("Unplug the reader"):
		err = b.m.keys.unplug()
		b.m.keys = nil
	case has("Plug the reader in again"):
		b.m.keys, err = plugKeyboard()
	default:
		err = fmt.Errorf("step %s has the unknown instruction %q", step, text)
	}
	return "", err
}

// answerQuestion answers a question of the acceptance list according to the state of the simulated hardware.
func (b *bench) answerQuestion(step, text string) (string, error) {
	yes := map[bool]string{true: "y", false: "n"}
	switch {
	case strings.Contains(text, lampQuestion):
		return yes[b.lit()], nil
	case strings.Contains(text, "Did the emergency stop put the lamp out without the Pi?"):
		return yes[!b.lit()], nil
	case strings.Contains(text, "Does the extraction run?"):
		return yes[read(fmt.Sprintf("%s/sim_gpio%d/value", b.m.line.chip, exhaustLine)) == "1"], nil
	case strings.Contains(text, "Did the machine refuse the card?"):
		return yes[!b.m.line.high()], nil
	// The trace of this boot shows whether the relay has closed at any time.
	case step == "pi-unplugged" || step == "supply-without-pi" || step == "boot":
		return yes[len(b.m.line.since(0)) == 0 && !b.m.line.high()], nil
	}
	return "", fmt.Errorf("step %s has the unknown question %q", step, text)
}

// runSetup runs portillon setup and answers its questions as a person would, until setup ends or asks for a power
// cut.
func (b *bench) runSetup(args ...string) (said string, cut bool, err error) {
	if err := recordCommand("sudo portillon setup %s", strings.Join(args, " ")); err != nil {
		return "", false, err
	}
	cmd := exec.Command("/usr/bin/portillon", append([]string{"setup", "--lang", "en"}, args...)...)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return "", false, err
	}
	defer cmd.Process.Kill()
	var all strings.Builder
	for from := 0; ; {
		c := make([]byte, 4096)
		n, rerr := out.Read(c)
		all.Write(c[:n])
		if rerr != nil {
			break
		}
		text := all.String()[from:]
		if !strings.HasSuffix(text, " > ") {
			continue
		}
		from = all.Len()
		step, ask, ok := strings.Cut(text[max(0, strings.LastIndex(text, "\n[")+1):], "] ")
		if step = strings.TrimPrefix(step, "["); !ok {
			return all.String(), false, fmt.Errorf("setup asks a question without naming its step: %q", text)
		}
		line, stop, err := b.answer(step, ask)
		if err != nil || stop {
			return all.String(), stop, err
		}
		if _, err := io.WriteString(in, line+"\n"); err != nil {
			return all.String(), false, err
		}
	}
	return all.String(), false, cmd.Wait()
}

// answer returns the line to type as the answer to a question of setup. The result cut is true if setup has asked for
// a power cut.
func (b *bench) answer(step, ask string) (line string, cut bool, err error) {
	switch {
	case strings.Contains(ask, "NOT AS IT MUST BE"):
		return "", false, fmt.Errorf("%s: %s", step, ask)
	case strings.HasSuffix(ask, "(cut it now) > "):
		return "", true, nil
	case strings.HasSuffix(ask, "(y/n) > ") && step != "isolation" && step != "lid-without-portillon":
		line, err = b.answerQuestion(step, ask)
	default:
		line, err = b.followInstruction(step, ask)
	}
	return line, false, err
}

// wire connects all contacts of the complete wiring to the chip.
func (b *bench) wire() {
	b.door = newContact(b.m.line.chip, doorLine, func() bool { return false })
	// The current relay is wired to 3.3 V, so the line reads high while its contact is closed, as for an open contact to
	// ground.
	b.busy = newContact(b.m.line.chip, busyLine, func() bool { return false })
}

// unwire disconnects the contacts from the chip.
func (b *bench) unwire() {
	b.door.stop()
	b.busy.stop()
}

// setUp is the row that installs the package and runs setup until the acceptance test asks for the power cut.
func setUp(m *machine) (string, error) {
	// Remove all settings, so that only the package and the journal are left.
	if err := runSteps(m.reset, func() error { return systemctl("disable", "--now", service) }, resetSettings,
		func() error { return os.MkdirAll("/boot/firmware", 0o755) },
		func() error { return os.WriteFile("/boot/firmware/config.txt", []byte("dtparam=audio=on\n"), 0o644) },
		// Do not install the package again, because an earlier row has installed it.
		func() error { return recordCommand("sudo apt install ./portillon.deb") }); err != nil {
		return "", err
	}
	b := &bench{m: m}
	b.wire()
	defer b.unwire()
	at := uptime()
	said, cut, err := b.runSetup("--machine", "laser", "--site", "rig", "--bundle-key", read("/rig/site/hub.pub"),
		"--broker", "none", "--reader", "usb", "--port", "/dev/input/portillon-reader",
		"--format", "hex", "--relay", "high", "--inputs", "e-stop,door,feedback,busy,exhaust", "--card-key",
		"/rig/site/keys/card.key", "--bundle", "/rig/site/site.bundle", "--by", "agent", "--yes", "--yes-lamp", "--no-reboot")
	if err == nil && !cut {
		err = errors.New("setup ended, want it to ask for the power cut")
	}
	if err != nil {
		return "", fmt.Errorf("%w; setup wrote: %s", err, tail([]byte(said)))
	}
	took := uptime() - at
	err = runSteps(func() error { return os.RemoveAll(saved) }, func() error { return os.MkdirAll(saved, 0o700) },
		func() error { return sh("cp", append([]string{"-a", "--parents"}, append(settings, saved)...)...) },
		func() error { unix.Sync(); return nil }, // sync, because a power cut loses data that is not on the disk yet
		configure, func() error { return systemctl("restart", service) }, m.reset)
	return fmt.Sprintf("to the power cut in %v", took.Round(time.Second)), err
}

// restoreSettings restores the files that would have survived on the SD card of a real Pi, and starts the machine
// with them.
func restoreSettings() error {
	err := runSteps(resetSettings, func() error { return sh("cp", "-a", saved+"/etc/.", "/etc/") },
		func() error { return systemctl("restart", service) })
	if err != nil { // the configuration check in the unit prints the reason of the failure
		out, _ := exec.Command(program, "-config", "/etc/portillon/laser.yaml", "-check").CombinedOutput()
		err = fmt.Errorf("%w: %s", err, tail(out))
	}
	return err
}

// resetSettings deletes all settings except those that the package installs.
func resetSettings() error {
	for _, dir := range settings {
		if err := emptyFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// setUpAfterCut is the row that continues the acceptance test after the power cut.
func setUpAfterCut(m *machine) (string, error) {
	if _, err := os.Stat(saved); err != nil {
		return "", errSkip("row setup was not played before the power cut")
	}
	b := &bench{m: m}
	b.wire()
	if err := runSteps(restoreSettings, m.reset); err != nil {
		return "", err
	}
	said, _, err := b.runSetup("--yes", "--yes-lamp")
	if err != nil {
		return "", fmt.Errorf("%w; setup wrote: %s", err, tail([]byte(said)))
	}
	found, _ := filepath.Glob(protocols + "/*.txt")
	if len(found) != 1 {
		return "", fmt.Errorf("folder of the acceptance test has %d reports, want 1", len(found))
	}
	v, err := note.NewVerifier(between(said, "for the hub:\n  ", "\n"))
	if err != nil {
		return "", fmt.Errorf("setup printed no valid public key of the machine: %w", err)
	}
	n, err := note.Open([]byte(read(found[0])+"\n"), note.VerifierList(v))
	if err != nil || !strings.Contains(n.Text, "\nresult: passed") || !strings.Contains(n.Text, "\nby: agent\n") {
		return "", fmt.Errorf("acceptance report is not a signed report of a passed test by agent: %w: %s",
			err, read(found[0]))
	}
	commands := strings.Split(read(typedHere), "\n")
	for i, c := range commands {
		say("command %d: %s", i+1, c)
	}
	if len(commands) > 6 {
		return "", fmt.Errorf("a person must type %d commands to set up a machine, want at most 6", len(commands))
	}
	return fmt.Sprintf("%d steps passed, %d skipped, with %d commands", strings.Count(n.Text, " | passed | "),
		strings.Count(n.Text, " | skipped | "), len(commands)), nil
}

// between returns the part of s that lies between the texts from and to.
func between(s, from, to string) string {
	_, rest, _ := strings.Cut(s, from)
	out, _, _ := strings.Cut(rest, to)
	return out
}

// emptyFolder removes the files in a folder and in its subfolders. The subfolders remain, with the group and the mode
// that the package has set.
func emptyFolder(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Remove(path)
		}
		return err
	})
}
