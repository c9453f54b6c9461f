// Package membersource fetches lists of members from the APIs of other programs: HelloAsso, Fab-manager and
// MemberMatters. Each list is a memberlist.Table with the columns that the program's own export has, so that package
// directory reads a fetched list and an uploaded file in the same way.
//
// A list is complete, or Fetch returns an error: the import suspends members who are missing from a list. Fetch
// therefore refuses an empty list, a page of an unknown form, a repeated page, and a list with fewer entries than the
// program announces.
//
// Everything that a program answers is hostile. The size of an answer, the number of pages and of entries, and the time
// of each request have a limit. A client sends its secret only to the host of its configuration, over TLS, except on
// loopback; follows no redirect to another host; and connects to a private address only if the configuration says so.
// The text of an error contains no secret and nothing that the program sent.
package membersource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"portillon/hub/memberlist"
)

// Config describes where a list comes from. Check returns what is wrong with it.
type Config struct {
	Kind memberlist.Program // HelloAsso, FabManager or MemberMatters
	URL  string             // base URL of the API; empty: HelloAssoURL, for HelloAsso only
	// Private permits private addresses (RFC 1918, RFC 4193), for a program on the site's own network.
	Private bool
	// SecretFile is the file with the secret on its first line. Each Fetch reads the file again.
	SecretFile string

	Organization, Form, ClientID string // slugs and client id of HelloAsso

	// Cards is how MemberMatters writes card numbers: "dec" or "hex"; empty: cards are not imported.
	Cards string
}

// HelloAssoURL is the base URL of HelloAsso's API.
const HelloAssoURL = "https://api.helloasso.com"

// Kinds returns the programs with an API.
func Kinds() []memberlist.Program {
	return []memberlist.Program{memberlist.HelloAsso, memberlist.FabManager, memberlist.MemberMatters}
}

// Limits of one list. The directory imports at most 50,000 rows.
const (
	maxAnswer  = 16 << 20 // bytes of one answer
	maxPages   = 1000
	maxEntries = 50_000
	maxTries   = 5               // attempts for one page
	maxWait    = 2 * time.Minute // longest wait before an attempt
	firstWait  = time.Second     // wait after the first failed attempt; each further failed attempt doubles the wait
	maxReads   = 3               // attempts to read a list that changes while it is read
)

// Options replace dependencies of a Source for tests. The zero Options are those of a real hub.
type Options struct {
	Timeout   time.Duration                              // of one request; 0: 30 seconds
	Wait      func(context.Context, time.Duration) error // waits before the next attempt; nil: a timer
	Now       func() time.Time                           // nil: time.Now
	Transport http.RoundTripper                          // nil: a transport that checks the addresses of hosts
}

// Source fetches the list of members of one program. A Source may be used by one goroutine at a time.
type Source struct {
	read func(context.Context, *client) (memberlist.Table, error)
	c    Config
	o    Options
}

// New returns the Source of a configuration. The error is that of Check.
func New(c Config, o Options) (*Source, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.URL == "" {
		c.URL = HelloAssoURL
	}
	c.URL = strings.TrimRight(c.URL, "/")
	s := &Source{c: c, o: o.withDefaults()}
	switch c.Kind {
	case memberlist.HelloAsso:
		s.read = helloAsso{c}.read
	case memberlist.FabManager:
		s.read = fabManager{c}.read
	case memberlist.MemberMatters:
		s.read = memberMatters{c}.read
	}
	return s, nil
}

// withDefaults returns the options with defaults for fields that are not set.
func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Check returns what is wrong with a configuration, or nil.
func (c Config) Check() error {
	switch c.Kind {
	case memberlist.HelloAsso:
		if !isSlug(c.Organization) || !isSlug(c.Form) || c.ClientID == "" {
			return errors.New("organization, form and client-id are needed, as in the address of the form at HelloAsso")
		}
		if c.Private {
			return errors.New("HelloAsso is on the Internet: no private address is permitted")
		}
	case memberlist.FabManager, memberlist.MemberMatters:
		if c.URL == "" {
			return errors.New("url is needed: the address of the program")
		}
	default:
		return fmt.Errorf("%.40q is no program with an API", c.Kind)
	}
	if c.Cards != "" && c.Cards != "dec" && c.Cards != "hex" {
		return fmt.Errorf("%.40q is no way to write card numbers, want dec or hex", c.Cards)
	}
	if c.SecretFile == "" {
		return errors.New("secret-file is needed")
	}
	return checkURL(c.URL)
}

// checkURL checks that a base URL uses TLS, or is on loopback; an empty URL is valid.
func checkURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(text) > 500 ||
		u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%.80q is no address of the form https://HOST/PATH", text)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return errors.New("the secret would travel in the clear, want https://")
	}
	return nil
}

// isSlug reports whether s can be a part of a path at HelloAsso.
func isSlug(s string) bool {
	return s != "" && len(s) <= 200 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// Fetch returns the whole list. Fetch returns when ctx ends, or after every request has used its attempts. Each row has
// the number of its entry in the list, from 1.
func (s *Source) Fetch(ctx context.Context) (memberlist.Table, error) {
	secret, err := readSecret(s.c.SecretFile)
	if err != nil {
		return memberlist.Table{}, err
	}
	c, err := newClient(s.c, s.o, secret)
	if err != nil {
		return memberlist.Table{}, err
	}
	defer c.close()
	t, err := s.read(ctx, c)
	if err != nil {
		return memberlist.Table{}, err
	}
	if len(t.Rows) == 0 {
		return memberlist.Table{}, failure("the program sent an empty list: an empty list is never imported")
	}
	t.Program = s.c.Kind
	for i := range t.Rows {
		t.Rows[i].Number = i + 1
	}
	return t, nil
}

// maxSecret limits the size of a file with a secret, in bytes.
const maxSecret = 4096

// readSecret reads the first line of a file with a secret.
func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", failure("the file with the secret cannot be read")
	}
	line, _, _ := strings.Cut(string(b[:min(len(b), maxSecret)]), "\n")
	line = strings.TrimSpace(line)
	isControl := func(r rune) bool { return r < ' ' || r > '~' }
	if line == "" || strings.ContainsFunc(line, isControl) || len(b) > maxSecret {
		return "", failure("the file with the secret has no usable first line")
	}
	return line, nil
}

// Failure is the error of a list that could not be fetched. Its text is a sentence for administrators; package fault
// has the sentence in French.
type Failure struct{ sentence string }

// Error implements error.
func (f *Failure) Error() string { return f.sentence }

// failure returns a Failure with a sentence of package fault.
func failure(format string, values ...any) error {
	return &Failure{fmt.Sprintf(format, values...)}
}
