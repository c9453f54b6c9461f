package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/api"
	"portillon/hub/audit"
	"portillon/hub/directory"
	"portillon/hub/display"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/hub/httpd"
	"portillon/hub/maintenance"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/search"
	"portillon/hub/store"
	"portillon/hub/training"
	"portillon/hub/visitor"
	"portillon/hub/web"
	"portillon/openbadge/fetch"
)

// ownBundleKey makes the hub's own key the key of bundles, if the hub manages the site.
func (op *opening) ownBundleKey() (err error) {
	if !op.hub.core.c.Managed() {
		return nil
	}
	b := &op.hub.core.c.Bundle
	if b.Public, err = op.hub.core.c.PublicKey(); err != nil {
		return err
	}
	if b.Key, err = note.NewVerifier(b.Public); err != nil {
		return err
	}
	if op.hub.core.c.PolicyKey != "" {
		b.PolicyPublic = op.hub.core.c.PolicyKey
		b.Policy, err = note.NewVerifier(op.hub.core.c.PolicyKey)
	}
	return err
}

// openAudit opens the audit log.
func (op *opening) openAudit() (err error) {
	if op.hub.core.c.Managed() {
		op.hub.services.audit, err = audit.New(
			audit.Options{
				Site:   op.hub.core.db.Site(op.hub.core.c.Site),
				Signer: op.hub.core.signer,
				Key:    op.hub.core.c.Bundle.Key,
				Now:    op.hub.core.now,
			},
		)
	}
	return err
}

// openManaged opens the services of the site and the listener for people.
func (op *opening) openManaged() error {
	if !op.hub.core.c.Managed() {
		return nil
	}
	site := op.hub.core.db.Site(op.hub.core.c.Site)
	var err error
	op.hub.services.policies.read, op.hub.cards.rebinds.wake = op.hub.services.policyText, make(chan struct{}, 1)
	op.hub.services.policies.changes, _ = site.Subscribe(store.Policy) // the subscription lasts until the hub is closed
	if err := op.openCardKey(); err != nil {
		return err
	}
	if err := op.hub.services.readSettings(context.Background()); err != nil {
		return err
	}
	if err := op.openServices(); err != nil {
		return err
	}
	if op.hub.services.report, err = report.New(report.Options{Site: site,
		Records: ReportRecords{op.hub.core.ledger, op.hub.enrolments.ledgerMachines}, Zone: op.hub.services.zone,
		Names: op.hub.services.names, Now: op.hub.core.now, Log: op.hub.core.log}); err != nil {
		return err
	}
	if err := openMaintenance(op.hub); err != nil {
		return err
	}
	if err := op.firstPolicy(); err != nil {
		return err
	}
	if err := openIssuing(op.hub); err != nil {
		return err
	}
	if err := openTrainings(op.hub); err != nil {
		return err
	}
	if err := openDisplay(op.hub); err != nil {
		return err
	}
	if err := openVisitors(op.hub); err != nil {
		return err
	}
	openSearch(op.hub)
	return op.openPages()
}

// openServices opens directory, accounts and publishing, which call each other through functions of this hub. The
// directory is opened first, because services.people passes functions of the directory to the accounts.
func (op *opening) openServices() error {
	if err := op.openDirectory(); err != nil {
		return err
	}
	if err := op.openAccounts(); err != nil {
		return err
	}
	return op.openPublishing()
}

// openDirectory opens the directory: members, cards and badges.
func (op *opening) openDirectory() error {
	site := op.hub.core.db.Site(op.hub.core.c.Site)
	documents := op.hub.core.fetchDocuments
	switch {
	case op.hub.core.offline:
		documents = nil
	case documents == nil:
		documents = fetch.New(fetch.Options{AllowHosts: op.hub.core.c.Issuers}).For
	}
	lists, err := op.hub.services.lists()
	if err != nil {
		return err
	}
	op.hub.services.directory, err = directory.New(
		directory.Options{
			Site:        site,
			Now:         op.hub.core.now,
			Log:         op.hub.core.log,
			Policy:      op.hub.services.policies.current,
			Audit:       op.hub.services.audit.Append,
			Taps:        op.hub.services.unknownTaps,
			Practice:    op.hub.services.practice,
			PracticeOf:  op.hub.services.practiceOf,
			States:      op.hub.services.machineStates,
			Achieved:    op.hub.services.achieved,
			RecordsOf:   op.hub.services.recordsOf,
			CardHash:    op.hub.cards.cardHash,
			OldCardKey:  op.hub.cards.oldCardKey,
			OldCardHash: op.hub.cards.oldCardHash,
			Fetch:       op.hub.pagesServer.issuing.documents(documents),
			Forget:      op.hub.pagesServer.forgetMember,
			Merged:      op.hub.pagesServer.mergeMember,
			Lists:       lists,
			Tell:        op.hub.services.tellOfList,
		},
	)
	return err
}

// openAccounts opens the accounts of people, with their sessions and tokens.
func (op *opening) openAccounts() error {
	site := op.hub.core.db.Site(op.hub.core.c.Site)
	var err error
	var sender account.Sender
	if op.hub.core.c.Mail != "" {
		smtp, err := account.ReadSMTP(op.hub.core.c.Mail)
		if err != nil {
			return fmt.Errorf("mail: %w", err)
		}
		sender = smtp.Sender()
	}
	op.hub.services.accounts, err = account.New(
		account.Options{
			Site:     site,
			Folder:   op.hub.core.c.Data,
			Log:      op.hub.core.log,
			Audit:    op.hub.services.audit,
			People:   op.hub.pagesServer.people(),
			URL:      op.hub.core.c.Web.URL,
			Mail:     sender,
			Now:      op.hub.core.now,
			Request:  requestOf,
			Refuse:   op.hub.pagesServer.refuseSignIn,
			Settings: op.hub.services.siteNow,
		},
	)
	if err != nil {
		return err
	}
	op.hub.services.ownerCode, _, err = op.hub.services.accounts.Ownership.FirstOwner()
	return err
}

// openPublishing opens the services for policy and bundles. If the disk has damaged a bundle, the hub builds a new
// bundle.
func (op *opening) openPublishing() (err error) {
	site := op.hub.core.db.Site(op.hub.core.c.Site)
	o := publish.Options{
		Site:     site,
		Now:      op.hub.core.now,
		Log:      op.hub.core.log,
		Audit:    op.hub.services.audit.Append,
		Holders:  op.hub.services.holders,
		Records:  decidedRecords{op.hub.core.ledger.Decisions()},
		Names:    op.hub.services.names,
		Build:    op.hub.services.builder(),
		Language: httpd.LanguageOf,
		Install:  op.hub.Bundles(),
		Keys:     note.VerifierList(op.hub.core.c.Bundle.Key),
		States:   op.hub.services.taken,
	}
	if op.hub.core.c.Bundle.Policy == nil {
		o.Signer, o.SignedBy = bundleKeySigner{op.hub.core.signer}, op.hub.core.signer.Name()
	} else {
		o.Verify = op.hub.services.verifyPolicy
	}
	if op.hub.services.publish, err = publish.New(o); err != nil {
		return err
	}
	if now, err := op.hub.bundles.store.Current(); err == nil && len(op.hub.bundles.store.Damaged(now)) > 0 {
		op.hub.services.publish.Builder.Rebuild()
	}
	return nil
}

// starterPolicy is the policy of a new site. Under starterPolicy, no member has any right.
const starterPolicy = `# Qui peut quoi.` +
	` Rien n’est ouvert : aucune machine n’est nommée ici. docs/site.md (en anglais) explique les mots.
# Who may do what. Nothing is open yet: this policy names no machine. docs/site.md explains the keys.
portillon: 1
site: %s
language: fr
timezone: Europe/Paris
issuers: {}
badges: {}
roles: [learner, user, host, mentor, maintainer]
machines: {}
`

// firstPolicy publishes starter if the site has no policy. If the policy key is on another computer, the site begins
// without a policy, because the hub cannot sign a policy.
func (op *opening) firstPolicy() error {
	if op.hub.core.c.Bundle.Policy != nil {
		return nil
	}
	ctx, by := context.Background(), actor.System("new site")
	var none *fault.NotFound
	if _, err := op.hub.services.publish.Policies.Current(ctx, by); !errors.As(err, &none) {
		return err
	}
	text := fmt.Sprintf(starterPolicy, op.hub.core.c.Site)
	_, err := op.hub.services.publish.Policies.Publish(ctx, by, text, "new site", 0, nil)
	return err
}

// pagesServer serves the pages and the API.
type pagesServer struct {
	core     *core
	services *services
	issuing  *issuing
	display  *display.Services
	search   *search.Service
	visitors *visitor.Services

	// Only pages and API call these services. training is nil if the hub issues no badges.
	maintenance *maintenance.Service
	training    *training.Service

	api      *api.API
	pages    *web.Pages
	server   *http.Server
	listener net.Listener
}

// livePage returns the current settings that pages display: the site's name, and whether members may sign in by e-mail.
func (p *pagesServer) livePage() (name string, mail bool) {
	s := p.services.siteNow()
	return s.Title, s.Links && p.core.c.Mail != ""
}

// requestActor returns the actor that account.Requests stored for a request. The returned error is always nil.
func requestActor(r *http.Request) (actor.Actor, error) { return account.ActorOf(r.Context()), nil }

// requestOf returns a request's id and address, which the outermost handler stored in the context.
func requestOf(r *http.Request) (id, address string) {
	return httpd.ID(r.Context()), httpd.Address(r.Context()).String()
}

// refuseSignIn answers a request whose token or session is invalid.
func (p *pagesServer) refuseSignIn(w http.ResponseWriter, r *http.Request, err error) {
	p.api.Refuse(w, r, err)
}

// openPages opens the listener for people: the pages, and the API below /api/v1.
func (op *opening) openPages() error {
	var err error
	if op.hub.pagesServer.api, err = newAPI(op.hub); err != nil {
		return err
	}
	if op.hub.pagesServer.pages, err = newPages(op.hub); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(api.Prefix+"/", op.hub.pagesServer.api)
	op.hub.pagesServer.issuing.handle(mux)
	mux.Handle("/", op.hub.pagesServer.pages.Handler())
	handler, err := httpd.Handler(
		httpd.Options{
			Hosts:   op.hub.pagesServer.hosts(),
			Proxies: op.hub.core.c.Web.Proxies,
			Origins: op.hub.pagesServer.origins(),
			Log:     op.hub.core.log,
			Now:     op.hub.core.now,
		},
		httpd.Health(op.hub.health.ready, op.hub.core.log,
			op.hub.pagesServer.pages.Public(op.hub.services.accounts.Requests.Handler(mux))),
	)
	if err != nil {
		return err
	}
	op.hub.pagesServer.server = httpd.Server(handler, op.hub.core.log)
	if op.hub.pagesServer.listener, err = net.Listen("tcp", op.hub.core.c.Web.Listen); err != nil {
		return fmt.Errorf("web: listen: %w", err)
	}
	return op.hub.pagesServer.startTLS(op.hub.enrolments.authority)
}

// newAPI creates the API with the hub's services.
func newAPI(h *Hub) (*api.API, error) {
	return api.New(
		api.Options{
			Directory:  apiDirectory(h.services.directory),
			Machines:   h.enrolments.machines.Machines,
			Codes:      h.enrolments.machines.Codes,
			Orders:     h.enrolments.machines.Orders,
			CardKeys:   h.services.cardKey,
			Issuing:    h.pagesServer.issuing.forAPI(),
			Policies:   h.services.publish.Policies,
			Drafts:     h.services.publish.Drafts,
			Bundles:    h.services.publish.Bundles,
			Accounts:   apiAccounts(h.services.accounts, h.services.audit),
			Reports:    h.services.report,
			Hub:        siteAdmin{h},
			Search:     h.pagesServer.search,
			Visitors:   h.pagesServer.visitors.Desk,
			Version:    h.core.program,
			Events:     h.core.db.Site(h.core.c.Site),
			Status:     account.Status,
			RetryAfter: account.RetryAfter,
			Log:        h.core.log,
			Now:        h.core.now,
			Session:    requestActor,
			SessionNow: h.services.accounts.Sessions.ActorNow,

			Maintenance: h.pagesServer.maintenance,
		},
	)
}

// newPages creates the pages with the hub's services.
func newPages(h *Hub) (*web.Pages, error) {
	return web.New(
		web.Options{
			Site:           string(h.core.c.Site),
			Now:            h.core.now,
			Log:            h.core.log,
			Directory:      pageDirectory(h.services.directory),
			Machines:       h.enrolments.machines.Machines,
			Codes:          h.enrolments.machines.Codes,
			Orders:         h.enrolments.machines.Orders,
			CardKeys:       h.services.cardKey,
			Issuing:        h.pagesServer.issuing.forPages(),
			Policies:       h.services.publish.Policies,
			Drafts:         h.services.publish.Drafts,
			Bundles:        h.services.publish.Bundles,
			Accounts:       pageAccounts(h.services.accounts, h.services.audit),
			Reports:        h.services.report,
			Display:        pageDisplay(h.pagesServer.display),
			Visitors:       pageVisitors(h.pagesServer.visitors),
			Search:         h.pagesServer.search,
			Maintenance:    h.pagesServer.maintenance,
			OwnBadges:      h.pagesServer.issuing.ownBadges(),
			Trainings:      h.pagesServer.trainingPages(),
			Version:        h.core.program,
			Live:           h.pagesServer.livePage,
			Who:            requestActor,
			Address:        func(r *http.Request) string { return httpd.Address(r.Context()).String() },
			RequestID:      func(r *http.Request) string { return httpd.ID(r.Context()) },
			MachineName:    h.services.policies.machineName,
			BadgeName:      h.services.policies.badgeName,
			IssuerName:     h.services.policies.issuerName,
			ZoneNow:        h.services.policies.zone,
			PolicyMachines: h.services.policies.machineIDs,
			Trouble:        h.health.databaseReason,
		},
	)
}

// startTLS makes the listener use TLS if hub.yaml has web: cert:. The certificate is the site's own or is signed by
// authority, which is nil if the hub has no authority.
func (p *pagesServer) startTLS(authority *enrol.Authority) error {
	w := p.core.c.Web
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case w.Cert == "":
		return nil
	case w.Cert == OwnCert && authority == nil:
		return errors.New("web: cert: own: the hub has no authority, want the keys machines-listen and name")
	case w.Cert == OwnCert:
		c.GetCertificate = authority.Server(p.core.c.Join.Name)
	default:
		cert, err := tls.LoadX509KeyPair(w.Cert, w.CertKey)
		if err != nil {
			return fmt.Errorf("web: cert: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	p.listener = tls.NewListener(p.listener, c)
	return nil
}

// hosts returns the host names by which browsers may address this hub.
func (p *pagesServer) hosts() []string {
	out := []string{"localhost", "127.0.0.1", "::1"}
	if p.core.c.Web.URL != nil {
		out = append(out, p.core.c.Web.URL.Hostname())
	}
	if p.core.c.Join.Name != "" {
		out = append(out, p.core.c.Join.Name)
	}
	return out
}

// origins returns the web origins, other than this hub's hosts, whose pages may send changes; nil: there are none.
func (p *pagesServer) origins() []string {
	if p.core.c.Web.URL == nil {
		return nil
	}
	return []string{p.core.c.Web.URL.String()}
}

// webURL returns the hub's address for people; empty: the hub has no pages.
func (p *pagesServer) webURL() string {
	switch l := p.listener; {
	case l == nil:
		return ""
	case p.core.c.Web.URL != nil:
		return p.core.c.Web.URL.String()
	default:
		host, port, _ := net.SplitHostPort(l.Addr().String())
		scheme := "http"
		if p.core.c.Web.Cert != "" {
			scheme = "https"
		}
		if ip := net.ParseIP(host); scheme == "https" || ip != nil && ip.IsUnspecified() {
			host = p.core.c.Join.Name
		} else if ip != nil && ip.IsLoopback() {
			host = "localhost"
		}
		return scheme + "://" + net.JoinHostPort(host, port)
	}
}

// OwnerCode returns the one-time code that creates the first owner; empty: there is an owner.
func (h *Hub) OwnerCode() string { return h.services.ownerCode }

// runManaged starts the tasks of a hub that manages the site. The tasks run until ctx ends.
func (op *opening) runManaged(start func(func(context.Context) error)) {
	if op.hub.pagesServer.server == nil {
		return
	}
	start(op.hub.services.publish.Builder.Run)
	start(op.hub.services.report.Run)
	start(func(ctx context.Context) error {
		k := op.hub.core
		return packDecisions(ctx, k.ledger.Decisions(), k.db.Site(k.c.Site), k.log)
	})
	start(op.hub.pagesServer.maintenance.Run)
	start(op.hub.pagesServer.visitors.Keeper.Run)
	start(op.hub.services.accounts.Outbox.Run)
	start(op.hub.services.refreshBadges)
	start(op.hub.services.directory.Sources.Run)
	start(op.hub.cards.rebindCards)
	if s := op.hub.pagesServer.issuing.service; s != nil {
		start(s.Run)
	}
	start(op.hub.pagesServer.servePages)
}

// servePages serves the pages and the API until ctx ends. When ctx ends, running requests have two seconds to finish.
func (p *pagesServer) servePages(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- p.server.Serve(p.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("web: %w", err)
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if p.server.Shutdown(bye) != nil {
		p.server.Close()
	}
	<-failed
	return nil
}

// closeManaged closes the listener for people. closeManaged ignores the error of a listener that servePages has closed.
func (op *opening) closeManaged() error {
	if op.hub.pagesServer.listener == nil {
		return nil
	}
	if err := op.hub.pagesServer.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
