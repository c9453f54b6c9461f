package hub

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/chunks"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// core has the dependencies that all parts of a hub share. New sets the fields of core before any part starts.
type core struct {
	c       Config
	log     *slog.Logger
	now     func() time.Time
	started time.Time
	program string // version of the program
	signer  note.Signer
	topics  wire.Topics
	db      *store.DB
	ledger  *ledger.Ledger
	// fetchDocuments returns a resolver that fetches documents from the web; nil: the hub's own HTTP client fetches them.
	fetchDocuments func(context.Context) openbadge.Resolver
	offline        bool
}

// newParts creates the parts of a hub. Each part gets references only to the parts that it calls.
func newParts(k *core) *Hub {
	bundles := &bundleStore{core: k, renewed: make(chan struct{}, 1)}
	bundles.chunks = chunks.New(chunks.Options{Served: bundles.isServed, Read: bundles.chunk})
	machines := &fleet{core: k, bundles: bundles, machines: map[policy.MachineID]*Machine{}}
	orders := &commands{core: k, fleet: machines, orders: make(chan order), waiting: map[string]chan wire.Reply{}}
	database := &health{core: k}
	keys := &cards{core: k}
	site := &services{core: k, fleet: machines, cards: keys}
	joined := &enrolments{core: k, fleet: machines, commands: orders, services: site}
	keys.enrolments, keys.services, bundles.services = joined, site, site
	received := &messages{core: k, fleet: machines, bundles: bundles, commands: orders, health: database, cards: keys,
		enrolments: joined, logDropped: mqtt.LogDropped(k.log, k.now)}
	link := &connector{core: k, fleet: machines, bundles: bundles, commands: orders, messages: received,
		heard: make(chan struct{})}
	joined.connector = link
	again := &restores{core: k, fleet: machines, messages: received, commands: orders}
	return &Hub{core: k, fleet: machines, bundles: bundles, commands: orders, health: database, cards: keys,
		services: site, enrolments: joined, connector: link,
		tags:        &tagKeeper{core: k, fleet: machines, commands: orders, restores: again},
		loopback:    &loopback{fleet: machines, connector: link, bundles: bundles},
		pagesServer: &pagesServer{core: k, services: site, issuing: &issuing{core: k, services: site}}}
}
