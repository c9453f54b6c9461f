package enrol

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/hublink"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// largeSite is a hub that serves a site with many members, and a machine of that site.
type largeSite struct {
	*world
	t       *testing.T
	key     *openbadge.Key
	text    []byte
	policy  *policy.Policy // text of the initial policy
	members []site.Member
	badges  []site.File
	memory  site.Memory
	version uint64

	store  wire.Store
	chunks wire.Assembler
	link   *hublink.Link
	hubDir string       // folder of the machine's certificate
	bytes  atomic.Int64 // number of bytes sent and received on the machine's connections, including TLS
}

// countedConn is a connection that counts the transferred bytes.
type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// newLargeSite creates a site of n members with the given number of badges each. The policy of package sitetest names
// these badges.
func newLargeSite(t *testing.T, n, badges int) *largeSite {
	t.Helper()
	s := &largeSite{world: newWorld(t), t: t, version: 1}
	text, err := os.ReadFile("../../../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("../../../site-example/keys/DEMO-ONLY-issuer.json")
	if err != nil {
		t.Fatal(err)
	}
	if s.key, err = openbadge.ParseKey(key); err != nil {
		t.Fatal(err)
	}
	s.text = bytes.Replace(text, []byte("site: biklab"), []byte("site: big"), 1)
	s.policy = s.site().Policy
	for i := range n {
		id := fmt.Sprintf("m-%05d", i)
		s.members = append(s.members, site.Member{ID: policy.MemberID(id), Name: fmt.Sprintf("Prénom%d Nom%d", i, i*7919%n),
			Emails: []string{id + "@example.org"}, Cards: []string{fmt.Sprintf("04%012X", i)}})
		for k := range badges {
			s.award(i, k)
		}
	}
	return s
}

// award issues badge number k of the policy to member number i.
func (s *largeSite) award(i, k int) {
	s.t.Helper()
	p := s.policy
	b := p.Badges[k%len(p.Badges)]
	at := time.Date(2026, 1, 1, 0, 0, len(s.badges)%60, 0, time.UTC)
	data, err := openbadge.IssueJSON(
		openbadge.Draft{IssuerID: p.Issuers[0].Profile, IssuerName: "Lab", Subject: "mailto:" + s.members[i].Emails[0],
			ValidFrom: at, Achievement: openbadge.Achievement{ID: b.Achievement, Name: b.Name.FR,
				Criteria: "as the lab teaches it"}},
		s.key,
		at,
	)
	if err != nil {
		s.t.Fatal(err)
	}
	s.badges = append(s.badges, site.File{Name: fmt.Sprintf("badges/%d-%d-%d.json", i, k, len(s.badges)), Data: data})
}

func (s *largeSite) site() *site.Site {
	out, err := site.New(s.text, s.members, s.badges, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// publish builds the site's bundle, makes the hub serve the bundle, and returns the signed manifest.
func (s *largeSite) publish() []byte {
	s.t.Helper()
	s.version++
	now := time.Now()
	b, err := s.site().
		Build(site.Order{Memory: &s.memory, Version: s.version, Issued: now, Expires: now.AddDate(0, 1, 0), Signer: s.signer,
			CardKey: bytes.Repeat([]byte{0x5a}, 16)})
	if err != nil {
		s.t.Fatal(err)
	}
	if b.Counted != len(s.badges) {
		s.t.Fatalf("%d of %d badges count: %.3q", b.Counted, len(s.badges), b.Warnings)
	}
	if _, err := s.Bundles().Install(b.Signed, b.Chunk); err != nil {
		s.t.Fatal(err)
	}
	return b.Signed
}

// enrol enrols a machine whose connections are counted.
func (s *largeSite) enrol(t *testing.T) {
	t.Helper()
	e, c := s.enrolled(t, "laser")
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return countedConn{conn, &s.bytes}, err
	}
	s.link, s.hubDir = e.link(t, c, true), c.HubDir()
	m, err := s.Bundles().Current()
	if err != nil {
		t.Fatal(err)
	}
	s.store = wire.Store{Dir: filepath.Join(c.Data, "bundle"), Site: "big", Keys: note.VerifierList(s.config.Bundle.Key)}
	s.chunks = wire.Assembler{Store: s.store, Source: s.link.Chunks(t.Context())}
	if have, err := s.store.Current(); err != nil || have.Version != m.Version {
		t.Fatalf("the machine joined with version %d, %v", have.Version, err)
	}
}

// fetchBundle fetches the manifest and the chunks of the bundle in force over a new connection, like a machine after a
// notification, and returns the number of transferred bytes.
func (s *largeSite) fetchBundle() int64 {
	s.t.Helper()
	before := s.bytes.Load()
	signed, err := s.link.Manifest(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := wire.OpenManifest(signed, s.store.Keys)
	if err != nil {
		s.t.Fatal(err)
	}
	if m, err = s.store.Install(signed, s.chunks.Fetch(m), nil); err != nil || m.Version != s.version {
		s.t.Fatalf("version %d, %v", m.Version, err)
	}
	return s.bytes.Load() - before
}

func TestMachineFetchesOnlyTheChunksThatANewBadgeOrCardChanges(t *testing.T) {
	s := newLargeSite(t, 200, 1)
	s.publish()
	s.enrol(t)
	s.award(7, 1)
	s.members[9].Cards = append(s.members[9].Cards, "05AABBCCDDEEFF")
	s.publish()
	if n := s.fetchBundle(); n > 40<<10 {
		t.Errorf("%d bytes", n)
	}
	m, err := s.store.Current()
	if err != nil || len(s.store.Damaged(m)) > 0 {
		t.Error(err)
	}
	last := s.badges[len(s.badges)-1].Data
	pair, err := tls.LoadX509KeyPair(filepath.Join(s.hubDir, "machine.crt"), filepath.Join(s.hubDir, "machine.key"))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}},
		},
	}
	get := func(path string) (int, string) {
		resp, err := client.Get("https://" + s.MachinesAddr() + wire.JoinPath + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get("credentials/" + wire.Hash(last)); code != http.StatusOK || body != string(last) {
		t.Errorf("the credential by its hash: %d, %.80q", code, body)
	}
	s.badges = s.badges[:len(s.badges)-1]
	s.publish()
	if code, _ := get("credentials/" + wire.Hash(last)); code != http.StatusNotFound {
		t.Errorf("a credential that is in force no more: %d", code)
	}
	if n := s.fetchBundle(); n > 40<<10 {
		t.Errorf("%d bytes when a badge is gone", n)
	}
}

var figureMembers = flag.Int(
	"members",
	0,
	"TestChangeTransfersAtMostMaxChange: members of the site, with 5 badges each; 0: not now",
)

// maxChange is the upper limit for a change of one member, in bytes on the wire to one machine.
const maxChange = 64 << 10

// TestChangeTransfersAtMostMaxChange prints the number of bytes that one machine sends and receives for a change,
// including the TLS handshake and the manifest.
//
//	go test ./cmd/internal/enrol -run ChangeTransfers -v -members 10000
func TestChangeTransfersAtMostMaxChange(t *testing.T) {
	n := *figureMembers
	if n == 0 {
		n = 300
	}
	s := newLargeSite(t, n, 5)
	signed := s.publish()
	began := time.Now()
	s.enrol(t)
	t.Logf(
		"%d members, %d badges: the manifest has %d bytes; enrolment with the whole bundle took %v",
		n,
		len(s.badges),
		len(signed),
		time.Since(began).Round(time.Millisecond),
	)
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"one new badge", func() { s.award(7, 6) }},
		{"one new card", func() { s.members[8].Cards = append(s.members[8].Cards, "05AABBCCDDEEFF") }},
		{"one changed policy line", func() {
			s.text = bytes.Replace(s.text, []byte("status-grace: 7d"), []byte("status-grace: 8d"), 1)
		}},
		{"one member is blocked", func() { s.members[9].Blocked = true }},
		{"one member is gone, with 5 badges", func() {
			s.members = s.members[:n-1]
			s.badges = slices.DeleteFunc(s.badges,
				func(f site.File) bool { return strings.HasPrefix(f.Name, fmt.Sprintf("badges/%d-", n-1)) })
		}},
		{"nothing but the version", func() {}},
	} {
		c.change()
		began = time.Now()
		s.publish()
		built := time.Since(began)
		s.link.Close()
		began = time.Now()
		cost := s.fetchBundle()
		t.Logf(
			"%-34s %6d bytes (built and installed at the hub in %v, taken in %v)",
			c.name,
			cost,
			built.Round(time.Millisecond),
			time.Since(began).Round(time.Millisecond),
		)
		if cost > maxChange {
			t.Errorf("%s: %d bytes, want at most %d", c.name, cost, maxChange)
		}
	}
}
