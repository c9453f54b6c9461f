package daemoncmd

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"portillon/policy"
	"portillon/rfid/pcsc"
)

// PCSCFault contains the reason why a PC/SC reader cannot be used, and the instruction for the repair.
type PCSCFault struct {
	Fact, Cure policy.Text
	Unseen     bool // true: this user has no permission to connect to pcscd, but the daemon's user may have it
}

// pcscLook contains the results of the check of pcscd and of pcscd's readers.
type pcscLook struct {
	prefix    string   // beginning of the name of the reader in machine.yaml
	readers   []string // names of the readers that pcscd lists
	err       error    // error of the query to pcscd
	installed bool     // true: pcscd's program is installed
	// true: the kernel module pn533_usb is loaded, which claims an ACR122U, so pcscd cannot use that reader
	kernel bool
	inUnit bool // true: the check runs as the daemon's user
}

// checkPCSC requests the list of readers from pcscd if the machine.yaml names a PC/SC reader.
func (c Config) checkPCSC(on Computer) *PCSCFault {
	if c.Reader.Kind != "pcsc" || on.PCSC == nil {
		return nil
	}
	look := pcscLook{prefix: c.Reader.Port(), inUnit: on.Unit != "",
		installed: on.hasFile("usr/sbin/pcscd"),
		kernel:    on.hasFile("sys/module/pn533_usb")}
	look.readers, look.err = on.PCSC()
	return look.fault()
}

// hasFile reports whether a file with this path exists on the computer.
func (on Computer) hasFile(path string) bool {
	if on.Root == nil {
		return false
	}
	_, err := fs.Stat(on.Root, path)
	return err == nil
}

// fault returns nil if the reader can be used, otherwise a fault with the reason and the instruction for the repair.
func (l pcscLook) fault() *PCSCFault {
	say := func(frFact, frCure, enFact, enCure string) *PCSCFault {
		return &PCSCFault{Fact: policy.Text{FR: frFact, EN: enFact}, Cure: policy.Text{FR: frCure, EN: enCure}}
	}
	switch {
	case l.err == nil:
		return l.missingReader(say)
	case errors.Is(l.err, pcsc.ErrNoService) && !l.installed:
		return say("pcscd n’est pas installé : aucun lecteur PC/SC ne peut marcher",
			"sudo apt install pcscd libccid",
			"pcscd is not installed: no PC/SC reader can work",
			"sudo apt install pcscd libccid")
	case errors.Is(l.err, pcsc.ErrNoService):
		return say("pcscd ne tourne pas : son socket "+pcsc.Socket+" n’est pas là",
			"sudo systemctl enable --now pcscd.socket",
			"pcscd does not run: its socket "+pcsc.Socket+" is not there",
			"sudo systemctl enable --now pcscd.socket")
	case errors.Is(l.err, pcsc.ErrRefused):
		f := say("polkit ne laisse pas cet utilisateur parler à pcscd",
			"Vérifier que /usr/share/polkit-1/rules.d/60-portillon.rules est là et que polkitd tourne ; "+
				"relancer avec sudo",
			"polkit does not let this user speak to pcscd",
			"See that /usr/share/polkit-1/rules.d/60-portillon.rules is there and polkitd runs; run again with sudo")
		f.Unseen = !l.inUnit
		return f
	case errors.Is(l.err, pcsc.ErrVersion):
		return say(fmt.Sprintf("Ce pcscd ne convient pas : %v", l.err),
			"Prendre le pcscd de Debian 12 ou 13, ou un Portillon plus récent",
			fmt.Sprintf("This pcscd does not fit: %v", l.err),
			"Use the pcscd of Debian 12 or 13, or a newer Portillon")
	}
	return say(fmt.Sprintf("pcscd répond mal : %v", l.err),
		"sudo systemctl restart pcscd ; journalctl -u pcscd dit ce qui ne va pas",
		fmt.Sprintf("pcscd answers wrongly: %v", l.err),
		"sudo systemctl restart pcscd; journalctl -u pcscd says what is wrong")
}

// missingReader returns a fault with the reason why pcscd does not list the reader and the instruction for the repair.
func (l pcscLook) missingReader(say func(frFact, frCure, enFact, enCure string) *PCSCFault) *PCSCFault {
	if slices.ContainsFunc(l.readers, func(name string) bool { return strings.HasPrefix(name, l.prefix) }) {
		return nil
	}
	if l.kernel {
		return say("Le module pn533_usb du noyau tient le lecteur : pcscd ne le voit pas",
			"sudo modprobe -r pn533_usb, puis débrancher et rebrancher le lecteur ; "+
				"/usr/lib/modprobe.d/portillon.conf l’évite au démarrage",
			"The kernel’s module pn533_usb holds the reader: pcscd does not see it",
			"sudo modprobe -r pn533_usb, then unplug the reader and plug it in again; "+
				"/usr/lib/modprobe.d/portillon.conf prevents it at boot")
	}
	have := strings.Join(l.readers, ", ")
	if have == "" {
		return say("pcscd n’a aucun lecteur", "Vérifier son câble USB et que le paquet libccid est installé",
			"pcscd has no reader", "Check its USB cable, and that the package libccid is installed")
	}
	return say(fmt.Sprintf("pcscd n’a pas de lecteur dont le nom commence par « %s » ; il a : %s", l.prefix, have),
		"Vérifier son câble USB, et reader: port: dans le fichier",
		fmt.Sprintf("pcscd has no reader whose name begins with “%s”; it has: %s", l.prefix, have),
		"Check its USB cable, and reader: port: in the file")
}

// oneLine returns the fault as one line of text.
func (f PCSCFault) oneLine() string { return "reader: " + f.Fact.EN + ": " + f.Cure.EN }
