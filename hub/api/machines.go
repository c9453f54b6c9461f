package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"rsc.io/qr"

	"portillon/hub/actor"
	"portillon/hub/enrol"
	"portillon/policy"
)

// newMachine is the body of a request to add a machine.
type newMachine struct {
	ID policy.MachineID `json:"id"`
}

// codeInput is the body of a request for a one-time code.
type codeInput struct {
	Replace bool `json:"replace,omitempty"` // true if the machine will begin a new journal, for example on a new SD card
}

// reasonInput is the body of a request for which a person must state a reason. The audit log contains the reason.
type reasonInput struct {
	Reason string `json:"reason"`
}

// code is an enrolment code with its QR code. The response contains the text together with the QR code, because no
// later request can read the text.
type code struct {
	enrol.Code
	QR string `json:"qr_svg,omitempty"`
}

const svgType = "image/svg+xml"

// machineAPI serves the routes of machines.
type machineAPI struct {
	machines Machines
	codes    Codes
	orders   Orders
}

// routes returns the routes of machines.
func (s *machineAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/machines", Act: actor.ReadMachines, Answer: list[enrol.Machine]{}, handle: s.listMachines},
		{Method: "POST", Path: "/machines", Act: actor.EnrolMachines, Body: newMachine{}, Answer: enrol.Machine{},
			handle: s.addMachine},
		{Method: "GET", Path: "/machines/{machine}", Act: actor.ReadMachines, Answer: enrol.Machine{}, handle: s.getMachine},
		{Method: "POST", Path: "/machines/{machine}/code", Act: actor.EnrolMachines, Body: codeInput{}, Answer: code{},
			Produces: []string{svgType},
			handle:   s.newCode},
		{Method: "POST", Path: "/machines/{machine}/revoke", Act: actor.EnrolMachines, Body: reasonInput{}, IfMatch: true,
			handle: s.revokeMachine},
		{Method: "GET", Path: "/machines/{machine}/held", Act: actor.EnrolMachines, Answer: enrol.Held{},
			handle: s.getHeldMembers},
		{Method: "POST", Path: "/machines/{machine}/tag", Act: actor.TagMachine, Body: reasonInput{}, handle: s.tagMachine},
		{Method: "POST", Path: "/machines/{machine}/stop", Act: actor.StopMachine, handle: s.stopSession},
	}
}

// listMachines returns all machines that the actor may read. The list has only one page, because a site has at most
// some dozens of machines.
func (s *machineAPI) listMachines(c *call) (answer, error) {
	found, err := s.machines.List(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return listAnswer(found), nil
}

// machineAnswer returns the response that contains a machine. The response's ETag is the machine's version.
func machineAnswer(m enrol.Machine) answer { return answer{body: m, version: m.Version} }

// addMachine adds a machine, so that the machine can be enrolled. The response is 201 with the URL of the machine.
func (s *machineAPI) addMachine(c *call) (answer, error) {
	var in newMachine
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	m, err := s.machines.Add(c.ctx(), c.actor, in.ID)
	if err != nil {
		return answer{}, err
	}
	out := machineAnswer(m)
	out.status, out.location = http.StatusCreated, pathFor("machines", string(m.ID))
	return out, nil
}

// getMachine returns the machine in the path.
func (s *machineAPI) getMachine(c *call) (answer, error) {
	m, err := s.machines.Get(c.ctx(), c.actor, c.machine())
	if err != nil {
		return answer{}, err
	}
	return machineAnswer(m), nil
}

// newCode creates a one-time enrolment code. If the client prefers image/svg+xml, the response is only the QR code.
func (s *machineAPI) newCode(c *call) (answer, error) {
	var in codeInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	made, err := s.codes.New(c.ctx(), c.actor, c.machine(), in.Replace)
	if err != nil {
		return answer{}, err
	}
	text := made.Command
	if text == "" {
		text = made.Text
	}
	picture, err := QR(text)
	if err != nil {
		return answer{}, err
	}
	if prefers(c.r, svgType) {
		return answer{status: http.StatusCreated, mime: svgType, stream: func(w io.Writer) error {
			_, err := io.WriteString(w, picture)
			return err
		}}, nil
	}
	return answer{status: http.StatusCreated, body: code{made, picture}}, nil
}

// revokeMachine revokes a machine's keys and its account at the broker. If-Match must name the machine's version.
func (s *machineAPI) revokeMachine(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in reasonInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.machines.Revoke(c.ctx(), c.actor, c.machine(), version, in.Reason)
}

// getHeldMembers returns the members whose data a machine stores. Administrators need the list to decide whether to
// change the card key after a theft.
func (s *machineAPI) getHeldMembers(c *call) (answer, error) {
	h, err := s.machines.Held(c.ctx(), c.actor, c.machine())
	if err != nil {
		return answer{}, err
	}
	return answer{body: h}, nil
}

// tagMachine puts a machine out of service. The response is sent after the machine has confirmed the command.
func (s *machineAPI) tagMachine(c *call) (answer, error) {
	var in reasonInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.orders.Tag(c.ctx(), c.actor, c.machine(), in.Reason)
}

// stopSession ends the session at a machine. The response is sent after the machine has confirmed the command.
func (s *machineAPI) stopSession(c *call) (answer, error) {
	return answer{}, s.orders.Stop(c.ctx(), c.actor, c.machine())
}

// QR returns a QR code (ISO/IEC 18004) as an SVG, with error correction level M (15 %) and the quiet zone of four
// modules that the standard requires.
func QR(text string) (string, error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("cannot encode %d bytes as a QR code: %w", len(text), err)
	}
	const quiet = 4
	var b strings.Builder
	size := c.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, size,
		size)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, size, size)
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			if from := x; c.Black(x, y) {
				for x++; x < c.Size && c.Black(x, y); x++ {
				}
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String(), nil
}
