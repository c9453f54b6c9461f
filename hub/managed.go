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
	"portillon/hub/fault"
	"portillon/hub/httpd"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/store"
	"portillon/hub/web"
	"portillon/openbadge/fetch"
)

// ownBundleKey has a hub that keeps the site itself sign the bundles that it hands out.
func (h *Hub) ownBundleKey() (err error) {
	if !h.c.Managed() {
		return nil
	}
	b := &h.c.Bundle
	if b.Public, err = h.c.PublicKey(); err != nil {
		return err
	}
	if b.Key, err = note.NewVerifier(b.Public); err != nil {
		return err
	}
	if h.c.PolicyKey != "" {
		b.PolicyPublic = h.c.PolicyKey
		b.Policy, err = note.NewVerifier(h.c.PolicyKey)
	}
	return err
}

// openAudit opens the log of what administrators do.
func (h *Hub) openAudit() (err error) {
	if h.c.Managed() {
		h.audit, err = audit.New(audit.Options{Site: h.db.Site(h.c.Site), Signer: h.signer, Key: h.c.Bundle.Key, Now: h.now})
	}
	return err
}

// openManaged opens the services and their listener.
func (h *Hub) openManaged() error {
	if !h.c.Managed() {
		return nil
	}
	site := h.db.Site(h.c.Site)
	var err error
	h.policies.read, h.rebinds.wake = h.policyText, make(chan struct{}, 1)
	h.policies.changes, _ = site.Subscribe(store.Policy) // for as long as the hub runs
	if err := h.openCardKey(); err != nil {
		return err
	}
	if err := h.readSettings(context.Background()); err != nil {
		return err
	}
	if err := h.openServices(); err != nil {
		return err
	}
	if h.report, err = report.New(report.Options{Site: site, Records: ReportRecords{h.ledger, h.ledgerMachines}, Zone: h.zone, Names: h.names, Now: h.now, Log: h.log}); err != nil {
		return err
	}
	if err := h.firstPolicy(); err != nil {
		return err
	}
	return h.openPages()
}

// openServices opens directory, accounts and publishing, which ask each other through this hub.
func (h *Hub) openServices() error {
	site := h.db.Site(h.c.Site)
	documents := h.fetchDocuments
	switch {
	case h.offline:
		documents = nil
	case documents == nil:
		documents = fetch.New(fetch.Options{AllowHosts: h.c.Issuers}).For
	}
	var err error
	h.directory, err = directory.New(directory.Options{Site: site, Now: h.now, Log: h.log, Policy: h.policies.current, Audit: h.audit.Append,
		Taps:     h.unknownTaps,
		Practice: h.practice,
		CardHash: h.cardHash, OldCardKey: h.oldCardKey, OldCardHash: h.oldCardHash,
		Fetch: documents, Forget: h.forgetMember, Merged: h.mergeMember})
	if err != nil {
		return err
	}
	var sender account.Sender
	if h.c.Mail != "" {
		smtp, err := account.ReadSMTP(h.c.Mail)
		if err != nil {
			return fmt.Errorf("mail: %w", err)
		}
		sender = smtp.Sender()
	}
	h.accounts, err = account.New(account.Options{Site: site, Folder: h.c.Data, Log: h.log, Audit: h.audit, People: h.people(),
		URL: h.c.Web.URL, Mail: sender, Now: h.now, Request: requestOf, Refuse: h.refuseSignIn, Settings: h.siteNow})
	if err != nil {
		return err
	}
	if h.ownerCode, _, err = h.accounts.FirstOwner(); err != nil {
		return err
	}
	o := publish.Options{Site: site, Now: h.now, Log: h.log, Audit: h.audit.Append, Holders: h.holders,
		Build: h.builder(), Language: httpd.LanguageOf, Install: h.Bundles(), Keys: note.VerifierList(h.c.Bundle.Key), States: h.taken}
	if h.c.Bundle.Policy == nil {
		o.Signer, o.SignedBy = oneKey{h.signer}, h.signer.Name()
	} else {
		o.Verify = h.verifyPolicy
	}
	if h.publish, err = publish.New(o); err != nil {
		return err
	}
	if now, err := h.store.Current(); err == nil && len(h.store.Damaged(now)) > 0 {
		h.publish.Rebuild()
	}
	return nil
}

// starter is the policy of a new site: it opens nothing.
const starter = `# Qui peut quoi. Rien n’est ouvert : aucune machine n’est nommée ici. docs/site.md (en anglais) explique les mots.
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

// firstPolicy publishes the starter where there is no policy. A policy key on a laptop signs the first one itself.
func (h *Hub) firstPolicy() error {
	if h.c.Bundle.Policy != nil {
		return nil
	}
	ctx, by := context.Background(), actor.System("new site")
	var none *fault.NotFound
	if _, err := h.publish.Current(ctx, by); !errors.As(err, &none) {
		return err
	}
	_, err := h.publish.Publish(ctx, by, fmt.Sprintf(starter, h.c.Site), "new site", 0, nil)
	return err
}

// livePage is what pages show of the settings at this moment.
func (h *Hub) livePage() (name string, mail bool) {
	s := h.siteNow()
	return s.Title, s.Links && h.c.Mail != ""
}

// requestOf is a request's id and address, which the outermost handler found out for all others.
func requestOf(r *http.Request) (id, address string) {
	return httpd.ID(r.Context()), httpd.Address(r.Context()).String()
}

// refuseSignIn answers a request whose token or session the accounts refuse.
func (h *Hub) refuseSignIn(w http.ResponseWriter, r *http.Request, err error) {
	h.api.Refuse(w, r, err)
}

// openPages opens the listener for people: the pages, and the API below /api/v1.
func (h *Hub) openPages() error {
	var err error
	h.api, err = api.New(api.Options{Directory: h.directory, Machines: h.enrolment, CardKeys: h.cardKey, Policies: h.publish, Accounts: h.accounts,
		Reports: h.report, Hub: siteAdmin{h}, Version: h.program, Events: h.db.Site(h.c.Site), Status: account.Status, RetryAfter: account.RetryAfter, Log: h.log, Now: h.now,
		Session: func(r *http.Request) (actor.Actor, error) { return h.accounts.Actor(r), nil }, SessionNow: h.accounts.ActorNow})
	if err != nil {
		return err
	}
	h.pages, err = web.New(web.Options{Site: string(h.c.Site), Now: h.now, Log: h.log, Directory: h.directory, Machines: h.enrolment,
		CardKeys: h.cardKey, Policies: h.publish, Accounts: h.accounts, Reports: h.report, Version: h.program, Live: h.livePage,
		Who:         func(r *http.Request) (actor.Actor, error) { return h.accounts.Actor(r), nil },
		Address:     func(r *http.Request) string { return httpd.Address(r.Context()).String() },
		RequestID:   func(r *http.Request) string { return httpd.ID(r.Context()) },
		MachineName: h.policies.machineName, BadgeName: h.policies.badgeName, IssuerName: h.policies.issuerName, ZoneNow: h.policies.zone,
		PolicyMachines: h.policies.machineIDs, Trouble: h.databaseReason})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(api.Prefix+"/", h.api)
	mux.Handle("/", h.pages.Handler())
	handler, err := httpd.Handler(httpd.Options{Hosts: h.webHosts(), Proxies: h.c.Web.Proxies, Origins: h.webOrigins(), Log: h.log, Now: h.now},
		httpd.Health(h.ready, h.log, h.accounts.Handler(mux)))
	if err != nil {
		return err
	}
	h.webServer = httpd.Server(handler, h.log)
	if h.webListener, err = net.Listen("tcp", h.c.Web.Listen); err != nil {
		return fmt.Errorf("web: listen: %w", err)
	}
	return h.webTLS()
}

// webTLS puts the certificate for people in force: the site's, or one of the hub's own authority.
func (h *Hub) webTLS() error {
	w := h.c.Web
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	switch {
	case w.Cert == "":
		return nil
	case w.Cert == OwnCert && h.authority == nil:
		return errors.New("web: cert: own: the hub has no authority, want the keys machines-listen and name")
	case w.Cert == OwnCert:
		c.GetCertificate = h.authority.Server(h.c.Join.Name)
	default:
		cert, err := tls.LoadX509KeyPair(w.Cert, w.CertKey)
		if err != nil {
			return fmt.Errorf("web: cert: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	h.webListener = tls.NewListener(h.webListener, c)
	return nil
}

// webHosts are the names that browsers may use for this hub.
func (h *Hub) webHosts() []string {
	out := []string{"localhost", "127.0.0.1", "::1"}
	if h.c.Web.URL != nil {
		out = append(out, h.c.Web.URL.Hostname())
	}
	if h.c.Join.Name != "" {
		out = append(out, h.c.Join.Name)
	}
	return out
}

func (h *Hub) webOrigins() []string {
	if h.c.Web.URL == nil {
		return nil
	}
	return []string{h.c.Web.URL.String()}
}

// webURL is where people reach the hub; empty: nowhere.
func (h *Hub) webURL() string {
	switch l := h.webListener; {
	case l == nil:
		return ""
	case h.c.Web.URL != nil:
		return h.c.Web.URL.String()
	default:
		host, port, _ := net.SplitHostPort(l.Addr().String())
		scheme := "http"
		if h.c.Web.Cert != "" {
			scheme = "https"
		}
		if ip := net.ParseIP(host); scheme == "https" || ip != nil && ip.IsUnspecified() {
			host = h.c.Join.Name
		} else if ip != nil && ip.IsLoopback() {
			host = "localhost"
		}
		return scheme + "://" + net.JoinHostPort(host, port)
	}
}

// OwnerCode is the one-time code that makes the first owner; empty: there is an owner.
func (h *Hub) OwnerCode() string { return h.ownerCode }

// runManaged starts what a hub that keeps the site itself does until ctx ends.
func (h *Hub) runManaged(start func(func(context.Context) error)) {
	if h.webServer == nil {
		return
	}
	start(h.publish.Run)
	start(h.report.Run)
	start(h.accounts.RunMail)
	start(h.refreshBadges)
	start(h.rebindCards)
	start(h.servePages)
}

func (h *Hub) servePages(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- h.webServer.Serve(h.webListener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("web: %w", err)
	case <-ctx.Done():
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if h.webServer.Shutdown(bye) != nil {
		h.webServer.Close()
	}
	<-failed
	return nil
}

func (h *Hub) closeManaged() error {
	if h.webListener == nil {
		return nil
	}
	if err := h.webListener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
