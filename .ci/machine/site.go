package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/openbadge"
	"portillon/wire"
)

// sitePolicy is the policy of the test's site. Léa may use the laser at any time, by a grant without hours. Tom may
// use the laser by a grant with hours, which cover the whole week but require a trusted clock.
const sitePolicy = `portillon: 1
site: rig
language: fr
timezone: Europe/Paris
issuers:
  lab: { name: Lab, keys: [%q] }
badges:
  laser-user: { name: { fr: Laser, en: Laser }, issuer: lab, achievement: "https://lab.example/laser-user" }
  laser-host: { name: { fr: Atelier, en: Workshop }, issuer: lab, achievement: "https://lab.example/laser-host" }
roles: [learner, user, host, mentor, maintainer]
defaults:
  clock: { pass: [ends] }
machines:
  laser:
    name: { fr: Découpe laser, en: Laser cutter }
    grants:
      - { role: user, needs: laser-user, session: { max: 12h } }
      - { role: host, needs: laser-host, hours: "Mo-Su 00:00-24:00", session: { max: 12h } }
`

// siteMembers are the members of the site and their cards.
const siteMembers = `portillon: 1
members:
  - { id: m-lea, name: Léa, email: lea@example.org, cards: ["62E3086CED"] }
  - { id: m-tom, name: Tom, email: tom@example.org, cards: ["01000734E0"] }
`

// machineFile is the machine's configuration, with the public key for bundles and the reader.
const machineFile = `portillon: 1
site: rig
machine: laser
data: /var/lib/portillon/laser
control: /run/portillon/laser.sock
card-key: /etc/portillon/keys/card.key
machine-key: /etc/portillon/keys/machine.key
bundle: { key: %[1]q, file: /etc/portillon/site.bundle }
reader: %[2]s
relay: { pin: "gpio:pinctrl-/17", e-stop: "gpio:pinctrl-/22" }
mqtt: { broker: "tcp://127.0.0.1:1883", hub-key: %[1]q }
panel: { listen: "127.0.0.1:8037" }
clock: ntp
`

// piFile is the configuration on the emulated Raspberry Pi, which has no disk, no emergency stop and no broker.
const piFile = `portillon: 1
site: rig
machine: laser
data: /tmp/laser
control: /run/portillon/laser.sock
card-key: /etc/portillon/keys/card.key
machine-key: /etc/portillon/keys/machine.key
bundle: { key: %q, file: /etc/portillon/site.bundle }
reader: { kind: none }
relay: { pin: "gpio:pinctrl-/17" }
panel: { listen: "127.0.0.1:8037" }
clock: ntp
`

// manyFile is the configuration of a machine with a bundle of many members, for the Pi Zero's program.
const manyFile = `portillon: 1
site: rig
machine: laser
data: /tmp/many/data
control: /run/portillon/many.sock
card-key: /etc/portillon/keys/card.key
machine-key: /etc/portillon/keys/machine.key
bundle: { key: %q, file: /tmp/many/site.bundle }
reader: { kind: none }
relay: { pin: "sim:/tmp/many/pin" }
panel: { listen: "127.0.0.1:8036" }
clock: ntp
`

// manyMembers is the number of additional members; each of them has one badge. An emulated Pi Zero needs half a
// minute to verify these badges.
const manyMembers = 1000

// site creates the site, its keys and its bundles, as the operator of a site does.
func (t *test) site(ctx context.Context) error {
	dir := t.path("site")
	now := time.Now()
	issuer, err := openbadge.GenerateKey("the machine test's")
	if err != nil {
		return err
	}
	files := map[string]string{"policy.yaml": fmt.Sprintf(sitePolicy, issuer.DID()), "members.yaml": siteMembers}
	for who, what := range map[string]string{"lea": "laser-user", "tom": "laser-host"} {
		badge, err := openbadge.IssueJSON(
			openbadge.Draft{IssuerName: "Lab", Email: who + "@example.org", ValidFrom: now.AddDate(-1, 0, 0),
				Achievement: openbadge.Achievement{ID: "https://lab.example/" + what, Name: what}}, issuer, now)
		if err != nil {
			return err
		}
		files["badges/"+who+".json"] = string(badge)
	}
	hub, hubPublic, err := note.GenerateKey(rand.Reader, "portillon-rig")
	if err != nil {
		return err
	}
	machine, _, err := note.GenerateKey(rand.Reader, "laser.rig")
	if err != nil {
		return err
	}
	files["../hub.key"] = hub
	files["../rig/site/hub.pub"] = hubPublic
	files["../rig/site/hub.key"] = hub // the key with which the listener of some rows acknowledges records
	files["../rig/site/keys/card.key"] = strings.Repeat("5a", 32)
	files["../rig/site/keys/machine.key"] = machine
	files["../rig/site/laser.yaml"] = fmt.Sprintf(machineFile, hubPublic,
		"{ kind: keyboard, port: /dev/input/portillon-reader, format: hex }")
	files["../rig/site/pi.yaml"] = fmt.Sprintf(piFile, hubPublic)
	files["../rig/site/many.yaml"] = fmt.Sprintf(manyFile, hubPublic)
	files["../rig/site/alone.yaml"] = fmt.Sprintf(machineFile, hubPublic, "{ kind: none }")
	if err := writeAll(dir, files); err != nil {
		return err
	}
	if err := t.writeTagCommands(hub); err != nil {
		return err
	}
	if err := t.bundle(ctx, dir, "site.bundle", 1); err != nil {
		return err
	}
	if err := manyMore(dir, issuer, now); err != nil {
		return err
	}
	return t.bundle(ctx, dir, "many.bundle", 2)
}

// writeAll writes files into a folder and its subfolders. Only the owner and the group may be able to read keys.
func writeAll(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(path, ".key") {
			mode = 0o640
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}

// bundle builds a bundle of the site, as the operator of a site does.
func (t *test) bundle(ctx context.Context, dir, name string, version int) error {
	bundle := t.path("rig/site", name)
	if err := t.do(ctx, nil, "go", "run", "./cmd/portillon", "bundle", "build", dir, "--key", t.path("hub.key"),
		"--card-key", t.path("rig/site/keys/card.key"),
		"--version", strconv.Itoa(version), "-o", bundle); err != nil {
		return err
	}
	return os.Chmod(bundle, 0o644)
}

// manyMore adds manyMembers members to the site.
func manyMore(dir string, issuer *openbadge.Key, now time.Time) error {
	members := siteMembers
	for i := range manyMembers {
		members += fmt.Sprintf("  - { id: m-%d, name: Nom %d, email: n%d@example.org, cards: [\"6A%08X\"] }\n", i, i, i, i)
		badge, err := openbadge.IssueJSON(
			openbadge.Draft{IssuerName: "Lab", Email: fmt.Sprintf("n%d@example.org", i), ValidFrom: now.AddDate(-1, 0, 0),
				Achievement: openbadge.Achievement{ID: "https://lab.example/laser-user", Name: "laser-user"}}, issuer, now)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "badges", fmt.Sprintf("n%d.json", i)), badge, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "members.yaml"), []byte(members), 0o644)
}

// writeTagCommands writes one signed tag command of the hub for each cell of the clock table. A tag does not depend
// on the clock, so the host can sign the commands in advance.
func (t *test) writeTagCommands(hubKey string) error {
	signer, err := note.NewSigner(hubKey)
	if err != nil {
		return err
	}
	dir := t.path("rig/site/orders")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	now := time.Now()
	for i := range clockCells {
		id := fmt.Sprintf("clock-%d", i)
		b, err := wire.SignCommand(wire.Command{Site: "rig", Machine: "laser", ID: id, Tag: id, Do: "tag", Reason: "horloge",
			Issued: now, Expires: now.Add(wire.CommandLife)}, signer)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.note", i)), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// clockCells is how many cells the clock table has.
const clockCells = 48
