package web

import (
	"net/url"
	"slices"

	"portillon/hub/enrol"
	"portillon/policy"
)

// routes returns the pages and forms of machines.
func (p *machinePages) routes() []route {
	return []route{
		{"GET /machines", p.list}, {"POST /machines", p.addMachine},
		{"GET /machines/{id}", p.machine}, {"POST /machines/{id}/code", p.newCode}, {"POST /machines/{id}/revoke", p.revoke},
		{"POST /machines/{id}/tag", p.tag}, {"POST /machines/{id}/stop", p.stop},
	}
}

// machinesPage is the data of the list of machines.
type machinesPage struct {
	Machines []machineWithUser
	Known    []policy.MachineID // machines that the policy names and that nobody has added to the hub yet
	Form     form
}

// maxKnown is the maximum number of machine ids that the form of a new machine suggests.
const maxKnown = 30

// machineForm returns the empty form of a new machine.
func machineForm() form {
	return form{ID: "add", Action: "/machines", Submit: "add", Fields: []field{
		{Name: "id", Kind: "text", Label: "machine.id", Hint: "machine.id.hint", Required: true, Auto: "off"}}}
}

// machinesPage renders the list of machines with a form for a new machine.
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

// list answers GET /machines.
func (p *machinePages) list(q *request) error { return p.machinesPage(q, 200, machineForm()) }

// addMachine answers POST /machines.
func (p *machinePages) addMachine(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	m, err := p.machines.Add(ctxOf(q), q.actor, policy.MachineID(v.Get("id")))
	if faults := invalid(err); faults != nil {
		return p.machinesPage(q, 422, machineForm().withValues(v).refuse(faults))
	}
	if err != nil {
		return err
	}
	return q.redirect("/machines/"+url.PathEscape(string(m.ID)), "machine-added")
}

// machinePage is the data of the page of one machine.
type machinePage struct {
	machineWithUser
	Tag, Revoke form
	Code        *codePage
	Name        string
	Ruled       bool // true: the policy has rules for the machine
}

// Same has the results of comparing the keys that the machine pins with the hub's keys. The value for each key is
// "same", "other", or empty if one of the two keys is unknown.
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

// title returns the title of the page.
func (m machinePage) title(tongue) string { return m.Name }

// codePage is the data of a page that shows a one-time code as text and as a QR code.
type codePage struct {
	enrol.Code
	QR *qrCode
}

// machineID returns the id of the machine in the request's path.
func machineID(q *request) policy.MachineID { return policy.MachineID(q.r.PathValue("id")) }

// machineHome returns the path of the page of the machine in the request.
func machineHome(q *request) string { return "/machines/" + url.PathEscape(string(machineID(q))) }

// machinePage returns the data of the machine's page, with its forms.
func (p *machinePages) machinePage(q *request) (machinePage, error) {
	m, err := p.machines.Get(ctxOf(q), q.actor, machineID(q))
	if err != nil {
		return machinePage{}, err
	}
	s, err := p.standing(q, m)
	at := "/machines/" + url.PathEscape(string(m.ID))
	ruled := p.policyMachines == nil || slices.Contains(p.policyMachines(), m.ID)
	return machinePage{machineWithUser: s, Name: p.machineName(q.tongue(), m.ID), Ruled: ruled,
		Tag: form{ID: "tag", Action: at + "/tag", Submit: "machine.tag", Fields: []field{
			{Name: "reason", Kind: "text", Label: "machine.tag.reason", Hint: "machine.tag.hint", Required: true, Auto: "off"}}},
		Revoke: form{ID: "revoke", Action: at + "/revoke", Submit: "machine.revoke", Version: m.Version, Danger: true,
			Fields: []field{
				{Name: "reason", Kind: "text", Label: "machine.revoke.reason", Required: true, Auto: "off"}}}}, err
}

// showMachine renders the page of a machine. change may modify the page's data, for example to show the faults of a
// form.
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

// machine answers GET /machines/{id}.
func (p *machinePages) machine(q *request) error { return p.showMachine(q, 200, nil) }

// newCode answers POST /machines/{id}/code. The response to the POST is the page with the one-time code itself, without
// a redirect, because the code is shown only once and must not be in an address.
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

// revoke answers POST /machines/{id}/revoke.
func (p *machinePages) revoke(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.machines.Revoke(ctxOf(q), q.actor, machineID(q), version(v), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return p.showMachine(q, 422, func(d *machinePage) { d.Revoke = d.Revoke.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect(machineHome(q), "machine-revoked")
}

// tag answers POST /machines/{id}/tag.
func (p *machinePages) tag(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.orders.Tag(ctxOf(q), q.actor, machineID(q), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return p.showMachine(q, 422, func(d *machinePage) { d.Tag = d.Tag.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect(machineHome(q), "machine-tagged")
}

// stop answers POST /machines/{id}/stop.
func (p *machinePages) stop(q *request) error {
	if err := p.orders.Stop(ctxOf(q), q.actor, machineID(q)); err != nil {
		return err
	}
	return q.redirect(machineHome(q), "machine-stopped")
}
