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

// maxJoined is for how many machines the broker inside has room.
const maxJoined = 1000

// Authority is the hub's certificate authority; nil where no machine joins over the network.
func (h *Hub) Authority() *enrol.Authority { return h.authority }

// Enrol is the enrolment of machines; nil where none joins over the network.
func (h *Hub) Enrol() *enrol.Service { return h.enrolment }

// MachinesAddr is host:port of the machines' listener; empty: there is none.
func (h *Hub) MachinesAddr() string {
	if h.machinesListener == nil {
		return ""
	}
	return h.machinesListener.Addr().String()
}

// prepareJoin opens what the broker needs: the authority, which signs its certificate.
func (h *Hub) prepareJoin() (err error) {
	if h.c.Join.Listen == "" {
		return nil
	}
	if h.c.Bundle.Key == nil {
		return errors.New("machines-listen: bundle: key: is missing: machines that join pin it")
	}
	if h.c.Join.Cert != "" {
		if h.siteCert, err = openSiteCert(h.c.Join, h.now, h.log.Error); err != nil {
			return err
		}
	}
	h.authority, err = enrol.OpenAuthority(filepath.Join(h.c.Data, "authority"), h.c.Site, h.now)
	return err
}

func (h *Hub) brokerTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: h.machinesCert()}
}

// openJoin opens the enrolment and its listener, and brings the enrolled machines into force.
func (h *Hub) openJoin() (err error) {
	a := h.authority
	if a == nil {
		return h.openFixed()
	}
	hubKey, err := h.c.PublicKey()
	if err != nil {
		return err
	}
	if h.machinesListener, err = net.Listen("tcp", h.c.Join.Listen); err != nil {
		return fmt.Errorf("machines-listen: %w", err)
	}
	_, port, _ := net.SplitHostPort(h.machinesListener.Addr().String())
	_, mqttPort, _ := net.SplitHostPort(h.broker.Addr())
	o := enrol.Options{
		Site: h.db.Site(h.c.Site), Now: h.now, Log: h.log, Authority: a, Server: h.machinesCert(), Signer: h.signer, Name: h.c.Join.Name,
		Pins:    wire.Pins{Site: h.c.Site, CA: h.machinesCA(), PolicyKey: h.c.Bundle.Public, HubKey: hubKey},
		Address: "https://" + net.JoinHostPort(h.c.Join.Name, port), Broker: "ssl://" + net.JoinHostPort(h.c.Join.Name, mqttPort),
		CardKeys: h.cardKeys, Fixed: h.fixedMachines, Bundle: h.bundleHandler(), Members: h.bundleMembers, Credential: h.credential,
		Version:  func() uint64 { _, v := h.current(); return v },
		Standing: h.standing, Command: h.orderMachine, Apply: h.applyMachines}
	if h.audit != nil {
		o.Audit = h.audit.Append
		o.ReturnedManifest, o.ReturnedPolicy = h.takeManifest, h.takePolicy
	}
	if h.c.Bundle.PolicyPublic != "" {
		o.Pins.PolicyKey = h.c.Bundle.PolicyPublic
	}
	h.enrolment, err = enrol.New(context.Background(), o)
	return err
}

// openFixed lists the machines of a hub that keeps the site, and lets none join over the network: there is no
// machines-listen.
func (h *Hub) openFixed() (err error) {
	if !h.c.Managed() {
		return nil
	}
	a, err := enrol.OpenAuthority(filepath.Join(h.c.Data, "authority"), h.c.Site, h.now)
	if err != nil {
		return err
	}
	hubKey, err := h.c.PublicKey()
	if err != nil {
		return err
	}
	h.enrolment, err = enrol.New(context.Background(), enrol.Options{
		Site: h.db.Site(h.c.Site), Now: h.now, Log: h.log, Authority: a, Signer: h.signer, Name: "localhost",
		Pins: wire.Pins{Site: h.c.Site, CA: a.Certificate(), PolicyKey: cmp.Or(h.c.Bundle.PolicyPublic,
			h.c.Bundle.Public), HubKey: hubKey},
		CardKeys: h.cardKeys, Fixed: h.fixedMachines, Members: h.bundleMembers, Audit: h.audit.Append,
		Version:  func() uint64 { _, v := h.current(); return v },
		Standing: h.standing, Command: h.command, Apply: h.applyMachines})
	return err
}

// serveJoin answers machines until ctx ends.
func (h *Hub) serveJoin(ctx context.Context) error {
	if host, _, err := net.SplitHostPort(h.c.Join.Listen); err == nil && !onLoopback(net.JoinHostPort(host, "0")) {
		var announcing sync.WaitGroup
		ctx, cancel := context.WithCancel(ctx)
		announcing.Go(func() { h.announceAll(ctx) })
		defer announcing.Wait()
		defer cancel()
	}
	if err := h.enrolment.Serve(ctx, h.machinesListener); err != nil {
		return fmt.Errorf("machines-listen: %w", err)
	}
	return nil
}

func (h *Hub) closeJoin() error {
	var errs []error
	if l := h.machinesListener; l != nil {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (h *Hub) fixedMachines() (out []enrol.Fixed) {
	for _, m := range h.c.Machines {
		out = append(out, enrol.Fixed{ID: m.ID, Key: m.Public})
	}
	return out
}

// bundleHandler serves machines as Handler serves loopback.
func (h *Hub) bundleHandler() http.Handler {
	mux := http.NewServeMux()
	h.serveBundle(mux)
	return mux
}

// bundleMembers are the members of the bundle in force.
func (h *Hub) bundleMembers(context.Context) (out []policy.MemberID, err error) {
	m, err := h.store.Current()
	if err != nil {
		return nil, err
	}
	for i := range wire.Buckets {
		b, err := h.store.Chunk(m, wire.RosterChunk(i))
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

// know adds a machine whose records count.
func (h *Hub) know(id policy.MachineID) error {
	head, err := h.ledger.Head(id)
	if err != nil {
		return err
	}
	was := &Machine{ID: id, Held: head.Seq}
	if err := h.recall(context.Background(), was); err != nil {
		h.log.Warn("state of a machine not read", "machine", id, "err", err)
	}
	h.mu.Lock()
	if h.machines[id] == nil {
		h.machines[id] = was
	}
	h.mu.Unlock()
	if _, err := h.takeAlerts(id, 0); errors.Is(err, ledger.ErrChanged) {
		h.log.Error("record changed", "err", err) // records are still taken; whatever reads this one says so
	} else if err != nil {
		return err
	}
	return nil
}

// applyMachines brings the enrolled machines into force: the key of their records, their account at the broker. A
// revoked machine loses both, and its connection. The one of hub.yaml counts until its machine is enrolled or revoked.
func (h *Hub) applyMachines(_ context.Context, all []enrol.Enrolled) error {
	replacing := map[policy.MachineID]string{}
	var errs []error
	for _, e := range all {
		if e.Revoked || e.Key == nil {
			h.ledger.Pin(e.ID, nil)
			if h.broker != nil {
				errs = append(errs, h.broker.Remove(string(e.ID)))
			}
			h.mu.Lock()
			delete(h.machines, e.ID)
			h.mu.Unlock()
			continue
		}
		if e.Replacing != "" {
			replacing[e.ID] = e.Replacing
		}
		h.ledger.Pin(e.ID, e.Key)
		h.mu.Lock()
		known := h.machines[e.ID] != nil
		h.mu.Unlock()
		if !known {
			errs = append(errs, h.know(e.ID))
		}
		if h.broker != nil && e.Password != ([sha256.Size]byte{}) {
			errs = append(errs, h.broker.Set(broker.Account{User: string(e.ID), PasswordHash: e.Password, As: broker.AsMachine, Machine: e.ID}))
		}
	}
	h.mu.Lock()
	h.replacing = replacing
	h.mu.Unlock()
	return errors.Join(errs...)
}

// replaceAwaited lets the journal in that an enrolled machine begins in the place of the one held, once the machine has
// said its generation: an administrator made the code for it. The act is that of «portillon machine replace».
func (h *Hub) replaceAwaited(id policy.MachineID, next wire.Generation) {
	h.mu.Lock()
	by, awaited := h.replacing[id]
	h.mu.Unlock()
	if !awaited || next == "" {
		return
	}
	head, err := h.ledger.Head(id)
	if err == nil && head.Known {
		if head.Generation == next {
			return // retained from the computer before
		}
		err = h.ledger.Replace(ledger.Replacement{Machine: id, Generation: next, By: by, Why: "enrolled with --replace",
			At: h.now().UTC().Truncate(time.Millisecond)})
	}
	if err == nil {
		err = h.enrolment.Replaced(context.Background(), id)
	}
	if err != nil {
		h.log.Error("journal not replaced", "machine", id, "generation", next, "err", err)
		return
	}
	h.mu.Lock()
	delete(h.replacing, id)
	h.mu.Unlock()
}

// standing is how a machine stands, for the enrolment's list.
func (h *Hub) standing(id policy.MachineID) (out enrol.Standing) {
	h.change(id, func(m *Machine) {
		out = enrol.Standing{Online: m.Online, Seen: m.Seen, Held: m.Held, RefuseOf: m.Trouble}
		if s := m.newest(); s != nil {
			out.Phase, out.Program, out.Bundle, out.Records = s.Phase, s.Program, s.Bundle, s.Journal
			out.Clock, out.Disk, out.Refused = s.Clock, s.Disk, s.BundleRefused
			out.Keys = s.StateKeys
			if s.SilentScreen != "" {
				out.Faults = append(out.Faults, "screen: "+s.SilentScreen)
			}
			if s.UnackedWhy != "" {
				out.Faults = append(out.Faults, "uplink: "+s.UnackedWhy)
			}
		}
		if m.Dropped != nil {
			out.Faults = append(out.Faults, "message too large")
		}
	})
	_, out.Wanted = h.current()
	log := h.logOf(id)
	out.Session, out.Tags = log.session, log.tags
	return out
}

// orderMachine gives an order to a machine. One that is not enrolled yet is as one that does not answer.
func (h *Hub) orderMachine(ctx context.Context, m policy.MachineID, c wire.Command) (wire.Reply, error) {
	if !h.change(m, func(*Machine) {}) {
		return wire.Reply{}, &enrol.Unreachable{Machine: m}
	}
	r, err := h.command(ctx, m, c)
	if errors.Is(err, ErrNoReply) {
		err = &enrol.Unreachable{Machine: m}
	}
	return r, err
}
