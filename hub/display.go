package hub

import (
	"context"
	"time"

	"portillon/hub/actor"
	"portillon/hub/display"
	"portillon/hub/enrol"
	"portillon/hub/web"
	"portillon/policy"
)

// openDisplay opens the public status and the wall screens.
func openDisplay(h *Hub) (err error) {
	sv, pages := h.services, h.pagesServer
	pages.display, err = display.New(context.Background(), display.Options{
		Site:     h.core.db.Site(h.core.c.Site),
		Now:      h.core.now,
		Audit:    sv.audit.Append,
		Machines: h.enrolments.shownMachines,
		Names:    sv.shownNames,
		Wrong:    sv.accounts.Tokens.CountWrong,
		Title:    func() string { return sv.siteNow().Title },
		Zone:     func() *time.Location { return sv.policies.zone() },
		URL:      pages.webURL,
	})
	return err
}

// pageDisplay returns the services of package display that the pages call.
func pageDisplay(d *display.Services) web.Display {
	return web.Display{Settings: d.Settings, Screens: d.Screens, Board: d.Board}
}

// shownMachines returns the machines that the site shows without a sign-in: machines that belong to the site and have
// reported a state.
func (en *enrolments) shownMachines(ctx context.Context) (out []display.Machine, err error) {
	all, err := en.machines.Machines.List(ctx, actor.System("display"))
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if m.Revoked.IsZero() && !m.Standing.Seen.IsZero() {
			out = append(out, shownMachine(m, en.services.policies.machineName(m.ID)))
		}
	}
	return out, nil
}

// shownMachine converts a machine. name is the machine's name in the policy.
func shownMachine(m enrol.Machine, name policy.Text) display.Machine {
	st := m.Standing
	out := display.Machine{ID: m.ID, Name: name, Online: st.Online, Stopped: st.Phase == "fault", Seen: st.Seen}
	if s := st.Session; s != nil {
		out.Session = &display.Session{Member: s.Member, Role: s.Role, Since: s.Since, Until: s.Until}
	}
	for _, t := range st.Tags {
		out.Tags = append(out.Tags, display.Tag{Reason: t.Reason, At: t.At})
	}
	return out
}

// shownNames returns the names of members in the form that the policy permits on screens. Without a policy, it is the
// first name.
func (sv *services) shownNames(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
	full, err := sv.names(ctx, of)
	if err != nil {
		return nil, err
	}
	form := policy.FirstName
	if now := sv.policies.forNames(); now != nil {
		form = now.Names
	}
	out := make(map[policy.MemberID]string, len(full))
	for id, name := range full {
		out[id] = form.Of(name)
	}
	return out, nil
}
