package daemon

import (
	"portillon/daemon/panel"
)

// PanelActions handles the actions of people at the panel. It implements panel.Actions.
type PanelActions struct {
	cfg      *Config
	model    *model
	engine   *engine
	periodic *periodic
	loop     loop
}

func ok(done bool) error {
	if !done {
		return panel.NotNow
	}
	return nil
}
