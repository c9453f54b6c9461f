package doctor

import (
	"io/fs"
	"path"
	"time"

	"portillon/daemon/control"
	"portillon/policy"
)

// screens reports the machine's own screens that have stopped reporting. If the machine has no screen, screens adds no
// finding.
func (x *exam) screens(st control.Status) {
	for _, s := range st.Screens {
		if s.SilentSeconds == 0 {
			x.addFinding("screen", Well, tf("L’écran %s répond", "The screen %s reports itself", s.Address), policy.Text{})
			continue
		}
		silent := (time.Duration(s.SilentSeconds) * time.Second).String()
		x.addFinding("screen", Ill, tf("L’écran %s ne répond plus depuis %s : ce qu’il affiche est peut-être faux",
			"The screen %s has been silent for %s: what it shows may be wrong", s.Address, silent),
			t("Redémarrer son navigateur ; celui de cet ordinateur : sudo systemctl restart portillon-panel",
				"Restart its browser; this computer’s own: sudo systemctl restart portillon-panel"))
	}
	// The unit that restarts the screen also removes this file. If the file still exists after a while, the unit does not
	// work.
	stuck := path.Join("run/portillon", x.c.Machine+".screen-stuck")
	if fi, err := fs.Stat(x.s.Root, stuck); err == nil && x.s.Now.Sub(fi.ModTime()) > time.Minute {
		x.addFinding(
			"screen",
			Ill,
			tf("Rien n’a redémarré l’écran figé (/%s est encore là)",
				"Nothing has restarted the frozen screen (/%s is still there)", stuck),
			t("sudo systemctl reset-failed portillon-panel-restart.path portillon-panel-restart.service ; sudo systemctl start "+
				""+"portillon-panel-restart.path",
				"sudo systemctl reset-failed portillon-panel-restart.path portillon-panel-restart.service; sudo systemctl start "+
					""+"portillon-panel-restart.path"),
		)
	}
}
