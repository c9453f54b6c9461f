// Package doctor checks that a running Pi fits the machine.yaml of its machine. For each check (a "look"), the package
// returns a Finding in French and English: the result and, after a fault, the repair.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"portillon/cmd/internal/bootconfig"
	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
	"portillon/policy"
	"portillon/wire"
)

// State is the result of a Finding. The zero State means that the doctor could not perform the check.
type State uint8

const (
	Unknown State = iota // the check was impossible, for example without sudo
	Well                 // no fault
	Ill                  // a fault; Cure describes the repair
)

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) {
	return []byte([...]string{"unknown", "well", "ill"}[s]), nil
}

// Finding is the result of one check, which is called a look. «portillon doctor --json» prints findings as JSON, so the
// names of looks must not change.
type Finding struct {
	// Look is the name of the check: check, boot, persist, watchdog, clock, disk, wear, reader, screen, hub, broker,
	// certificate, daemon, bundle, pump, acceptance, policy-key
	Look  string      `json:"look"`
	State State       `json:"state"`
	Fact  policy.Text `json:"fact"`
	Cure  policy.Text `json:"cure"` // description of the repair; empty without a fault
}

// System is the computer under examination. The fields of System are functions, which tests replace.
type System struct {
	Root         fs.FS // its files
	Now          time.Time
	Synchronised func() bool
	Status       func(context.Context) (control.Status, error) // asks the daemon
	// Broker connects to the hub's broker. The result until is the time at which the broker's certificate expires, or zero
	// if the broker has no certificate.
	Broker func(ctx context.Context, broker string) (until time.Time, err error)
	// Disk writes a small file and syncs the file to the disk. The result free is the free space in bytes.
	Disk func(dir string) (free uint64, took time.Duration, err error)
	// returns the dates in a bundle file without verifying the signature
	Life  func(bundle string) (issued, until time.Time, err error)
	Check func() daemoncmd.Checked // returns the results of portillond -check
	// Watchdog returns the output of systemctl show -p RuntimeWatchdogUSec --value.
	Watchdog func(context.Context) (string, error)
	// Real resolves symbolic links. If Real is nil, links are not resolved.
	Real func(path string) string
	// Hub reads the keys in a hub.yaml. Hub is nil if this computer has no hub.yaml.
	Hub      func() (Pinned, error)
	Accepted Accepted // returns the last acceptance test; nil: the test is not examined
}

// exam is the state of one run of Examine.
type exam struct {
	c        daemoncmd.Config
	s        System
	out      []Finding
	noBundle bool // true: method check has reported a missing bundle
}

// Examine runs all checks in a fixed order. Examine changes nothing, except that Disk writes and removes one small
// file. All checks stop when ctx ends.
func Examine(ctx context.Context, c daemoncmd.Config, s System) []Finding {
	x := &exam{c: c, s: s}
	// Check the Pi itself: boot files, kernel parameters, watchdog, buses, storage and clock chip. For a machine with
	// simulated pins these checks are skipped, because the computer may not be a Pi.
	if !c.Simulated() {
		x.boot()
		x.persist()
		x.watchdog(ctx)
		x.bus()
		x.storage()
		x.rtc()
	}
	// Check the machine.yaml, and compare its keys with those of the hub.
	x.check()
	x.keys()
	// Check the clock, the disk and the disk's wear, on which the running daemon depends.
	x.clock(ctx)
	x.disk()
	x.wear()
	// Check the daemon, the broker, and the expiry dates.
	x.daemon(ctx)
	x.broker(ctx)
	x.bundle()
	x.checkAccepted()
	return x.out
}

// addFinding adds a finding. If the finding is not a fault, addFinding leaves out the cure.
func (x *exam) addFinding(look string, s State, fact, cure policy.Text) {
	if s == Well {
		cure = policy.Text{}
	}
	x.out = append(x.out, Finding{look, s, fact, cure})
}

// t returns a text in French and English.
func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

// tf formats a text in French and English, with one format for each language.
func tf(fr, en string, a ...any) policy.Text { return t(fmt.Sprintf(fr, a...), fmt.Sprintf(en, a...)) }

// read returns a file of the computer under examination, without the newline or zero byte at the end of the kernel's
// own files.
func (x *exam) read(path string) (string, error) {
	text, err := bootconfig.Read(x.s.Root, path, maxFile)
	return strings.TrimRight(text, "\n\x00"), err
}

// maxFile is the maximum number of bytes that are read of a file. The longest file is mountinfo.
const maxFile = 1 << 20

// first returns the content and the path of the first of these files that can be read.
func (x *exam) first(paths ...string) (text, path string, err error) {
	for _, p := range paths {
		if text, err = x.read(p); err == nil {
			return text, p, nil
		}
	}
	return "", "", err
}

// board returns the computer's model according to the device tree.
func (x *exam) board() bootconfig.Board { return bootconfig.ReadBoard(x.s.Root) }

// check reports the faults and warnings of «portillond -check». check leaves out a fault that another check has already
// reported.
func (x *exam) check() {
	pi := x.out
	x.out = nil
	ill := func(look string) bool {
		return slices.ContainsFunc(pi, func(f Finding) bool { return f.Look == look && f.State == Ill })
	}
	found, said := x.s.Check(), false
	mend := t("Corriger, puis relancer « portillond -check »", "Mend it, then run “portillond -check” again")
	for _, err := range found.Faults {
		said = true
		var of daemoncmd.PiFault
		if errors.As(err, &of) && ill(of.Look) {
			continue
		}
		why := strings.ReplaceAll(err.Error(), "\n", "; ")
		x.noBundle = x.noBundle || strings.HasPrefix(why, "bundle:")
		x.addFinding("check", Ill, tf("portillond refuserait : %s", "portillond would refuse: %s", why), mend)
	}
	for _, w := range found.Warnings {
		said = true
		if !strings.HasPrefix(w, daemoncmd.KeptWarning) || !ill("persist") {
			x.addFinding("check", Ill, tf("portillond avertit : %s", "portillond warns: %s", w), mend)
		}
	}
	for _, w := range found.Unseen {
		said = true
		x.addFinding("check", Unknown, tf("Pas visible d’ici : %s", "Not to be seen from here: %s", w),
			t("Relancer sur le Pi, avec sudo", "Run again on the Pi, with sudo"))
	}
	if f := found.PCSC; f != nil {
		said = true
		x.addFinding("reader", map[bool]State{false: Ill, true: Unknown}[f.Unseen], f.Fact, f.Cure)
	}
	if !said {
		x.addFinding("check", Well, t("portillond trouve le fichier, les clés et les broches en ordre",
			"portillond finds the file, the keys and the pins sound"), policy.Text{})
	}
	x.out = append(x.out, pi...)
}

// boot compares config.txt and cmdline.txt with the requirements of the machine's wiring. The firmware reads the files
// only at the next boot, so a missing line is a fault even if the machine works now.
func (x *exam) boot() {
	config, path, err := x.first("boot/firmware/config.txt", "boot/config.txt")
	if err != nil {
		x.addFinding("boot", Unknown, t("Pas de config.txt : ce n’est pas un Raspberry Pi OS, ou il n’est pas lisible",
			"No config.txt: this is no Raspberry Pi OS, or it cannot be read"), t("Sur un Pi : relancer avec sudo",
			"On a Pi: run again with sudo"))
		return
	}
	text, errs := bootconfig.Expand(x.s.Root, path, config)
	for _, err := range errs {
		x.addFinding("boot", Unknown, tf("config.txt inclut un fichier qui ne se lit pas : %v",
			"config.txt includes a file that cannot be read: %v", err),
			t("Vérifier son nom ; relancer avec sudo", "Check its name; run again with sudo"))
	}
	apply := tf("sudo portillon firmware apply %s, puis redémarrer", "sudo portillon firmware apply %s, and reboot",
		x.machineFile())
	if missing := x.c.Missing(text, x.board()); len(missing) == 0 {
		x.addFinding("boot", Well, tf("/%s convient au câblage", "/%s fits the wiring", path), policy.Text{})
	} else {
		var lines []string
		for _, l := range missing {
			lines = append(lines, l.Text)
		}
		x.addFinding("boot", Ill, tf("Il manque dans /%s : %s", "/%s lacks: %s", path, strings.Join(lines, ", ")), apply)
	}
	for _, c := range x.c.BootMachine().Clashes(text, x.board()) {
		x.addFinding("boot", Ill, tf("Dans /%s, une ligne contredit le câblage : %s",
			"In /%s a line contradicts the wiring: %s",
			path, c),
			t("Retirer ou corriger cette ligne, puis redémarrer", "Take this line out or correct it, and reboot"))
	}
	x.console()
}

// console looks for a login console on the serial port that the reader needs.
func (x *exam) console() {
	if !x.c.Serial() {
		return
	}
	line, err := x.read("proc/cmdline")
	if err != nil {
		return
	}
	for word := range strings.FieldsSeq(line) {
		if bootconfig.SerialConsole(word) {
			x.addFinding("console", Ill, tf("Linux parle sur le port série du lecteur (%s)",
				"Linux speaks on the reader’s serial port (%s)", word), tf("sudo portillon firmware apply %s, puis redémarrer",
				"sudo portillon firmware apply %s, and reboot", x.machineFile()))
			return
		}
	}
	x.addFinding("console", Well, t("Le port série est au lecteur seul",
		"The serial port is the reader’s alone"), policy.Text{})
}

// daemonTrustsClock asks the daemon whether its clock is trusted, because the daemon stores past synchronisations.
func (x *exam) daemonTrustsClock(ctx context.Context) bool {
	st, err := x.s.Status(ctx)
	return err == nil && st.Clock == string(wire.ClockTrusted)
}

// clock checks that the clock is trusted. With an untrusted clock, rules with opening hours and expiry dates refuse
// access.
func (x *exam) clock(ctx context.Context) {
	switch {
	case x.c.Clock == "trusted":
		x.addFinding("clock", Well, t("L’heure est tenue pour juste (clock: trusted)",
			"The clock is taken at its word (clock: trusted)"), policy.Text{})
	case x.s.Synchronised():
		x.addFinding("clock", Well, t("L’horloge est synchronisée", "The clock is synchronised"), policy.Text{})
	case x.daemonTrustsClock(ctx):
		x.addFinding("clock",
			Well, t("L’horloge a été synchronisée et ne l’est plus : elle est crue un mois, si personne ne la "+
				"change", "The clock was synchronised and no longer is: it is believed for a month, unless somebody sets it"),
			policy.Text{})
	default:
		x.addFinding("clock", Ill, t("L’horloge n’est pas synchronisée : les règles d’horaires et de dates refusent",
			"The clock is not synchronised: rules on hours and dates refuse"),
			t("Donner accès à un serveur de temps (timedatectl), ou monter une horloge RTC",
				"Give access to a time server (timedatectl), or fit a real-time clock"))
	}
}

// These constants are the limits for a healthy disk: 1 GB is space for years of records, and an SD card that needs a
// second for one record is worn out.
const (
	roomy = 200 << 20
	slow  = time.Second
)

// disk writes a small file in the machine's data folder and measures the time, because a session starts only when its
// record is on the disk.
func (x *exam) disk() {
	free, took, err := x.s.Disk(x.c.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.addFinding("disk", Unknown, tf("%s n’existe pas encore : portillond n’a jamais démarré ici",
			"%s is not there yet: portillond has never started here", x.c.Data),
			tf("Le démarrer une fois : %s", "Start it once: %[1]s", x.start()))
	case errors.Is(err, fs.ErrPermission):
		x.addFinding("disk", Unknown, tf("%s n’est pas à vous", "%s is not yours", x.c.Data),
			t("Relancer avec sudo", "Run again with sudo"))
	case err != nil:
		x.addFinding("disk", Ill, tf("On ne peut pas écrire dans %s : %v. Aucune session ne démarre",
			"%s cannot be written: %v. No session starts", x.c.Data,
			err), t("Libérer de la place, remonter en écriture, ou changer la carte mémoire",
			"Free some room, mount it writable, or replace the memory card"))
	case free < roomy:
		x.addFinding("disk", Ill, tf("Il reste %d Mo pour le journal", "%d MB are left for the journal", free>>20),
			t("Libérer de la place", "Free some room"))
	case took > slow:
		x.addFinding("disk", Ill, tf("La carte mémoire met %v pour écrire une ligne : elle s’use",
			"The memory card takes %v to write a line: it is wearing out", took.Round(10*time.Millisecond)),
			t("La remplacer par une carte « industrial » ou « endurance » ; le journal se copie avec /var/lib/portillon",
				"Replace it by an “industrial” or “endurance” card; the journal is copied with /var/lib/portillon"))
	default:
		x.addFinding("disk", Well, tf("Le journal s’écrit en %v, %d Mo sont libres",
			"The journal is written in %v, %d MB are free", took.Round(time.Millisecond), free>>20), policy.Text{})
	}
}

// wear reads the wear that an eMMC reports (JEDEC eMMC 5.1, EXT_CSD PRE_EOL_INFO: 1 normal, 2 warning, 3 urgent). wear
// usually finds no value on an SD card, because most SD cards do not report their wear.
func (x *exam) wear() {
	paths, _ := fs.Glob(x.s.Root, "sys/block/mmcblk*/device/pre_eol_info")
	for _, p := range paths {
		v, err := x.read(p)
		if v = strings.TrimSpace(v); err == nil && (v == "0x02" || v == "0x03") {
			x.addFinding("wear", Ill, t("La mémoire dit elle-même qu’elle est presque usée",
				"The memory says itself that it is nearly worn out"), t("La remplacer bientôt", "Replace it soon"))
			return
		}
	}
}

// daemon asks the running daemon for its state, and reports the state of the bundle, the journal, the screens, the hub
// and the reader.
func (x *exam) daemon(ctx context.Context) {
	st, err := x.s.Status(ctx)
	if err != nil {
		x.addFinding("daemon", Ill, tf("portillond ne répond pas pour « %s »", "portillond does not answer for “%s”",
			x.c.Machine),
			tf("Le démarrer (%s) ; systemctl status portillond@%s dit pourquoi ; avec sudo si le socket %s ne s’ouvre pas",
				"Start it (%s); systemctl status portillond@%s says why not; with sudo if the socket %s does not open", x.start(),
				x.c.Machine, x.c.Control))
		x.port()
		return
	}
	if len(st.Faults) > 0 {
		x.addFinding("daemon", Ill, tf("La machine est arrêtée : %s", "The machine is held off: %s",
			strings.Join(st.Faults, ", ")), t("Voir le panneau de la machine", "See the machine’s panel"))
	} else {
		x.addFinding("daemon", Well, t("portillond répond", "portillond answers"), policy.Text{})
	}
	if st.BundleRefused != "" {
		x.addFinding(
			"bundle",
			Ill,
			tf("La machine refuse un bundle à cause d’une clé : %s", "The machine refuses a bundle because of a key: %s",
				st.BundleRefused),
			t("Refaire le bundle avec les clés du lieu (portillon bundle build --key --card-key, et --policy-key ou --policy) "+
				"; "+"« portillon bundle show » dit avec "+"lesquelles il est fait",
				"Build the bundle again with the site’s keys (portillon bundle build --key --card-key, and --policy-key or "+
					""+"--policy); "+"“portillon bundle show” says with which it was made"),
		)
	}
	x.journalState(st)
	x.screens(st)
	x.hub(st)
	x.readerState(st)
}

// journalState reports a journal that was replaced or is damaged.
func (x *exam) journalState(st control.Status) {
	switch {
	case st.NewJournal != "" && st.Alone:
		x.addFinding("journal", Ill, tf("Le journal a recommencé (%s) et aucun hub n’est configuré",
			"The journal began anew (%s), and no hub is configured", st.NewJournal),
			tf("Vérifier la machine, puis : portillon machine untag --socket %s",
				"Check the machine, then: portillon machine untag --socket %s", x.c.Control))
	case st.NewJournal != "":
		x.addFinding("journal", Ill, tf("Le journal a recommencé (%s) : étiquettes, heures et pratiques sont au hub",
			"The journal began anew (%s): tags, hours and practice are at the hub", st.NewJournal),
			tf("Au hub : portillon machine replace %s --hub hub.yaml",
				"At the hub: portillon machine replace %s --hub hub.yaml", x.c.Machine))
	case st.JournalDamage != "":
		x.addFinding(
			"journal",
			Ill,
			tf("Le journal : %s", "The journal: %s", st.JournalDamage),
			tf("« portillon journal verify %[1]s » dit ce qui manque ; redémarrer la machine sauve ce qui est lisible : sudo "+
				""+"systemctl restart portillond@%[2]s",
				"“portillon journal verify %[1]s” says what is missing; a restart salvages what can be read: sudo systemctl "+
					""+"restart portillond@%[2]s", path.Join(x.c.Data, "journal.db"), x.c.Machine),
		)
	}
}

// readerState reports whether the reader answers the daemon.
func (x *exam) readerState(st control.Status) {
	switch {
	case st.NoReader:
	case st.Reader:
		x.addFinding("reader", Well, t("Le lecteur répond", "The reader answers"), policy.Text{})
	case x.c.Reader.Kind == "pcsc":
		x.addFinding("reader", Ill, t("Le lecteur de cartes ne répond pas", "The card reader does not answer"),
			tf("Vérifier son câble USB ; journalctl -u portillond@%s dit pourquoi",
				"Check its USB cable; journalctl -u portillond@%s says why", x.c.Machine))
	default:
		x.addFinding("reader", Ill, t("Le lecteur de cartes ne répond pas", "The card reader does not answer"),
			tf("Vérifier son câble et %s ; journalctl -u portillond@%s dit ce qu’il répond",
				"Check its wires and %s; journalctl -u portillond@%s says what it answers", x.c.Reader.Port(), x.c.Machine))
	}
}

// start returns the command that starts the machine's daemon.
func (x *exam) start() string {
	if x.c.Simulated() {
		return "portillond -config MACHINE.yaml"
	}
	return "sudo systemctl enable --now portillond@" + x.c.Machine
}

// If the daemon does not answer, port checks that the reader's device file exists.
func (x *exam) port() {
	p := x.c.Reader.Port()
	if bus, file, ok := strings.Cut(p, ":"); ok && (bus == "serial" || bus == "i2c" || bus == "spi") {
		p = file
	}
	if p == "" || x.c.Reader.Kind == "pcsc" { // the method check examines readers that have no device file
		return
	}
	if _, err := fs.Stat(x.s.Root, strings.TrimPrefix(path.Clean(p), "/")); err != nil {
		x.addFinding("reader", Ill, tf("Le lecteur n’est pas là : %s", "The reader is not there: %s", p),
			t("Vérifier son câble ; « portillon machine ports » liste ce qui est branché",
				"Check its wires; “portillon machine ports” lists what is plugged in"))
	}
}

// certificateWarning is the remaining validity below which a certificate is reported. The daemon renews a certificate
// 30 days before the certificate expires.
const certificateWarning = 14 * 24 * time.Hour

// bundleWarning returns the remaining validity below which a bundle is reported: a third of the total validity, at most
// a week. A fixed limit of two weeks would be too long: the doctor would report a bundle of the usual 30 days for half
// of its validity.
func bundleWarning(issued, until time.Time) time.Duration {
	return min(until.Sub(issued)/3, 7*24*time.Hour)
}

// broker connects to the hub's broker like the daemon, and checks the dates of its certificate.
func (x *exam) broker(ctx context.Context) {
	if x.c.MQTT.Broker == "" {
		return
	}
	until, err := x.s.Broker(ctx, x.c.MQTT.Broker)
	if err != nil {
		x.addFinding("broker", Ill, tf("Le courtier %s n’est pas joignable : %v. Les cartes marchent, rien ne remonte",
			"The broker %s cannot be reached: %v. Cards work, nothing is reported", x.c.MQTT.Broker, err),
			t("Vérifier le réseau, le nom et le port dans mqtt: broker:",
				"Check the network, and the name and port in mqtt: broker:"))
		return
	}
	x.addFinding("broker", Well, tf("Le courtier %s répond", "The broker %s answers", x.c.MQTT.Broker), policy.Text{})
	if !until.IsZero() && until.Sub(x.s.Now) < certificateWarning {
		x.addFinding("certificate", Ill, tf("Le certificat du courtier expire le %s", "The broker’s certificate ends on %s",
			until.Format(time.DateOnly)), t("Le renouveler", "Renew it"))
	}
}

// bundle reports the remaining validity of the bundle file, with a warning if the bundle expires soon (bundleWarning).
func (x *exam) bundle() {
	if x.c.Bundle.File == "" {
		return
	}
	issued, until, err := x.s.Life(x.c.Bundle.File)
	switch {
	case err != nil && x.noBundle:
	case errors.Is(err, fs.ErrPermission):
		x.addFinding("bundle", Unknown, tf("%s n’est pas lisible", "%s cannot be read", x.c.Bundle.File),
			t("Relancer avec sudo", "Run again with sudo"))
	case err != nil:
		x.addFinding("bundle", Ill, tf("Le bundle ne se lit pas : %v", "The bundle cannot be read: %v", err),
			t("Le refaire : portillon bundle build", "Make it again: portillon bundle build"))
	case until.Before(x.s.Now):
		x.addFinding("bundle", Ill, tf("Le bundle est périmé depuis le %s", "The bundle ended on %s",
			until.Format(time.DateOnly)),
			t("Le refaire : portillon bundle build", "Make it again: portillon bundle build"))
	case until.Sub(x.s.Now) < bundleWarning(issued, until):
		x.addFinding("bundle", Ill, tf("Le bundle expire le %s", "The bundle ends on %s", until.Format(time.DateOnly)),
			t("Le refaire : portillon bundle build", "Make it again: portillon bundle build"))
	default:
		x.addFinding("bundle", Well, tf("Le bundle vaut jusqu’au %s", "The bundle is good until %s",
			until.Format(time.DateOnly)),
			policy.Text{})
	}
}
