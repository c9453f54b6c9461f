package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"time"

	"portillon/hub/apiclient"
	"portillon/policy"
)

// apiMachine contains the fields of a machine in the API that the tool prints.
type apiMachine struct {
	ID       string    `json:"id"`
	Enrolled time.Time `json:"enrolled"` // time of enrolment; zero: not enrolled yet
	Revoked  time.Time `json:"revoked"`  // zero: not revoked
	Standing struct {  // the state that the machine has reported last
		Online  bool      `json:"online"`
		Seen    time.Time `json:"seen"`
		Program string    `json:"program"`
		Bundle  uint64    `json:"bundle"`
		Wanted  uint64    `json:"wanted_bundle"`
		Refused string    `json:"bundle_refused"`
		Records uint64    `json:"records"`
		Held    uint64    `json:"held"`
		Faults  []string  `json:"faults"`
		Tags    []struct {
			Reason string `json:"reason"`
		} `json:"tags"`
	} `json:"standing"`
}

// cells returns the machine as a row: state, last contact, bundle (in force/newest), records (at the hub/written),
// program, and faults.
func (m apiMachine) cells(l policy.Language) []string {
	s := m.Standing
	state := say(l, pick(s.Online, "en ligne", "hors ligne"), pick(s.Online, "online", "offline"))
	switch {
	case !m.Revoked.IsZero():
		state = say(l, "certificat retiré", "revoked")
	case m.Enrolled.IsZero() && s.Seen.IsZero():
		state = say(l, "pas encore inscrite", "not enrolled yet")
	}
	var trouble []string
	for _, t := range s.Tags {
		trouble = append(trouble, say(l, "hors service : ", "tagged out: ")+t.Reason)
	}
	if s.Refused != "" {
		trouble = append(trouble, say(l, "paquet refusé : ", "bundle refused: ")+s.Refused)
	}
	return []string{m.ID, state, moment(s.Seen), fmt.Sprintf("%d/%d", s.Bundle, s.Wanted),
		fmt.Sprintf("%d/%d", s.Held, s.Records), s.Program,
		strings.Join(append(trouble, s.Faults...), "; ")}
}

// machinesAtHub runs «machine list», which lists the machines of the hub. The columns are id, state, last contact,
// bundle, records, program and faults.
func machinesAtHub(ctx context.Context, w stdio, args []string) error {
	var x remote
	if _, err := parseFlags(w, "machine list", args, 0, x.declare); err != nil {
		return err
	}
	return printList(ctx, &x, w, "/machines", nil, func(m apiMachine) []string { return m.cells(*x.lang) })
}

// machineCode runs «machine code», which creates an enrolment code for a machine. The code can be used once, within a
// limited time. With --replace, the code is for a new SD card of an enrolled machine. With --qr, the code is written as
// a QR code for the setup page.
func machineCode(ctx context.Context, w stdio, args []string) error {
	var x remote
	var replace bool
	var picture string
	rest, err := parseFlags(w, "machine code", args, 1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.BoolVar(&replace, "replace", false, "for a new SD card of an enrolled machine")
		fs.StringVar(&picture, "qr", "", "write the code as a QR code into this file too (SVG)")
	})
	if err != nil {
		return err
	}
	q := apiclient.Request{Method: http.MethodPost, Path: apiclient.Path("machines", rest[0], "code"),
		JSON: map[string]bool{"replace": replace}}
	c, err := x.client()
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, q)
	var p *apiclient.Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return no("%w", err).hinted("portillon machine add %s --hub …", rest[0])
	}
	if err != nil {
		return withExitCode(err)
	}
	var code struct {
		Code    string    `json:"code"`
		Command string    `json:"command"`
		Expires time.Time `json:"expires"`
		QR      string    `json:"qr_svg"`
	}
	if err := c.Read(a, &code); err != nil {
		return withExitCode(err)
	}
	err = x.show(w, c, a, func(apiclient.Answer, *apiclient.Client) error {
		command := code.Command
		if command == "" {
			command = code.Code
		}
		_, err := fmt.Fprintf(w.out, say(*x.lang, "Sur la machine : %s\nvalable une fois, jusqu’au %s\n",
			"At the machine: %s\nvalid once, until %s\n"),
			plain(command), moment(code.Expires))
		return err
	})
	if err != nil || picture == "" {
		return err
	}
	return w.writePrivate(picture, []byte(code.QR), true)
}

// machineRevoke runs «machine revoke», which ends a machine's access to the hub. The machine's certificate and broker
// account become invalid at once. The hub then rejects new records that the machine's keys have signed.
func machineRevoke(ctx context.Context, w stdio, args []string) error {
	var x remote
	var reason string
	rest, err := parseFlags(w, "machine revoke", args, 1, func(fs *flag.FlagSet) {
		x.declare(fs)
		fs.StringVar(&reason, "reason", "", "why, for the audit log")
	})
	if err == nil {
		err = missing("portillon machine revoke laser --reason stolen --hub …", need{"--reason", reason != ""})
	}
	if err != nil {
		return err
	}
	c, err := x.client()
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, c, apiclient.Path("machines", rest[0]))
	if err != nil {
		return err
	}
	a, err := c.Do(ctx, apiclient.Request{Method: http.MethodPost, Path: apiclient.Path("machines", rest[0], "revoke"),
		Match: version,
		JSON:  map[string]string{"reason": reason}})
	if err != nil {
		return withExitCode(err)
	}
	return x.show(w, c, a, x.printerOf(w, "certificat de %s retiré", "certificate of %s revoked", rest[0]))
}

// tagRemotely tags a machine out through the hub's API.
func (x *remote) tagRemotely(ctx context.Context, w stdio, machine, reason string) error {
	if machine == "" {
		return wrong("--machine is missing").hinted("portillon machine tag --hub https://… --machine laser REASON")
	}
	q := apiclient.Request{Method: http.MethodPost, Path: apiclient.Path("machines", machine, "tag"),
		JSON: map[string]string{"reason": reason}}
	return x.ask(ctx, w, q, x.printerOf(w, "la mise hors service de %s est en route", "the tag is on its way to %s",
		machine))
}

// stopRemotely ends the session of a machine through the hub's API.
func (x *remote) stopRemotely(ctx context.Context, w stdio, machine string) error {
	if machine == "" {
		return wrong("--machine is missing").hinted("portillon machine stop --hub https://… --machine laser")
	}
	q := apiclient.Request{Method: http.MethodPost, Path: apiclient.Path("machines", machine, "stop")}
	return x.ask(ctx, w, q, x.printerOf(w, "l’arrêt de %s est en route", "the stop is on its way to %s", machine))
}
