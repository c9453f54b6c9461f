package web

import (
	"net/url"
	"slices"

	"portillon/hub/enrol"
	"portillon/policy"
)

func (p *machinePages) routes() []route {
	return []route{
		{"GET /machines", p.list}, {"POST /machines", p.addMachine},
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

func (p *machinePages) machinesPage(q *request, status int, f form) error {
	list, err := p.machines.List(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	d := machinesPage{Form: f}
	for _, m := range list {
		s, err := p.standing(q, m)
		if err != nil {
			return err
		}
		d.Machines = append(d.Machines, s)
	}
	if p.policyMachines != nil {
		for _, id := range p.policyMachines() {
			if !slices.ContainsFunc(list, func(m enrol.Machine) bool { return m.ID == id }) && len(d.Known) < maxKnown {
				d.Known = append(d.Known, id)
			}
		}
	}
	return q.render(status, "machines", "machines", "machines.title", d)
}

func (p *machinePages) list(q *request) error { return p.machinesPage(q, 200, machineForm()) }

func (p *machinePages) addMachine(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	m, err := p.machines.Add(ctxOf(q), q.actor, policy.MachineID(v.Get("id")))
	if faults := invalid(err); faults != nil {
		return p.machinesPage(q, 422, machineForm().keep(v).refuse(faults))
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

func machineID(q *request) policy.MachineID { return policy.MachineID(q.r.PathValue("id")) }

func machineHome(q *request) string { return "/machines/" + url.PathEscape(string(machineID(q))) }

func (p *machinePages) machinePage(q *request) (machinePage, error) {
	m, err := p.machines.Get(ctxOf(q), q.actor, machineID(q))
	if err != nil {
		return machinePage{}, err
	}
	s, err := p.standing(q, m)
	at := "/machines/" + url.PathEscape(string(m.ID))
	return machinePage{standing: s, Name: p.machineName(q.tongue(), m.ID),
		Tag: form{ID: "tag", Action: at + "/tag", Submit: "machine.tag", Fields: []field{
			{Name: "reason", Kind: "text", Label: "machine.tag.reason", Hint: "machine.tag.hint", Required: true, Auto: "off"}}},
		Revoke: form{ID: "revoke", Action: at + "/revoke", Submit: "machine.revoke", Version: m.Version, Danger: true,
			Fields: []field{
				{Name: "reason", Kind: "text", Label: "machine.revoke.reason", Required: true, Auto: "off"}}}}, err
}

func (p *machinePages) showMachine(q *request, status int, change func(*machinePage)) error {
	d, err := p.machinePage(q)
	if err != nil {
		return err
	}
	if change != nil {
		change(&d)
	}
	return q.render(status, "machine", "machines", "machines.title", d)
}

func (p *machinePages) machine(q *request) error { return p.showMachine(q, 200, nil) }

// newCode shows a one-time code in the answer to the POST: it exists once, and is in no address.
func (p *machinePages) newCode(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	c, err := p.codes.New(ctxOf(q), q.actor, machineID(q), v.Get("replace") == "yes")
	if err != nil {
		return err
	}
	return p.showMachine(q, 200, func(d *machinePage) { d.Code = &codePage{c, newSquare(c.Command)} })
}

func (p *machinePages) revoke(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.machines.Revoke(ctxOf(q), q.actor, machineID(q), version(v), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return p.showMachine(q, 422, func(d *machinePage) { d.Revoke = d.Revoke.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to(machineHome(q), "machine-revoked")
}

func (p *machinePages) tag(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.orders.Tag(ctxOf(q), q.actor, machineID(q), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return p.showMachine(q, 422, func(d *machinePage) { d.Tag = d.Tag.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to(machineHome(q), "machine-tagged")
}

func (p *machinePages) stop(q *request) error {
	if err := p.orders.Stop(ctxOf(q), q.actor, machineID(q)); err != nil {
		return err
	}
	return q.to(machineHome(q), "machine-stopped")
}
