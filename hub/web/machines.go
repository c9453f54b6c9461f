package web

import (
	"net/url"
	"slices"

	"portillon/hub/enrol"
	"portillon/policy"
)

func (p *Pages) machineRoutes() []route {
	return []route{
		{"GET /machines", p.machines}, {"POST /machines", p.addMachine},
		{"GET /machines/{id}", p.machine}, {"POST /machines/{id}/code", p.newCode}, {"POST /machines/{id}/revoke", p.revoke},
		{"POST /machines/{id}/tag", p.tag}, {"POST /machines/{id}/stop", p.stop},
	}
}

type machinesPage struct {
	Machines []standing
	Known    []policy.MachineID // of the policy, and not added yet
	Form     form
}

// maxKnown bounds how many machines of the policy are offered to be added.
const maxKnown = 30

func machineForm() form {
	return form{ID: "add", Action: "/machines", Submit: "add", Fields: []field{
		{Name: "id", Kind: "text", Label: "machine.id", Hint: "machine.id.hint", Required: true, Auto: "off"}}}
}

func (q *request) machinesPage(status int, f form) error {
	list, err := q.p.Machines.Machines(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	d := machinesPage{Form: f}
	for _, m := range list {
		s, err := q.standing(m)
		if err != nil {
			return err
		}
		d.Machines = append(d.Machines, s)
	}
	if q.p.PolicyMachines != nil {
		for _, id := range q.p.PolicyMachines() {
			if !slices.ContainsFunc(list, func(m enrol.Machine) bool { return m.ID == id }) && len(d.Known) < maxKnown {
				d.Known = append(d.Known, id)
			}
		}
	}
	return q.render(status, "machines", "machines", "machines.title", d)
}

func (p *Pages) machines(q *request) error { return q.machinesPage(200, machineForm()) }

func (p *Pages) addMachine(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	m, err := p.Machines.Add(ctxOf(q), q.actor, policy.MachineID(v.Get("id")))
	if faults := invalid(err); faults != nil {
		return q.machinesPage(422, machineForm().keep(v).refuse(faults))
	}
	if err != nil {
		return err
	}
	return q.to("/machines/"+url.PathEscape(string(m.ID)), "machine-added")
}

type machinePage struct {
	standing
	Tag, Revoke form
	Code        *codePage
	Name        string
}

// Same says of each key that the machine names whether it is the hub's: "same", "other", or empty where one of the two
// is not known.
func (m machinePage) Same() map[string]string {
	compare := func(here, there string) string {
		switch {
		case here == "" || there == "":
			return ""
		case here == there:
			return "same"
		}
		return "other"
	}
	k, hub := m.Standing.Keys, m.Standing.HubKeys
	return map[string]string{"Machine": compare(k.MachineKey, m.KeyHash), "Hub": compare(k.HubKey, hub.HubKey),
		"Policy": compare(k.PolicyKey, hub.PolicyKey), "Card": compare(k.CardKey, hub.CardKey)}
}

func (m machinePage) title(tongue) string { return m.Name }

// codePage is a one-time code, to read, to type and to scan.
type codePage struct {
	enrol.Code
	QR *square
}

func (q *request) machineID() policy.MachineID { return policy.MachineID(q.r.PathValue("id")) }

func (q *request) machineHome() string { return "/machines/" + url.PathEscape(string(q.machineID())) }

func (q *request) machinePage() (machinePage, error) {
	m, err := q.p.Machines.Machine(ctxOf(q), q.actor, q.machineID())
	if err != nil {
		return machinePage{}, err
	}
	s, err := q.standing(m)
	at := "/machines/" + url.PathEscape(string(m.ID))
	return machinePage{standing: s, Name: q.p.machineName(q.p.views[q.lang].tongue, m.ID),
		Tag: form{ID: "tag", Action: at + "/tag", Submit: "machine.tag", Fields: []field{
			{Name: "reason", Kind: "text", Label: "machine.tag.reason", Hint: "machine.tag.hint", Required: true, Auto: "off"}}},
		Revoke: form{ID: "revoke", Action: at + "/revoke", Submit: "machine.revoke", Version: m.Version, Danger: true,
			Fields: []field{
				{Name: "reason", Kind: "text", Label: "machine.revoke.reason", Required: true, Auto: "off"}}}}, err
}

func (q *request) showMachine(status int, change func(*machinePage)) error {
	d, err := q.machinePage()
	if err != nil {
		return err
	}
	if change != nil {
		change(&d)
	}
	return q.render(status, "machine", "machines", "machines.title", d)
}

func (p *Pages) machine(q *request) error { return q.showMachine(200, nil) }

// newCode shows a one-time code in the answer to the POST: it exists once, and is in no address.
func (p *Pages) newCode(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	c, err := p.Machines.NewCode(ctxOf(q), q.actor, q.machineID(), v.Get("replace") == "yes")
	if err != nil {
		return err
	}
	return q.showMachine(200, func(d *machinePage) { d.Code = &codePage{c, newSquare(c.Command)} })
}

func (p *Pages) revoke(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.Machines.Revoke(ctxOf(q), q.actor, q.machineID(), version(v), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return q.showMachine(422, func(d *machinePage) { d.Revoke = d.Revoke.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to(q.machineHome(), "machine-revoked")
}

func (p *Pages) tag(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.Machines.Tag(ctxOf(q), q.actor, q.machineID(), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return q.showMachine(422, func(d *machinePage) { d.Tag = d.Tag.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to(q.machineHome(), "machine-tagged")
}

func (p *Pages) stop(q *request) error {
	if err := p.Machines.Stop(ctxOf(q), q.actor, q.machineID()); err != nil {
		return err
	}
	return q.to(q.machineHome(), "machine-stopped")
}
