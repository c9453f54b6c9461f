package daemon

import (
	"time"

	"portillon/daemon/control"
)

// watchScreens looks at the machine's own screens, says in the log which of them fell silent, and asks for the restart
// of this computer's.
func (m *periodic) watchScreens() {
	m.engine.model.links.screens = m.cfg.Panel.Screens()
	for _, s := range m.engine.model.links.screens {
		switch {
		case s.Fell:
			m.cfg.Logger.Warn("screen silent", "screen", s.Addr, "for", s.Silent.Round(time.Second))
		case s.Back:
			m.cfg.Logger.Info("screen reports again", "screen", s.Addr)
		}
		if !s.Restart || m.cfg.RestartScreen == nil {
			continue
		}
		if err := m.cfg.RestartScreen(); err != nil {
			m.cfg.Logger.Error("screen restart could not be requested", "screen", s.Addr, "err", err)
			continue
		}
		m.cfg.Logger.Warn("screen restart requested", "screen", s.Addr)
	}
}

// screenStatus is what an operator reads of the screens.
func (m *views) screenStatus() (out []control.Screen) {
	for _, s := range m.model.links.screens {
		out = append(out, control.Screen{Address: s.Addr.String(), SilentSeconds: int64(s.Silent / time.Second)})
	}
	return out
}
