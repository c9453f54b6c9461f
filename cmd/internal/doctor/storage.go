package doctor

import (
	"io/fs"
	"strconv"
	"strings"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
)

// storage checks that the journal survives a reboot. If the journal would be lost, the finding names a partition on
// which the journal could be stored.
func (x *exam) storage() {
	dir := x.c.Data
	if x.s.Real != nil {
		dir = x.s.Real(dir)
	}
	where, m := daemoncmd.StorageOf(x.s.Root, dir)
	cure := x.partition(where)
	switch {
	case where == daemoncmd.OnDisk:
	case where == daemoncmd.Overlaid:
		x.addFinding("storage", Ill, tf("%s est sur un overlay en mémoire : le journal est perdu à chaque redémarrage",
			"%s is on an overlay in memory: the journal is lost at each boot", x.c.Data), cure)
	case where == daemoncmd.InMemory:
		x.addFinding("storage", Ill, tf("%s est en mémoire (%s) : le journal est perdu à chaque redémarrage",
			"%s is in memory (%s): the journal is lost at each boot", x.c.Data, m.Point), cure)
	default:
		x.addFinding("storage", Unknown, tf("On ne voit pas sur quel disque est %s", "On which disk %s is cannot be seen",
			x.c.Data),
			t("Regarder : findmnt -T /var/lib/portillon", "Look: findmnt -T /var/lib/portillon"))
	}
}

// partition suggests where the journal can be stored: on an unused partition, or on a new partition.
func (x *exam) partition(where daemoncmd.Storage) policy.Text {
	device := x.sparePartition()
	fr, en := "Monter la partition libre "+device, "Mount the spare partition "+device
	if device == "" {
		device = "/dev/…"
		fr, en = "Ajouter une partition ext4 (clé USB, ou troisième partition de la carte) et la monter", "Add an ext4 "+
			"partition (a USB stick, or a third one on the card) and mount it"
	}
	line := device + " /var/lib/portillon ext4 defaults,noatime,nofail 0 2"
	fr += " sur /var/lib/portillon : dans /etc/fstab, « " + line + " »"
	en += " at /var/lib/portillon: in /etc/fstab, “" + line + "”"
	if where == daemoncmd.Overlaid { // overlayroot also covers mounts of fstab (overlayroot.conf, recurse)
		fr += " ; désactiver d’abord l’overlay (sudo raspi-config nonint disable_overlayfs, redémarrer), et au retour " +
			"écrire overlayroot=tmpfs:recurse=0 dans cmdline.txt"
		en += "; first take the overlay off (sudo raspi-config nonint disable_overlayfs, reboot), and afterwards write " +
			"overlayroot=tmpfs:recurse=0 into cmdline.txt"
	}
	return t(fr, en)
}

// sparePartition returns a partition that is not mounted, or "" if all are mounted.
func (x *exam) sparePartition() string {
	info, err := x.read("proc/self/mountinfo")
	if err != nil {
		return ""
	}
	used := map[string]bool{}
	for _, m := range daemoncmd.Mounts(info) {
		used[m.Source] = true
	}
	paths, _ := fs.Glob(x.s.Root, "sys/class/block/*/partition")
	for _, p := range paths {
		if dev := "/dev/" + strings.Split(p, "/")[3]; !used[dev] {
			return dev
		}
	}
	return ""
}

// maxSkew is the largest difference between a real-time clock and the computer's clock that the doctor accepts. Cheap
// crystals drift by a few seconds a day.
const maxSkew = 5 * time.Minute

// rtc checks the real-time clock if machine.yaml declares the clock as trusted.
func (x *exam) rtc() {
	if x.c.Clock != "trusted" {
		return
	}
	text, err := x.read("sys/class/rtc/rtc0/since_epoch")
	sec, perr := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	var battery policy.Text
	if v, err := x.read("sys/class/rtc/rtc0/charging_voltage"); err == nil && strings.TrimSpace(v) == "0" {
		battery = t(" ; pile en J5, non chargée : juste pour une pile non rechargeable (dtparam=rtc_bbat_vchg=3000000 ne "+
			"va qu’avec une rechargeable)",
			"; the cell at J5 is not charged: right for one that is not rechargeable (dtparam=rtc_bbat_vchg=3000000 is for "+
				"rechargeable ones only)")
	} else if err == nil {
		battery = tf(" ; la pile en J5 est chargée à %s µV : seulement pour une pile rechargeable",
			"; the cell at J5 is charged to %s µV: for a rechargeable one only", strings.TrimSpace(v))
	}
	const minute = "2006-01-02 15:04"
	switch at := time.Unix(sec, 0); {
	case err != nil || perr != nil:
		x.addFinding("rtc", Ill,
			t("clock: trusted, et aucune horloge ne tient l’heure sans courant : après une coupure, l’heure est celle du "+
				"dernier arrêt",
				"clock: trusted, and no clock keeps time without power: after a power cut the time is that of the last shutdown"),
			t("Monter une horloge RTC (sur un Pi 5 : une pile en J5), ou écrire clock: ntp",
				"Fit a real-time clock (on a Pi 5: a cell at J5), or write clock: ntp"))
	case at.Sub(x.s.Now).Abs() > maxSkew:
		x.addFinding("rtc", Ill, tf("L’horloge RTC dit %s, l’ordinateur %s : elle n’a pas tenu l’heure",
			"The real-time clock says %s, the computer %s: it did not keep the "+
				"time", at.UTC().Format(minute), x.s.Now.UTC().Format(minute)),
			t("Mettre à l’heure (sudo hwclock --systohc), changer la pile (sur un Pi 5 : J5)",
				"Set it (sudo hwclock --systohc), and replace its cell (on a Pi 5: J5)"))
	default:
		x.addFinding("rtc", Well, t("L’horloge RTC est à l’heure"+battery.FR, "The real-time clock is right"+battery.EN),
			policy.Text{})
	}
}
