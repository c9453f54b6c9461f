// Package doctor compares a running Pi with the machine.yaml that it should serve, and says in plain words what is wrong and how to mend it.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/cmd/internal/machined"
	"portillon/daemon/control"
	"portillon/policy"
	"portillon/wire"
)

// State is a finding's. The zero State is that nothing could be found out.
type State uint8

const (
	Unknown State = iota
	Well
	Ill
)

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) {
	return []byte([...]string{"unknown", "well", "ill"}[s]), nil
}

// Finding is what one look found.
type Finding struct {
	Look  string      `json:"look"` // check, boot, persist, watchdog, clock, disk, wear, reader, screen, broker, certificate, daemon, bundle
	State State       `json:"state"`
	Fact  policy.Text `json:"fact"`
	Cure  policy.Text `json:"cure"` // what would do; empty where all is well
}

// System is the computer under examination.
type System struct {
	Root         string // the root of its files: /
	Now          time.Time
	Synchronised func() bool
	Status       func(context.Context) (control.Status, error)                         // the daemon's own word
	Broker       func(ctx context.Context, broker string) (until time.Time, err error) // until when its certificate is good; zero: it shows none
	Disk         func(dir string) (free uint64, took time.Duration, err error)         // writes a little and waits until it is on the disk
	Life         func(bundle string) (issued, until time.Time, err error)              // a bundle file's own word
	Check        func() machined.Checked                                               // what portillond -check finds
}

// exam is a run of Examine.
type exam struct {
	c        machined.Config
	s        System
	out      []Finding
	noBundle bool // the check has said so
}

// Examine looks at everything. It changes nothing.
func Examine(ctx context.Context, c machined.Config, s System) []Finding {
	x := &exam{c: c, s: s}
	x.check()
	if !c.Simulated() { // nothing hangs on this computer's pins
		x.boot()
		x.persist()
		x.watchdog()
	}
	x.clock(ctx)
	x.disk()
	x.wear()
	x.daemon(ctx)
	x.broker(ctx)
	x.bundle()
	return x.out
}

func (x *exam) say(look string, s State, fact, cure policy.Text) {
	if s == Well {
		cure = policy.Text{}
	}
	x.out = append(x.out, Finding{look, s, fact, cure})
}

func t(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }

func tf(fr, en string, a ...any) policy.Text { return t(fmt.Sprintf(fr, a...), fmt.Sprintf(en, a...)) }

func (x *exam) read(path string) (string, error) {
	b, err := os.ReadFile(filepath.Join(x.s.Root, path))
	return strings.TrimRight(string(b), "\n\x00"), err
}

// first is the first of these files that can be read.
func (x *exam) first(paths ...string) (text, path string, err error) {
	for _, p := range paths {
		if text, err = x.read(p); err == nil {
			return text, p, nil
		}
	}
	return "", "", err
}

// model is the filter of config.txt under which this computer falls, from the device tree's own name for it.
func (x *exam) model() string {
	name, _ := x.read("proc/device-tree/model")
	for _, m := range [...]struct{ name, filter string }{{"Pi 5", "pi5"}, {"Pi 4", "pi4"}, {"Pi 3", "pi3"}, {"Pi Zero 2", "pi02"}, {"Pi Zero", "pi0"}} {
		if strings.Contains(name, m.name) {
			return m.filter
		}
	}
	return ""
}

// check is what portillond itself would refuse, or warns of, before it starts.
func (x *exam) check() {
	found := x.s.Check()
	for _, err := range found.Faults {
		why := strings.ReplaceAll(err.Error(), "\n", "; ")
		x.noBundle = x.noBundle || strings.HasPrefix(why, "bundle:")
		x.say("check", Ill, tf("portillond refuserait : %s", "portillond would refuse: %s", why), t("Corriger, puis relancer « portillond -check »", "Mend it, then run “portillond -check” again"))
	}
	for _, w := range found.Warnings {
		x.say("check", Ill, tf("portillond avertit : %s", "portillond warns: %s", w), t("Corriger, puis relancer « portillond -check »", "Mend it, then run “portillond -check” again"))
	}
	for _, w := range found.Unseen {
		x.say("check", Unknown, tf("Pas visible d’ici : %s", "Not to be seen from here: %s", w), t("Relancer sur le Pi, avec sudo", "Run again on the Pi, with sudo"))
	}
	if len(x.out) == 0 {
		x.say("check", Well, t("portillond trouve le fichier, les clés et les broches en ordre", "portillond finds the file, the keys and the pins sound"), policy.Text{})
	}
}

// included is a config.txt with the files that it includes in their places (raspberrypi/documentation, config_txt: include), as deep as the
// firmware goes at least. What cannot be read is said.
func (x *exam) included(config, dir string, depth int) string {
	var out strings.Builder
	for line := range strings.Lines(config) {
		name, is := strings.CutPrefix(strings.TrimSpace(line), "include ")
		if !is || depth == 0 {
			out.WriteString(line)
			continue
		}
		file := filepath.Join(dir, strings.TrimSpace(name))
		text, err := x.read(file)
		if err != nil {
			x.say("boot", Unknown, tf("/%s, que config.txt inclut, ne se lit pas", "/%s, which config.txt includes, cannot be read", file), t("Vérifier son nom ; relancer avec sudo", "Check its name; run again with sudo"))
			continue
		}
		out.WriteString(x.included(text, dir, depth-1) + "\n")
	}
	return out.String()
}

func (x *exam) boot() {
	config, path, err := x.first("boot/firmware/config.txt", "boot/config.txt")
	if err != nil {
		x.say("boot", Unknown, t("Pas de config.txt : ce n’est pas un Raspberry Pi OS, ou il n’est pas lisible", "No config.txt: this is no Raspberry Pi OS, or it cannot be read"),
			t("Sur un Pi : relancer avec sudo", "On a Pi: run again with sudo"))
		return
	}
	missing := x.c.Missing(x.included(config, filepath.Dir(path), 5), x.model())
	if len(missing) == 0 {
		x.say("boot", Well, tf("/%s convient au câblage", "/%s fits the wiring", path), policy.Text{})
	} else {
		var lines []string
		for _, l := range missing {
			lines = append(lines, l.Text)
		}
		x.say("boot", Ill, tf("Il manque dans /%s : %s", "/%s lacks: %s", path, strings.Join(lines, ", ")),
			t("Ajouter à la fin du fichier ce qu’imprime « portillon firmware render », puis redémarrer", "Add what “portillon firmware render” prints to its end, and reboot"))
	}
	x.console()
}

// console looks for a login on the serial port that the reader needs.
func (x *exam) console() {
	if !x.c.Serial() {
		return
	}
	line, err := x.read("proc/cmdline")
	if err != nil {
		return
	}
	for word := range strings.FieldsSeq(line) {
		port, _, _ := strings.Cut(strings.TrimPrefix(word, "console="), ",")
		if strings.HasPrefix(word, "console=") && (strings.HasPrefix(port, "serial") || strings.HasPrefix(port, "ttyAMA") || strings.HasPrefix(port, "ttyS")) {
			x.say("console", Ill, tf("Linux parle sur le port série du lecteur (%s)", "Linux speaks on the reader’s serial port (%s)", word),
				tf("Retirer %s de /boot/firmware/cmdline.txt, puis redémarrer", "Take %s out of /boot/firmware/cmdline.txt, and reboot", word))
			return
		}
	}
	x.say("console", Well, t("Le port série est au lecteur seul", "The serial port is the reader’s alone"), policy.Text{})
}

// persist asks the driver what it does with the lines of a program that has died.
func (x *exam) persist() {
	v, err := x.read("sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs")
	switch {
	case err != nil && x.model() == "pi5": // the header's lines are RP1's: config.txt's word is all there is
	case err != nil:
		x.say("persist", Unknown, t("Le pilote GPIO ne dit pas ce que devient une sortie quand son programme meurt", "The GPIO driver does not say what becomes of an output when its program dies"),
			t("Vérifier une fois, machine débranchée : tuer portillond et son gardien, et regarder le relais", "Check once, with the machine unplugged: kill portillond and its guard, and look at the relay"))
	case v == "0" || v == "N":
		x.say("persist", Well, t("Une sortie retombe quand son programme meurt", "An output falls when its program dies"), policy.Text{})
	default:
		x.say("persist", Ill, t("Le pilote GPIO garde les sorties après la mort du programme : un gardien tué laisserait le relais fermé", "The GPIO driver keeps outputs after their program’s death: a killed guard would leave the relay closed"),
			t("Mettre dtparam=strict_gpiod dans config.txt, puis redémarrer", "Put dtparam=strict_gpiod into config.txt, and reboot"))
	}
}

func (x *exam) watchdog() {
	state, err := x.read("sys/class/watchdog/watchdog0/state")
	cure := t("Mettre dtparam=watchdog=on dans config.txt et RuntimeWatchdogSec=15 dans /etc/systemd/system.conf, puis redémarrer",
		"Put dtparam=watchdog=on into config.txt and RuntimeWatchdogSec=15 into /etc/systemd/system.conf, and reboot")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.say("watchdog", Ill, t("Il n’y a pas de chien de garde : un noyau bloqué garderait le relais fermé", "There is no watchdog: a kernel that hangs would keep the relay closed"), cure)
	case err != nil:
		x.say("watchdog", Unknown, t("L’état du chien de garde n’est pas lisible", "The watchdog’s state cannot be read"), cure)
	case state != "active":
		x.say("watchdog", Ill, t("Personne ne nourrit le chien de garde : un noyau bloqué garderait le relais fermé", "Nobody feeds the watchdog: a kernel that hangs would keep the relay closed"), cure)
	default:
		x.say("watchdog", Well, t("Le chien de garde veille sur le noyau", "The watchdog looks after the kernel"), policy.Text{})
	}
}

// believed asks the daemon, which remembers who vouched for the clock.
func (x *exam) believed(ctx context.Context) bool {
	st, err := x.s.Status(ctx)
	return err == nil && st.Clock == string(wire.ClockTrusted)
}

func (x *exam) clock(ctx context.Context) {
	switch {
	case x.c.Clock == "trusted":
		x.say("clock", Well, t("L’heure est tenue pour juste (clock: trusted)", "The clock is taken at its word (clock: trusted)"), policy.Text{})
	case x.s.Synchronised():
		x.say("clock", Well, t("L’horloge est synchronisée", "The clock is synchronised"), policy.Text{})
	case x.believed(ctx):
		x.say("clock", Well, t("L’horloge a été synchronisée et ne l’est plus : elle est crue un mois, si personne ne la change", "The clock was synchronised and no longer is: it is believed for a month, unless somebody sets it"), policy.Text{})
	default:
		x.say("clock", Ill, t("L’horloge n’est pas synchronisée : les règles d’horaires et de dates refusent", "The clock is not synchronised: rules on hours and dates refuse"),
			t("Donner accès à un serveur de temps (timedatectl), ou monter une horloge RTC", "Give access to a time server (timedatectl), or fit a real-time clock"))
	}
}

// Bounds of a healthy disk: a gigabyte is years of records, and a card that takes a second over one record wears out.
const (
	roomy = 200 << 20
	slow  = time.Second
)

func (x *exam) disk() {
	free, took, err := x.s.Disk(x.c.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		x.say("disk", Unknown, tf("%s n’existe pas encore : portillond n’a jamais démarré ici", "%s is not there yet: portillond has never started here", x.c.Data),
			tf("Le démarrer une fois : %s", "Start it once: %[1]s", x.start()))
	case errors.Is(err, fs.ErrPermission):
		x.say("disk", Unknown, tf("%s n’est pas à vous", "%s is not yours", x.c.Data), t("Relancer avec sudo", "Run again with sudo"))
	case err != nil:
		x.say("disk", Ill, tf("On ne peut pas écrire dans %s : %v. Aucune session ne démarre", "%s cannot be written: %v. No session starts", x.c.Data, err),
			t("Libérer de la place, remonter en écriture, ou changer la carte mémoire", "Free some room, mount it writable, or replace the memory card"))
	case free < roomy:
		x.say("disk", Ill, tf("Il reste %d Mo pour le journal", "%d MB are left for the journal", free>>20), t("Libérer de la place", "Free some room"))
	case took > slow:
		x.say("disk", Ill, tf("La carte mémoire met %v pour écrire une ligne : elle s’use", "The memory card takes %v to write a line: it is wearing out", took.Round(10*time.Millisecond)),
			t("La remplacer par une carte « industrial » ou « endurance » ; le journal se copie avec /var/lib/portillon", "Replace it by an “industrial” or “endurance” card; the journal is copied with /var/lib/portillon"))
	default:
		x.say("disk", Well, tf("Le journal s’écrit en %v, %d Mo sont libres", "The journal is written in %v, %d MB are free", took.Round(time.Millisecond), free>>20), policy.Text{})
	}
}

// wear is what a card that keeps account of itself says (JEDEC eMMC 5.1, EXT_CSD PRE_EOL_INFO: 1 normal, 2 warning, 3 urgent). Most SD cards do not.
func (x *exam) wear() {
	paths, _ := filepath.Glob(filepath.Join(x.s.Root, "sys/block/mmcblk*/device/pre_eol_info"))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if v := strings.TrimSpace(string(b)); err == nil && (v == "0x02" || v == "0x03") {
			x.say("wear", Ill, t("La mémoire dit elle-même qu’elle est presque usée", "The memory says itself that it is nearly worn out"), t("La remplacer bientôt", "Replace it soon"))
			return
		}
	}
}

func (x *exam) daemon(ctx context.Context) {
	st, err := x.s.Status(ctx)
	if err != nil {
		x.say("daemon", Ill, tf("portillond ne répond pas pour « %s »", "portillond does not answer for “%s”", x.c.Machine),
			tf("Le démarrer (%s) ; systemctl status portillond@%s dit pourquoi ; avec sudo si le socket %s ne s’ouvre pas",
				"Start it (%s); systemctl status portillond@%s says why not; with sudo if the socket %s does not open", x.start(), x.c.Machine, x.c.Control))
		x.port()
		return
	}
	if len(st.Faults) > 0 {
		x.say("daemon", Ill, tf("La machine est arrêtée : %s", "The machine is held off: %s", strings.Join(st.Faults, ", ")), t("Voir le panneau de la machine", "See the machine’s panel"))
	} else {
		x.say("daemon", Well, t("portillond répond", "portillond answers"), policy.Text{})
	}
	x.screens(st)
	switch {
	case st.NoReader:
	case st.Reader:
		x.say("reader", Well, t("Le lecteur répond", "The reader answers"), policy.Text{})
	default:
		x.say("reader", Ill, t("Le lecteur de cartes ne répond pas", "The card reader does not answer"),
			tf("Vérifier son câble et %s ; journalctl -u portillond@%s dit ce qu’il répond", "Check its wires and %s; journalctl -u portillond@%s says what it answers", x.c.Reader.Port, x.c.Machine))
	}
}

// start is the command that starts the machine's daemon.
func (x *exam) start() string {
	if x.c.Simulated() {
		return "portillond -config MACHINE.yaml"
	}
	return "sudo systemctl enable --now portillond@" + x.c.Machine
}

// port looks whether the reader's file is there, where no daemon can be asked.
func (x *exam) port() {
	p := x.c.Reader.Port
	if bus, file, ok := strings.Cut(p, ":"); ok && (bus == "serial" || bus == "i2c" || bus == "spi") {
		p = file
	}
	if p == "" { // none, or one on pins: check has looked at those
		return
	}
	if _, err := os.Stat(filepath.Join(x.s.Root, p)); err != nil {
		x.say("reader", Ill, tf("Le lecteur n’est pas là : %s", "The reader is not there: %s", p), t("Vérifier son câble ; « portillon machine ports » liste ce qui est branché", "Check its wires; “portillon machine ports” lists what is plugged in"))
	}
}

// soon is how long before its end a certificate is worth a word: those that renew themselves do so 30 days before.
const soon = 14 * 24 * time.Hour

// soonFor is the same for a bundle: a third of its life, and a week at most, or a bundle of the usual 30 days would never be well.
func soonFor(issued, until time.Time) time.Duration { return min(until.Sub(issued)/3, 7*24*time.Hour) }

func (x *exam) broker(ctx context.Context) {
	if x.c.MQTT.Broker == "" {
		return
	}
	until, err := x.s.Broker(ctx, x.c.MQTT.Broker)
	if err != nil {
		x.say("broker", Ill, tf("Le courtier %s n’est pas joignable : %v. Les cartes marchent, rien ne remonte", "The broker %s cannot be reached: %v. Cards work, nothing is reported", x.c.MQTT.Broker, err),
			t("Vérifier le réseau, le nom et le port dans mqtt: broker:", "Check the network, and the name and port in mqtt: broker:"))
		return
	}
	x.say("broker", Well, tf("Le courtier %s répond", "The broker %s answers", x.c.MQTT.Broker), policy.Text{})
	if !until.IsZero() && until.Sub(x.s.Now) < soon {
		x.say("certificate", Ill, tf("Le certificat du courtier expire le %s", "The broker’s certificate ends on %s", until.Format(time.DateOnly)), t("Le renouveler", "Renew it"))
	}
}

func (x *exam) bundle() {
	if x.c.Bundle.File == "" {
		return
	}
	issued, until, err := x.s.Life(x.c.Bundle.File)
	switch {
	case err != nil && x.noBundle:
	case errors.Is(err, fs.ErrPermission):
		x.say("bundle", Unknown, tf("%s n’est pas lisible", "%s cannot be read", x.c.Bundle.File), t("Relancer avec sudo", "Run again with sudo"))
	case err != nil:
		x.say("bundle", Ill, tf("Le bundle ne se lit pas : %v", "The bundle cannot be read: %v", err), t("Le refaire : portillon bundle build", "Make it again: portillon bundle build"))
	case until.Before(x.s.Now):
		x.say("bundle", Ill, tf("Le bundle est périmé depuis le %s", "The bundle ended on %s", until.Format(time.DateOnly)), t("Le refaire : portillon bundle build", "Make it again: portillon bundle build"))
	case until.Sub(x.s.Now) < soonFor(issued, until):
		x.say("bundle", Ill, tf("Le bundle expire le %s", "The bundle ends on %s", until.Format(time.DateOnly)), t("Le refaire : portillon bundle build", "Make it again: portillon bundle build"))
	default:
		x.say("bundle", Well, tf("Le bundle vaut jusqu’au %s", "The bundle is good until %s", until.Format(time.DateOnly)), policy.Text{})
	}
}
