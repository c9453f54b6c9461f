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

// enrolments is what belongs to machines that join over the network. authority is nil where none does.
type enrolments struct {
	core      *core
	fleet     *fleet
	connector *connector
	commands  *commands
	services  *services

	authority *enrol.Authority // signs the machines' certificates
	siteCert  *siteCert        // the hub's certificate; nil: authority signs it
	machines  *enrol.Services  // nil: the hub keeps a site of files, and no machine joins
	listener  net.Listener
	returned  returnedPolicies

	mu        sync.Mutex
	replacing map[policy.MachineID]string // who let the machine's next journal in
}

// maxJoined is the largest number of machines that the broker inside accepts.
const maxJoined = 1000

// Authority is the hub's certificate authority; nil where no machine joins over the network.
func (h *Hub) Authority() *enrol.Authority { return h.enrolments.authority }

// Enrol is the enrolment of machines; nil where none joins over the network.
func (h *Hub) Enrol() *enrol.Services { return h.enrolments.machines }

// MachinesAddr is host:port of the machines' listener; empty: there is none.
func (h *Hub) MachinesAddr() string { return h.enrolments.addr() }

// addr is host:port of the machines' listener; empty: there is none.
func (en *enrolments) addr() string {
	if en.listener == nil {
		return ""
	}
	return en.listener.Addr().String()
}

// prepareJoin opens what the broker needs: the authority, which signs its certificate.
func (op *opening) prepareJoin() (err error) {
	if op.hub.core.c.Join.Listen == "" {
		return nil
	}
	if op.hub.core.c.Bundle.Key == nil {
		return errors.New("machines-listen: bundle: key: is missing: machines that join pin it")
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

// brokerTLS is the TLS configuration of the broker inside this program.
func (en *enrolments) brokerTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: en.machinesCert()}
}

// openJoin opens the enrolment and its listener, and brings the enrolled machines into force.
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

// openFixed lists the machines of a hub that keeps the site, and lets none join over the network: there is no
// machines-listen.
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

// serveJoin answers machines until ctx ends.
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

// closeJoin closes the machines' listener. A listener that Serve has closed is no error.
func (op *opening) closeJoin() error {
	var errs []error
	if l := op.hub.enrolments.listener; l != nil {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// fixedMachines are the machines of hub.yaml.
func (en *enrolments) fixedMachines() (out []enrol.Fixed) {
	for _, m := range en.core.c.Machines {
		out = append(out, enrol.Fixed{ID: m.ID, Key: m.Public})
	}
	return out
}

// bundleHandler serves machines as Handler serves loopback.
func (bs *bundleStore) bundleHandler() http.Handler {
	mux := http.NewServeMux()
	bs.serveBundle(mux)
	return mux
}

// bundleMembers are the members of the bundle in force.
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

// applyMachines brings the enrolled machines into force: the key of their records, their account at the broker. A
// revoked machine loses both, and its connection. The one of hub.yaml counts until its machine is enrolled or revoked.
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

// replaceAwaited lets the journal in that an enrolled machine begins in the place of the one held, once the machine has
// said its generation: an administrator made the code for it. The act is that of «portillon machine replace».
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
			return // retained from the computer before
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

// orderMachine gives an order to a machine. One that is not enrolled yet is as one that does not answer.
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
