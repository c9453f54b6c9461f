package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"portillon/hub"
	"portillon/openbadge"
	"portillon/policy/file"
	"portillon/wire"
)

const (
	// changeBadges is how many badges each member has.
	changeBadges = 5
	// changeZIP is how many badges one upload contains; the hub's directory accepts at most 1,000.
	changeZIP = 1000
	// changeRounds is how often each kind of change is measured.
	changeRounds = 7
)

// changeSite is a running hub with a site of many members, together with an API client of the site's owner.
type changeSite struct {
	hub  *hub.Hub
	http *http.Client   // HTTP client that holds the owner's session cookie
	base string         // address of the hub's web pages
	key  *openbadge.Key // signs the badges
	text []byte         // the published policy
	kind openbadge.Achievement
	from string // id of the badges' issuer
	n    int    // number of badges issued so far
}

// changeRow measures the time from a change of one member until the hub's next bundle is in force.
func changeRow(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "portillon-bench-change-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, stop, err := startChanged(ctx, filepath.Join(dir, "hub"))
	if err != nil {
		return err
	}
	defer stop()
	began := time.Now()
	if err := c.fill(ctx, o.records); err != nil {
		return err
	}
	o.out(
		fmt.Sprintf(
			"  %d members, %d badges, filled through the API in %v",
			o.records,
			c.n,
			time.Since(began).Round(time.Second),
		),
	)
	bare, err := bareBundle(c.hub, dir)
	if err != nil {
		return err
	}
	o.out(fmt.Sprintf("  bare: a manifest of the same size is written and synced in %v", bare.Round(time.Microsecond)))
	for _, kind := range c.kinds(ctx) {
		if err := c.measure(ctx, kind, o.out); err != nil {
			return err
		}
	}
	return nil
}

// changeKind is one kind of change, for which the time until the next bundle is measured.
type changeKind struct {
	name string
	do   func(i int) error // performs the change with number i through the API
}

// kinds returns the kinds of change that administrators make most often.
func (c *changeSite) kinds(ctx context.Context) []changeKind {
	return []changeKind{
		{"one new badge", func(i int) error { return c.issueBadges(ctx, i+1, 1) }},
		{"one new card", func(i int) error {
			return c.json(ctx, "POST", fmt.Sprintf("/members/m-%05d/cards", i),
				map[string]string{"number": fmt.Sprintf("hex:05%012X", i)})
		}},
		{"one policy line", func(i int) error {
			return c.publish(ctx, append(bytes.Clone(c.text), fmt.Sprintf("# %d\n", i)...))
		}},
	}
}

// measure makes changeRounds changes of one kind, and prints the time from each request until a new bundle is in
// force.
func (c *changeSite) measure(ctx context.Context, kind changeKind, out func(...any)) error {
	var wall, busy []time.Duration
	for i := range changeRounds {
		before, cpu := version(c.hub), busyTime()
		began := time.Now()
		if err := kind.do(i); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		if err := c.await(ctx, func() bool { return version(c.hub) > before }); err != nil {
			return err
		}
		wall, busy = append(wall, time.Since(began)), append(busy, busyTime()-cpu)
		// The version of a bundle is the time at which it was built, in seconds, so wait until the next bundle can have a
		// higher version.
		time.Sleep(time.Second)
	}
	slices.Sort(wall)
	slices.Sort(busy)
	median, longest := wall[len(wall)/2], wall[len(wall)-1]
	out(fmt.Sprintf(
		"  %-16s from the request until the bundle is in force: median %v, longest %v; processor %v (median)",
		kind.name,
		median.Round(time.Millisecond),
		longest.Round(time.Millisecond),
		busy[len(busy)/2].Round(time.Millisecond),
	))
	return nil
}

// version returns the version of the bundle that is in force at the hub.
func version(h *hub.Hub) uint64 { _, v := h.Manifest(); return v }

// busyTime returns the processor time that this process has used, in user and system mode.
func busyTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareBundle measures a lower bound for the time of a new bundle: it writes a manifest of the same size to a file and
// syncs the file.
func bareBundle(h *hub.Hub, dir string) (time.Duration, error) {
	manifest, _ := h.Manifest()
	began := time.Now()
	err := wire.WriteFile(filepath.Join(dir, "bare"), manifest, 0o600)
	return time.Since(began), err
}

// startChanged starts a hub in an empty folder, and signs in the first owner of the hub. The returned function stop
// ends the hub and releases its resources.
func startChanged(ctx context.Context, dir string) (*changeSite, func(), error) {
	made, err := hub.Create(dir, hub.NewHub{Site: "biklab", Host: "localhost", Web: "127.0.0.1:0"})
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(made.Config)
	if err != nil {
		return nil, nil, err
	}
	// Use free ports of the loopback interface instead of the configured ones.
	for _, port := range []string{"0.0.0.0:8443", "0.0.0.0:8883"} {
		text = bytes.ReplaceAll(text, []byte(port), []byte("127.0.0.1:0"))
	}
	if err := os.WriteFile(made.Config, text, 0o600); err != nil {
		return nil, nil, err
	}
	config, err := hub.ReadConfig(made.Config)
	if err != nil {
		return nil, nil, err
	}
	h, err := hub.New(config, hub.Options{})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stop := func() { cancel(); <-done; h.Close() }
	jar, err := cookiejar.New(nil)
	if err == nil {
		c := &changeSite{
			hub:  h,
			base: h.WebURL(),
			http: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			}},
		}
		if err = c.signIn(ctx); err == nil {
			return c, stop, nil
		}
	}
	stop()
	return nil, nil, err
}

// signIn creates the first owner of the hub with the code that the hub has printed. After signIn, the client is
// signed in as this owner.
func (c *changeSite) signIn(ctx context.Context) error {
	form := url.Values{"code": {c.hub.OwnerCode()}, "name": {"ada@lab.example"}, "password": {"a-long-and-odd-password"}}
	status, body, err := c.do(ctx, "POST", "/code/owner", "application/x-www-form-urlencoded", []byte(form.Encode()), "")
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("sign-in failed with status %d: %.200s", status, body)
	}
	return err
}

// do sends a request, and returns the status and the body of the answer. The argument kind is the content type, and
// match is the value of the header If-Match; both may be empty.
func (c *changeSite) do(ctx context.Context, method, path, kind string, body []byte, match string) (int, []byte,
	error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if match != "" {
		r.Header.Set("If-Match", match)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// api sends a request to the API and decodes the answer into out; if out is nil, the answer is ignored.
func (c *changeSite) api(ctx context.Context, method, path, kind string, body []byte, match string, out any) error {
	status, b, err := c.do(ctx, method, "/api/v1"+path, kind, body, match)
	switch {
	case err != nil:
		return err
	case status >= 300:
		return fmt.Errorf("%s %s: %d: %.300s", method, path, status, b)
	case out != nil:
		return json.Unmarshal(b, out)
	}
	return nil
}

// json sends the value in as JSON to the API.
func (c *changeSite) json(ctx context.Context, method, path string, in any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.api(ctx, method, path, "application/json", body, "", nil)
}

// publish replaces the current policy by a new one.
func (c *changeSite) publish(ctx context.Context, text []byte) error {
	var now struct{ Number int64 }
	if err := c.api(ctx, "GET", "/policy", "", nil, "", &now); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"text": string(text), "comment": "bench"})
	if err != nil {
		return err
	}
	return c.api(ctx, "POST", "/policy", "application/json", body, fmt.Sprintf("%q", fmt.Sprint(now.Number)), nil)
}

// await calls the function is until it returns true, or until ctx ends.
func (c *changeSite) await(ctx context.Context, is func() bool) error {
	for !is() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// fill publishes the policy of the example site, and adds members and their badges.
func (c *changeSite) fill(ctx context.Context, members int) error {
	text, err1 := os.ReadFile("site-example/policy.yaml")
	key, err2 := os.ReadFile("site-example/keys/DEMO-ONLY-issuer.json")
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("cannot read the example policy, run the benchmark in the repository's folder: %w", err)
	}
	p, err := file.Parse("policy.yaml", text)
	if err != nil {
		return err
	}
	if c.key, err = openbadge.ParseKey(key); err != nil {
		return err
	}
	c.text, c.from = text, p.Issuers[0].Profile
	c.kind = openbadge.Achievement{
		ID:       p.Badges[0].Achievement,
		Name:     p.Badges[0].Name.FR,
		Criteria: "as the lab teaches it",
	}
	if err := c.publish(ctx, text); err != nil {
		return err
	}
	// Import the members as CSV in two steps: upload the file, then apply the preview.
	var list strings.Builder
	list.WriteString("id;name;email;card\n")
	for i := range members {
		fmt.Fprintf(&list, "m-%05d;Prénom%d Nom%d;m%d@example.org;hex:04%012X\n", i, i, i*7919%members, i, i)
	}
	var preview struct{ ID string }
	if err := c.api(ctx, "POST", "/imports?name=members.csv", "text/csv", []byte(list.String()), "",
		&preview); err != nil {
		return err
	}
	if err := c.api(ctx, "POST", "/imports/"+preview.ID+"/apply", "", nil, "", nil); err != nil {
		return err
	}
	// Upload the badges in ZIP files.
	for from := 0; from < members*changeBadges; from += changeZIP {
		if err := c.issueBadges(ctx, from/changeBadges, min(changeZIP, members*changeBadges-from)); err != nil {
			return err
		}
	}
	return c.settle(ctx)
}

// settle waits until the hub has built no new bundle for 5 s.
func (c *changeSite) settle(ctx context.Context) error {
	for last, since := version(c.hub), time.Now(); time.Since(since) < 5*time.Second; {
		if err := c.await(ctx, func() bool {
			return version(c.hub) != last ||
				time.Since(since) >= 5*time.Second
		}); err != nil {
			return err
		}
		if v := version(c.hub); v != last {
			last, since = v, time.Now()
		}
	}
	return nil
}

// issueBadges issues n badges and uploads them to the hub in ZIP files. Each member, beginning with the member with
// index from, receives changeBadges badges.
func (c *changeSite) issueBadges(ctx context.Context, from, n int) error {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range n {
		at := time.Date(2026, 1, 1, 0, 0, c.n%60, 0, time.UTC)
		data, err := openbadge.IssueJSON(
			openbadge.Draft{
				IssuerID:    c.from,
				IssuerName:  "Lab",
				Subject:     fmt.Sprintf("mailto:m%d@example.org", from+i/changeBadges),
				ValidFrom:   at,
				Achievement: c.kind,
			},
			c.key,
			at,
		)
		if err != nil {
			return err
		}
		c.n++
		w, err := z.Create(fmt.Sprintf("badge-%06d.json", c.n))
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return c.api(ctx, "POST", "/badges?name=badges.zip", "application/zip", b.Bytes(), "", nil)
}
