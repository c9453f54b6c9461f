package daemon

import (
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// flash is how long the panel shows an answer to a person, before it shows the machine's state again.
const flash = 9 * time.Second

// flashResult shows an answer to the person at the machine. Once the duration flash has passed, the panel shows the
// machine's state again.
func (e *engine) flashResult(t session.Notify) {
	switch t.Notice {
	case session.Ended:
		if t.Role == policy.Maintainer { // a maintainer has read about the danger that somebody reported without signing
			e.model.forms.dangerAt = time.Time{}
		}
		e.cfg.Panel.EndFlash()
	case session.Welcome:
		e.cfg.Panel.EndFlash()
	case session.Denied:
		e.cfg.Panel.Flash(e.views.refusal(t), flash)
	case session.CardRefused:
		e.cfg.Panel.Flash(e.views.cardRefused(t.Decision), flash)
	case session.Occupied:
		e.cfg.Panel.Flash(panel.Occupied(e.model.rules.name(t.Member)), flash/2)
	case session.Logged:
		mach, _ := e.model.rules.machine()
		e.cfg.Panel.Flash(panel.Logged(e.model.rules.name(t.Member), mach.KindName(t.What), e.views.endorserNote()), flash/2)
	case session.Attested:
		mach, _ := e.model.rules.machine()
		e.cfg.Panel.Flash(panel.Attested(e.model.rules.name(t.Member), mach.KindName(t.What)), flash/2)
	case session.Thanked:
		e.cfg.Panel.Flash(
			panel.Thanked(e.model.rules.name(t.Member), wire.Problem(t.What) == wire.Dangerous, e.model.state.Running()),
			flash/2,
		)
	case session.Vouched:
		e.cfg.Panel.Flash(panel.Vouched(e.model.rules.name(t.Member)), flash/2)
	case session.WaitOver:
		e.cfg.Panel.Flash(panel.NoMentorCame(e.model.rules.name(t.Member)), flash/2)
	case session.AlreadyRead:
		e.cfg.Panel.Flash(panel.AlreadyRead(), session.Flap)
	case session.CannotRecord:
		e.cfg.Panel.Flash(panel.CannotRecord(), flash)
	}
}
