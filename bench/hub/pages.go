package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portillon/hub"
)

const (
	pagesMembers = 10_000                // number of members of the site
	pagesRecords = 1_000_000             // number of records in the hub's ledger
	pagesTimes   = 200                   // largest number of requests for each address
	pagesLong    = 2 * time.Second       // longest time that the measurements of one address may take
	readMost     = 20 * time.Millisecond // limit for the 99th percentile of the time of an API read
	pageMost     = 30 * time.Millisecond // limit for the 99th percentile of the time of a page
	pageBytes    = 60_000                // largest allowed size of a page, in bytes
)

// pages measures each page, and each API read that returns pages of a list, over HTTP, with the same requests as an
// administrator's browser. The site has 10,000 members, who have 5 badges each, and a million records. For
// comparison, it measures a bare SELECT that returns the same number of rows and is rendered with a template.
func pages(ctx context.Context, o options) (err error) {
	s, err := openPagesSite(o, pagesMembers, pagesRecords)
	if err != nil {
		return err
	}
	h, stop, err := s.start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	b := &pagesBrowser{base: h.WebURL()}
	if err := b.signIn(ctx); err != nil {
		return err
	}
	if err := errors.Join(b.waitForCounts(ctx, o), waitUntilIdle(ctx)); err != nil {
		return err
	}
	o.out(
		fmt.Sprintf(
			"  %d members, %d badges each, %d records, at most %d answers an address; read: p99 ≤ %v, page: p99 ≤ %v and ≤ "+
				"%d bytes",
			s.members,
			pagesBadges,
			s.records,
			pagesTimes,
			readMost,
			pageMost,
			pageBytes,
		),
	)
	bare, err := s.bare(ctx)
	if err != nil {
		return err
	}
	defer bare.close()
	slow := 0
	o.out("  address                                        p50 ms   p99 ms  cpu ms   bytes   bare p50      p99     cpu")
	for _, path := range pagesAddresses() {
		ok, err := b.measure(ctx, o, path, bare)
		if err != nil {
			return err
		}
		if !ok {
			slow++
		}
	}
	if slow > 0 {
		return fmt.Errorf("%d addresses exceed the limits of time or size, want none", slow)
	}
	return nil
}

// pagesAddresses returns the addresses of all lists of the API and of all web pages.
func pagesAddresses() []string {
	year := "from=" + time.Now().AddDate(-1, 0, 1).Format(time.DateOnly) + "&to=" + time.Now().Format(time.DateOnly)
	month := "from=" + time.Now().AddDate(0, 0, -29).Format(time.DateOnly) + "&to=" + time.Now().Format(time.DateOnly)
	return []string{
		"/api/v1/members", "/api/v1/members?limit=500", "/api/v1/members?text=nom-compose99", "/api/v1/members?text=nobody",
		"/api/v1/members?state=lapsed", "/api/v1/members?state=ending", "/api/v1/members?machine=machine-07",
		"/api/v1/members?badge=badge-3", "/api/v1/members/m-005000", "/api/v1/taps", "/api/v1/endings", "/api/v1/machines",
		"/api/v1/policy", "/api/v1/policy/versions", "/api/v1/bundle", "/api/v1/accounts", "/api/v1/audit",
		"/api/v1/reports/uses?" + month, "/api/v1/reports/uses?" + year, "/api/v1/reports/uses?machine=machine-07&" + month,
		"/api/v1/reports/weeks?" + month, "/api/v1/reports/weeks?" + year, "/api/v1/reports/refusals?" + month,
		"/api/v1/reports/refusals?" + year, "/api/v1/hub",
		"/today", "/members", "/members?q=nom-compose99", "/members?state=lapsed", "/members?machine=machine-07",
		"/members/m-005000", "/members/m-005000/merge", "/members/m-005000/erase", "/members/new", "/members/import",
		"/cards",
		"/cards?state=lost", "/cards?q=compose99", "/cards?state=idle", "/machines", "/machines/machine-07", "/policy",
		"/policy/versions/2", "/reports", "/reports?" + year, "/reports?machine=machine-07&" + year, "/settings",
		"/settings/tokens", "/settings/accounts", "/settings/audit", "/about",
	}
}

// start opens the hub; if the folder is new, start first fills it.
func (s *pagesSite) start(ctx context.Context, o options) (h *hub.Hub, stop func() error, err error) {
	if !s.existing {
		if err := s.make(ctx, o); err != nil {
			return nil, nil, err
		}
	}
	return s.run(ctx)
}

// run opens the hub without a log, so that the time of logging is not measured. The returned function stop ends the
// hub and releases its resources.
func (s *pagesSite) run(ctx context.Context) (*hub.Hub, func() error, error) {
	h, err := hub.New(s.config, hub.Options{})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return h, func() error {
		cancel()
		err := <-done
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return errors.Join(err, h.Close())
	}, nil
}

// make creates the first owner and publishes the policy through the web pages. After that, make fills the tables.
func (s *pagesSite) make(ctx context.Context, o options) error {
	h, stop, err := s.run(ctx)
	if err != nil {
		return err
	}
	b := &pagesBrowser{base: h.WebURL()}
	err = b.post(
		ctx,
		"/code/owner",
		url.Values{"code": {h.OwnerCode()}, "name": {pagesAccount}, "password": {pagesPassword}},
	)
	if err == nil {
		err = b.post(ctx, "/policy/publish", url.Values{"text": {s.policyText()}, "comment": {"bench"}, "of": {"1"}})
	}
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	began := time.Now()
	if err := s.fill(ctx); err != nil {
		return err
	}
	fmt.Fprintf(o.log, "pages: tables filled in %v\n", time.Since(began).Round(time.Second))
	return os.WriteFile(filepath.Join(s.dir, "made"), nil, 0o600)
}

// pagesBrowser is the browser of an administrator.
type pagesBrowser struct {
	base string
	c    http.Client
}

// signIn signs in the owner of the hub.
func (b *pagesBrowser) signIn(ctx context.Context) error {
	return b.post(ctx, "/sign-in", url.Values{"name": {pagesAccount}, "password": {pagesPassword}})
}

// post sends a form, and returns an error unless the answer is a redirect.
func (b *pagesBrowser) post(ctx context.Context, path string, v url.Values) error {
	if b.c.Jar == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return err
		}
		b.c = http.Client{
			Jar:           jar,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+path, strings.NewReader(v.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := b.c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("POST %s: %s: %s", path, resp.Status, text)
	}
	return nil
}

// get reads the whole answer of an address, and returns how long this took.
func (b *pagesBrowser) get(ctx context.Context, path string) (body []byte, took time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Accept-Language", "fr")
	began := time.Now()
	resp, err := b.c.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	took = time.Since(began)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.300s", path, resp.Status, body)
	}
	return body, took, err
}

// pagesBundle is the longest time to wait until the hub has built the bundle of all members. The pages do not need
// the bundle, but the hub would use processor time to build it during the measurements.
const pagesBundle = 20 * time.Second

// waitForCounts waits until the hub's reports contain the newest records. waitForCounts also waits for the bundle of
// all members, but at most for the time pagesBundle.
func (b *pagesBrowser) waitForCounts(ctx context.Context, o options) error {
	today := "/api/v1/reports/uses?limit=1&from=" + time.Now().AddDate(0, 0, -2).Format(time.DateOnly) + "&to=" +
		time.Now().Format(time.DateOnly) + "&machine=" + string(pagesMachine(pagesMachines-1))
	began := time.Now()
	for {
		uses, _, err := b.get(ctx, today)
		if err != nil {
			return err
		}
		bundle, _, err := b.get(ctx, "/api/v1/bundle")
		built := strings.Contains(string(bundle), fmt.Sprintf(`"members":%d`, pagesMembers))
		if err == nil && strings.Contains(string(uses), `"machine":`) && (built || time.Since(began) > pagesBundle) {
			fmt.Fprintf(o.log, "pages: records counted in %v, bundle built: %t\n", time.Since(began).Round(time.Second), built)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// waitUntilIdle waits until this process, in which the hub also runs, is almost idle, because the hub verifies all
// badges after its start.
func waitUntilIdle(ctx context.Context) error {
	const every, busy, most = 2 * time.Second, 100 * time.Millisecond, 10 * time.Minute
	for end := time.Now().Add(most); ; {
		before := cpuTime()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
		if cpuTime()-before < busy {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("hub still uses the processor %v after its start, want an idle hub", most)
		}
	}
}

// measure requests one address again and again, then the comparable address of the bare server, and prints a row with
// both results. The printed row includes the processor time of client and server for each answer, because the wall
// time depends on the computer's load.
func (b *pagesBrowser) measure(ctx context.Context, o options, path string, bare *bareServer) (ok bool, err error) {
	if _, _, err := b.get(ctx, path); err != nil { // send one request first, which fills the hub's cache in memory
		return false, err
	}
	hub, err := b.requestRepeatedly(ctx, path)
	if err != nil {
		return false, err
	}
	besides, err := bare.browser.requestRepeatedly(ctx, bareOf(path))
	if err != nil {
		return false, err
	}
	most, isPage := readMost, !strings.HasPrefix(path, "/api/")
	if isPage {
		most = pageMost
	}
	ok = quantile(hub.took, 99) <= most && (!isPage || hub.bytes <= pageBytes)
	mark := ""
	if !ok {
		mark = "  TOO MUCH"
	}
	o.out(fmt.Sprintf("  %-44.44s %8.2f %8.2f %7.2f %7d   %8.2f %8.2f %7.2f%s", path, milliseconds(quantile(hub.took, 50)),
		milliseconds(quantile(hub.took, 99)), hub.cpu, hub.bytes, milliseconds(quantile(besides.took, 50)),
		milliseconds(quantile(besides.took, 99)), besides.cpu, mark))
	return ok, nil
}

// answers holds the measurements of one address.
type answers struct {
	took  []time.Duration // duration of each answer
	cpu   float64         // processor time of client and server per answer, in milliseconds
	bytes int             // size of the last answer, in bytes
}

// requestRepeatedly requests an address pagesTimes times, or fewer times if that takes longer than pagesLong.
func (b *pagesBrowser) requestRepeatedly(ctx context.Context, path string) (out answers, err error) {
	began, cpu := time.Now(), cpuTime()
	for len(out.took) < pagesTimes && time.Since(began) < pagesLong {
		body, t, err := b.get(ctx, path)
		if err != nil {
			return out, err
		}
		out.took, out.bytes = append(out.took, t), len(body)
	}
	out.cpu = milliseconds(cpuTime()-cpu) / float64(len(out.took))
	return out, nil
}

// milliseconds returns a duration as a number of milliseconds.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile returns the duration below which the given percentage of the durations lie.
func quantile(all []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// bareServer answers each request with 50 rows of a table, which it renders with a template. The bare server has no
// sessions and checks no permissions.
type bareServer struct {
	db      *sql.DB
	server  *http.Server
	browser pagesBrowser
}

// close stops the bare server and closes its database.
func (s *bareServer) close() {
	s.server.Close()
	s.db.Close()
}

// bareQueries returns, for each address of the bare server, a SELECT with the same number of rows as a page of the
// hub.
func bareQueries() map[string]string {
	return map[string]string{
		"/members": `SELECT m.id, m.name, m.until_day, v.value FROM member m JOIN member_value v ON v.site = m.site AND
			v.member = m.id AND v.kind = 'email' WHERE m.site = 'bench' AND m.place > 5000 ORDER BY m.place LIMIT 50`,
		"/member": `SELECT m.name, b.name, b.verdict, b.checks FROM member m JOIN badge b ON b.site = m.site AND
			b.member = m.id WHERE m.site = 'bench' AND m.id = 'm-005000'`,
		"/reports": `SELECT machine, member, role, began FROM report_uses WHERE site = 'bench' AND began > 0
			ORDER BY began DESC LIMIT 50`,
		"/machines": `SELECT machine, version, enrolled, public FROM machine WHERE site = 'bench'`,
	}
}

// bareOf returns the address of the bare server that is comparable with an address of the hub.
func bareOf(path string) string {
	switch {
	case strings.Contains(path, "/reports"):
		return "/reports"
	case strings.Contains(path, "members/m-"):
		return "/member"
	case strings.Contains(path, "members"), strings.Contains(path, "cards"), strings.Contains(path, "endings"):
		return "/members"
	}
	return "/machines"
}

// bare starts a bare server on the database of the site.
func (s *pagesSite) bare(ctx context.Context) (*bareServer, error) {
	db, err := sql.Open("sqlite", "file:"+s.config.Database()+"?mode=ro")
	if err != nil {
		return nil, err
	}
	page, err := template.New("").
		Parse(`<!doctype html><title>bare</title><table>{{range .}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>{{end}}</table>`)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for path, query := range bareQueries() {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			rows, err := fourColumns(r.Context(), db, query)
			if err == nil {
				err = page.Execute(w, rows)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	out := &bareServer{db: db, server: &http.Server{Handler: mux, ReadHeaderTimeout: time.Second},
		browser: pagesBrowser{base: "http://" + l.Addr().String()}}
	go out.server.Serve(l) //nolint:errcheck // ends with close
	return out, nil
}

// fourColumns runs a query and returns four columns of its rows as texts.
func fourColumns(ctx context.Context, db *sql.DB, query string) (out [][4]string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r [4]string
		if err := rows.Scan(&r[0], &r[1], &r[2], &r[3]); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
