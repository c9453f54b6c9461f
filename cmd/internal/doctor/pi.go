package doctor

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/cmd/internal/bootconfig"
	"portillon/policy"
)

// machineFile returns the path of the machine.yaml, for a command in a text.
func (x *exam) machineFile() string { return "/etc/portillon/" + x.c.Machine + ".yaml" }

// persist checks whether the driver of the relay's chip releases a line after the line's program has died.
func (x *exam) persist() {
	label, line, err := x.c.RelayLine()
	if err != nil { // a simulated chip
		return
	}
	cure := tf("sudo portillon firmware apply %s (il écrit dtparam=strict_gpiod dans config.txt), puis redémarrer",
		"sudo portillon firmware apply %s (it writes dtparam=strict_gpiod into config.txt), and reboot", x.machineFile())
	switch kept, driver := bootconfig.Outputs(x.s.Root, label, line, x.board()); kept {
	case bootconfig.Released:
		x.addFinding("persist", Well, tf("Une sortie retombe quand son programme meurt (%s)",
			"An output falls when its program dies (%s)", driver), policy.Text{})
	case bootconfig.Kept:
		x.addFinding("persist", Ill,
			tf("Le pilote GPIO %s garde les sorties après la mort du programme : un gardien tué laisserait le relais fermé",
				"The GPIO driver %s keeps outputs after their program’s death: a killed guard would leave the relay "+
					"closed", driver), cure)
	default:
		x.addFinding("persist", Unknown, t("Le pilote GPIO ne dit pas ce que devient une sortie quand son programme meurt",
			"The GPIO driver does not say what becomes of an output when its program dies"),
			t("Vérifier une fois, machine débranchée : tuer portillond et son gardien, et regarder le relais",
				"Check once, with the machine unplugged: kill portillond and its guard, and look at the relay"))
	}
}

// minWatchdog is the minimum safe watchdog timeout. A daemon-reload, which every package installation runs, took 13.5 s
// on an idle Zero W (measured by a third party, pihero), and systemd does not reset the watchdog meanwhile.
const minWatchdog = 30 * time.Second

// watchdog checks that the watchdog is on, so that it reboots a Pi whose kernel hangs. systemd resets the watchdog's
// timer at an interval that RuntimeWatchdogSec determines. Since Trixie, Raspberry Pi OS sets RuntimeWatchdogSec to 1m
// in a drop-in (raspberrypi-sys-mods, 40-rpi-enable-watchdog.conf), which overrides /etc/systemd/system.conf. The
// chip's own limit of 15 s (bcm2835_wdt) is irrelevant, because the kernel resets the chip in between while it runs.
func (x *exam) watchdog(ctx context.Context) {
	state, err := x.read("sys/class/watchdog/watchdog0/state")
	if errors.Is(err, fs.ErrNotExist) {
		if entries, _ := fs.Glob(x.s.Root, "sys/class/watchdog/watchdog0"); len(entries) == 0 {
			x.addFinding("watchdog", Ill, t("Il n’y a pas de chien de garde : un noyau bloqué garderait le relais fermé",
				"There is no watchdog: a kernel that hangs would keep the relay closed"),
				tf("sudo portillon firmware apply %s (il écrit dtparam=watchdog=on dans config.txt), puis redémarrer",
					"sudo portillon firmware apply %s (it writes dtparam=watchdog=on into config.txt), and reboot", x.machineFile()))
			return
		}
	}
	text, werr := x.s.Watchdog(ctx)
	fed, perr := parseSpan(text)
	// The name of the drop-in sorts after the name of Raspberry Pi OS's drop-in (40-…), because the last drop-in by name
	// takes precedence (systemd-system.conf(5)).
	cure := t("Mettre [Manager] et RuntimeWatchdogSec=1m dans /etc/systemd/system.conf.d/90-watchdog.conf, puis "+
		"redémarrer",
		"Put [Manager] and RuntimeWatchdogSec=1m into /etc/systemd/system.conf.d/90-watchdog.conf, and reboot")
	switch {
	case werr != nil || perr != nil:
		x.addFinding("watchdog", Unknown, t("systemd ne dit pas s’il nourrit le chien de garde",
			"systemd does not say whether it feeds the watchdog"),
			t("Regarder : systemctl show -p RuntimeWatchdogUSec", "Look: systemctl show -p RuntimeWatchdogUSec"))
	case fed == 0 || state != "" && state != "active":
		x.addFinding("watchdog", Ill, t("Personne ne nourrit le chien de garde : un noyau bloqué garderait le relais fermé",
			"Nobody feeds the watchdog: a kernel that hangs would keep the relay closed"), cure)
	case fed < minWatchdog:
		x.addFinding("watchdog", Ill,
			tf("Le chien de garde n’attend que %v : un Zero W met 13,5 s à recharger systemd, et redémarrerait pendant une "+
				"mise à jour",
				"The watchdog waits for %v only: a Zero W takes 13.5 s to reload systemd, and would reset in the middle of an "+
					"upgrade", fed),
			t("Retirer le réglage RuntimeWatchdogSec plus court (systemd-analyze cat-config systemd/system.conf dit lequel), "+
				"ou y mettre 1m, puis redémarrer",
				"Take the shorter RuntimeWatchdogSec out (systemd-analyze cat-config systemd/system.conf shows it), or set it "+
					"to 1m, and reboot"))
	default:
		x.addFinding("watchdog", Well, tf("Le chien de garde veille sur le noyau (RuntimeWatchdogSec=%s)",
			"The watchdog looks after the kernel (RuntimeWatchdogSec=%s)", text), policy.Text{})
	}
}

// units contains the time units of systemd.time(7) that systemctl prints.
var units = []struct {
	name string
	is   time.Duration
}{
	{"us", time.Microsecond}, {"ms", time.Millisecond}, {"min", time.Minute}, {"s", time.Second},
	{"h", time.Hour}, {"d", 24 * time.Hour}, {"w", 7 * 24 * time.Hour},
}

// parseSpan returns longest for the value infinity, which is the watchdog's default.
const longest = time.Hour

// parseSpan reads a duration as systemctl prints it: 0, 1min, 1min 30s, infinity.
func parseSpan(text string) (time.Duration, error) {
	switch text = strings.TrimSpace(text); text {
	case "0":
		return 0, nil
	case "infinity":
		return longest, nil
	}
	total := time.Duration(0)
	for word := range strings.FieldsSeq(text) {
		digits := strings.TrimRight(word, "abcdefghijklmnopqrstuvwxyz")
		n, err := strconv.ParseFloat(digits, 64)
		i := slices.IndexFunc(units, func(u struct {
			name string
			is   time.Duration
		}) bool {
			return u.name == word[len(digits):]
		})
		if err != nil || i < 0 || !(n >= 0 && n <= 1e6) {
			return 0, errors.New("unexpected duration " + strconv.Quote(text) + ", want for example 1min 30s")
		}
		total = min(total+time.Duration(n*float64(units[i].is)), 365*24*time.Hour)
	}
	if text == "" {
		return 0, errors.New("systemctl printed an empty duration, want for example 1min 30s")
	}
	return total, nil
}

// bus checks that this model of Pi has the reader's bus, with the features that the reader needs.
func (x *exam) bus() {
	if !x.c.Reader.StretchesClock() {
		return
	}
	cure := t("Passer le PN532 en SPI (ses deux interrupteurs) et écrire port: \"spi:/dev/spidev0.0\", ou prendre un "+
		"adaptateur série USB",
		"Set the PN532 to SPI (its two switches) and write port: \"spi:/dev/spidev0.0\", or take a serial adapter on USB")
	switch b := x.board(); {
	case b.Family == bootconfig.RP1:
		x.addFinding("bus", Well, tf("L’I²C de ce modèle convient au PN532 (%s)", "The I²C of this model bears a PN532 (%s)",
			b.Model), policy.Text{})
	case b.Known():
		x.addFinding("bus", Ill,
			tf("Un PN532 en I²C ne marche que sur un Pi 5 ou un Compute Module 5 ; l’I²C de ce modèle (%s) n’attend pas la puce",
				"A PN532 on I²C works on a Pi 5 or Compute Module 5 only; the I²C of this model (%s) does not wait for the "+
					"chip", b.Model), cure)
	default:
		x.addFinding("bus", Unknown,
			t("Un PN532 en I²C ne marche que sur un Pi 5 ou un Compute Module 5, et ce modèle n’est pas connu",
				"A PN532 on I²C works on a Pi 5 or Compute Module 5 only, and this model is not known"), cure)
	}
}
