package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"portillon/hub/broker"
	"portillon/hub/enrol"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// enrolments manages the machines that join over the network. authority is nil if no machine can join.
type enrolments struct {
	core      *core
	fleet     *fleet
	connector *connector
	commands  *commands
	services  *services

	authority *enrol.Authority // authority that signs the certificates of machines
	siteCert  *siteCert        // the site's own certificate for the hub; nil: authority signs one
	machines  *enrol.Services  // nil: the hub does not manage the site, and no machine can join
	listener  net.Listener
	returned  returnedPolicies

	mu        sync.Mutex
	replacing map[policy.MachineID]string // administrator who allowed each machine to replace the machine's journal
}

// maxJoined is the largest number of machines that the broker inside this program accepts.
const maxJoined = 1000

// Authority returns the hub's certificate authority; nil: machines cannot join over the network.
func (h *Hub) Authority() *enrol.Authority { return h.enrolments.authority }

// Enrol returns the services for the enrolment of machines; nil: machines cannot join over the network.
func (h *Hub) Enrol() *enrol.Services { return h.enrolments.machines }

// MachinesAddr returns the host:port of the machines' listener; empty: the hub has no such listener.
func (h *Hub) MachinesAddr() string { return h.enrolments.addr() }

// addr returns the host:port of the machines' listener; empty: the hub has no such listener.
func (en *enrolments) addr() string {
	if en.listener == nil {
		return ""
	}
	return en.listener.Addr().String()
}

// prepareJoin opens the authority. The broker needs the authority, which signs the broker's certificate.
func (op *opening) prepareJoin() (err error) {
	if op.hub.core.c.Join.Listen == "" {
		return nil
	}
	if op.hub.core.c.Bundle.Key == nil {
		return errors.New("machines-listen: bundle: key: is missing, want the key of bundles that joining machines pin")
	}
	if op.hub.core.c.Join.Cert != "" {
		if op.hub.enrolments.siteCert, err = openSiteCert(op.hub.core.c.Join, op.hub.core.now,
			op.hub.core.log.Error); err != nil {
			return err
		}
	}
	op.hub.enrolments.authority, err = enrol.OpenAuthority(
		filepath.Join(op.hub.core.c.Data, "authority"),
		op.hub.core.c.Site,
		op.hub.core.now,
	)
	return err
}

// brokerTLS returns the TLS configuration of the broker inside this program.
func (en *enrolments) brokerTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: en.machinesCert()}
}

// openJoin opens the enrolment services and their listener, and applies the enrolled machines.
func (op *opening) openJoin() (err error) {
	a := op.hub.enrolments.authority
	if a == nil {
		return op.openFixed()
	}
	hubKey, err := op.hub.core.c.PublicKey()
	if err != nil {
		return err
	}
	if op.hub.enrolments.listener, err = net.Listen("tcp", op.hub.core.c.Join.Listen); err != nil {
		return fmt.Errorf("machines-listen: %w", err)
	}
	_, port, _ := net.SplitHostPort(op.hub.enrolments.listener.Addr().String())
	_, mqttPort, _ := net.SplitHostPort(op.hub.connector.broker.Addr())
	o := enrol.Options{
		Site: op.hub.core.db.Site(
			op.hub.core.c.Site,
		), Now: op.hub.core.now, Log: op.hub.core.log, Authority: a, Server: op.hub.enrolments.machinesCert(),
		Signer: op.hub.core.signer, Name: op.hub.core.c.Join.Name,
		Pins: wire.Pins{
			Site:      op.hub.core.c.Site,
			CA:        op.hub.enrolments.machinesCA(),
			PolicyKey: op.hub.core.c.Bundle.Public,
			HubKey:    hubKey,
		},
		Address: "https://" + net.JoinHostPort(
			op.hub.core.c.Join.Name,
			port,
		), Broker: "ssl://" + net.JoinHostPort(op.hub.core.c.Join.Name, mqttPort),
		CardKeys: op.hub.cards.cardKeys, Fixed: op.hub.enrolments.fixedMachines, Bundle: op.hub.bundles.bundleHandler(),
		Members: op.hub.bundles.bundleMembers, Credential: op.hub.bundles.credential,
		Version:  func() uint64 { _, v := op.hub.bundles.current(); return v },
		Standing: op.hub.fleet.standing, Command: op.hub.enrolments.orderMachine, Apply: op.hub.enrolments.applyMachines}
	if op.hub.services.audit != nil {
		o.Audit = op.hub.services.audit.Append
		o.ReturnedManifest, o.ReturnedPolicy = op.hub.enrolments.takeManifest, op.hub.enrolments.takePolicy
	}
	if op.hub.core.c.Bundle.PolicyPublic != "" {
		o.Pins.PolicyKey = op.hub.core.c.Bundle.PolicyPublic
	}
	op.hub.enrolments.machines, err = enrol.New(context.Background(), o)
	return err
}

// openFixed opens the enrolment services of a hub that manages the site but has no machines-listen. These services only
// list machines: no machine can join over the network.
func (op *opening) openFixed() (err error) {
	if !op.hub.core.c.Managed() {
		return nil
	}
	a, err := enrol.OpenAuthority(filepath.Join(op.hub.core.c.Data, "authority"), op.hub.core.c.Site, op.hub.core.now)
	if err != nil {
		return err
	}
	hubKey, err := op.hub.core.c.PublicKey()
	if err != nil {
		return err
	}
	op.hub.enrolments.machines, err = enrol.New(context.Background(), enrol.Options{
		Site: op.hub.core.db.Site(
			op.hub.core.c.Site,
		), Now: op.hub.core.now, Log: op.hub.core.log, Authority: a, Signer: op.hub.core.signer, Name: "localhost",
		Pins: wire.Pins{Site: op.hub.core.c.Site, CA: a.Certificate(), PolicyKey: cmp.Or(op.hub.core.c.Bundle.PolicyPublic,
			op.hub.core.c.Bundle.Public), HubKey: hubKey},
		CardKeys: op.hub.cards.cardKeys, Fixed: op.hub.enrolments.fixedMachines, Members: op.hub.bundles.bundleMembers,
		Audit:    op.hub.services.audit.Append,
		Version:  func() uint64 { _, v := op.hub.bundles.current(); return v },
		Standing: op.hub.fleet.standing, Command: op.hub.commands.command, Apply: op.hub.enrolments.applyMachines})
	return err
}

// serveJoin serves machines until ctx ends.
func (en *enrolments) serveJoin(ctx context.Context) error {
	if host, _, err := net.SplitHostPort(en.core.c.Join.Listen); err == nil && !onLoopback(net.JoinHostPort(host, "0")) {
		var announcing sync.WaitGroup
		ctx, cancel := context.WithCancel(ctx)
		announcing.Go(func() { en.announceAll(ctx) })
		defer announcing.Wait()
		defer cancel()
	}
	if err := en.machines.Listener.Serve(ctx, en.listener); err != nil {
		return fmt.Errorf("machines-listen: %w", err)
	}
	return nil
}

// closeJoin closes the machines' listener. closeJoin ignores the error of a listener that Serve has closed.
func (op *opening) closeJoin() error {
	var errs []error
	if l := op.hub.enrolments.listener; l != nil {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// fixedMachines returns the machines of hub.yaml.
func (en *enrolments) fixedMachines() (out []enrol.Fixed) {
	for _, m := range en.core.c.Machines {
		out = append(out, enrol.Fixed{ID: m.ID, Key: m.Public})
	}
	return out
}

// bundleHandler serves the bundle to machines, with the same routes as Handler on loopback.
func (bs *bundleStore) bundleHandler() http.Handler {
	mux := http.NewServeMux()
	bs.serveBundle(mux)
	return mux
}

// bundleMembers returns the members of the bundle in force.
func (bs *bundleStore) bundleMembers(context.Context) (out []policy.MemberID, err error) {
	m, err := bs.store.Current()
	if err != nil {
		return nil, err
	}
	for i := range wire.Buckets {
		b, err := bs.store.Chunk(m, wire.RosterChunk(i))
		if err != nil {
			return nil, err
		}
		if b == nil {
			continue
		}
		var bucket wire.RosterBucket
		if err := wire.DecodeChunk(b, &bucket); err != nil {
			return nil, err
		}
		for _, x := range bucket.Members {
			out = append(out, policy.MemberID(x.ID))
		}
	}
	return out, nil
}

// applyMachines passes the keys and broker accounts of the enrolled machines to ledger, broker and fleet. If a
// machine is revoked, applyMachines removes the machine's key and account, and closes the machine's connection. A
// machine's key in hub.yaml is valid until the machine is enrolled or revoked.
func (en *enrolments) applyMachines(_ context.Context, all []enrol.Enrolled) error {
	replacing := map[policy.MachineID]string{}
	var errs []error
	for _, e := range all {
		if e.Revoked || e.Key == nil {
			en.core.ledger.Pin(e.ID, nil)
			if en.connector.broker != nil {
				errs = append(errs, en.connector.broker.Remove(string(e.ID)))
			}
			en.fleet.remove(e.ID)
			continue
		}
		if e.Replacing != "" {
			replacing[e.ID] = e.Replacing
		}
		en.core.ledger.Pin(e.ID, e.Key)
		if !en.fleet.has(e.ID) {
			errs = append(errs, en.fleet.know(e.ID))
		}
		if en.connector.broker != nil && e.Password != ([sha256.Size]byte{}) {
			errs = append(
				errs,
				en.connector.broker.Set(
					broker.Account{User: string(e.ID), PasswordHash: e.Password, As: broker.AsMachine, Machine: e.ID},
				),
			)
		}
	}
	en.mu.Lock()
	en.replacing = replacing
	en.mu.Unlock()
	return errors.Join(errs...)
}

// replaceAwaited replaces a machine's journal in the ledger with the machine's new journal, if an administrator allowed
// the replacement with the enrolment code. next is the generation of the new journal, as the machine reports it. The
// effect is that of «portillon machine replace».
func (en *enrolments) replaceAwaited(id policy.MachineID, next wire.Generation) {
	en.mu.Lock()
	by, awaited := en.replacing[id]
	en.mu.Unlock()
	if !awaited || next == "" {
		return
	}
	head, err := en.core.ledger.Head(id)
	if err == nil && head.Known {
		if head.Generation == next {
			return // the message is a retained state of the machine's previous computer
		}
		err = en.core.ledger.Replace(ledger.Replacement{Machine: id, Generation: next, By: by, Why: "enrolled with --replace",
			At: en.core.now().UTC().Truncate(time.Millisecond)})
	}
	if err == nil {
		err = en.machines.Machines.Replaced(context.Background(), id)
	}
	if err != nil {
		en.core.log.Error("journal not replaced", "machine", id, "generation", next, "err", err)
		return
	}
	en.mu.Lock()
	delete(en.replacing, id)
	en.mu.Unlock()
}

// orderMachine sends a command to a machine. If the machine is not enrolled yet, orderMachine returns the same error
// as for a machine that does not answer.
func (en *enrolments) orderMachine(ctx context.Context, m policy.MachineID, c wire.Command) (wire.Reply, error) {
	if !en.fleet.has(m) {
		return wire.Reply{}, &enrol.Unreachable{Machine: m}
	}
	r, err := en.commands.command(ctx, m, c)
	if errors.Is(err, ErrNoReply) {
		err = &enrol.Unreachable{Machine: m}
	}
	return r, err
}
