package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/daemon/control"
	"portillon/openbadge"
	"portillon/rfid/rfidtest"
	"portillon/wire"
)

// The badge and the issuer's key are fixtures of 1EdTech, and the test's policy pins that key.
const inspector = "../../../shared/openbadges/1EdTech+digital-credentials-public-validator/inspector-vc/src/test/" +
	"resources/ob30"

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(inspector, name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("the test data is not there: %v", err)
	}
	return b
}

const teamworkPolicy = `portillon: 1
site: test
language: fr
timezone: Europe/Paris
issuers:
  example:
    name: Example Corp
    id: "https://example.com/issuers/876543"
    keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]
badges:
  teamwork:
    name: { fr: Teamwork, en: Teamwork }
    issuer: example
    achievement: https://example.com/achievements/21st-century-skills/teamwork
roles: [learner, user, host, mentor, maintainer]
machines:
  laser:
    name: { fr: Découpe laser, en: Laser cutter }
    grants:
      - { role: user, needs: teamwork, session: { max: 2h } }
`

const teamworkMembers = `portillon: 1
members:
  - { id: m-test, name: Léa Martin, subject: "did:example:ebfeb1f712ebc6f1c276e12ec21", cards: ["62E3086CED"] }
`

// subscriber receives all messages of a broker.
type subscriber struct {
	mu   sync.Mutex
	said map[string][]string
}

func subscribe(t *testing.T, broker string) *subscriber {
	t.Helper()
	s := &subscriber{said: map[string][]string{}}
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(broker).SetClientID("subscriber").SetAutoReconnect(false))
	if tok := c.Connect(); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(100) })
	tok := c.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.said[m.Topic()] = append(s.said[m.Topic()], string(m.Payload()))
	})
	if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	return s
}

// kinds returns the kinds of the received records in the order of their arrival; of several equal kinds in a row, it
// returns one.
func (s *subscriber) kinds(t *testing.T) []wire.Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []wire.Kind
	last := uint64(0)
	for _, p := range s.said["portillon/test/laser/records"] {
		if p == "" { // ignore the empty message with which a machine clears the topic when it connects
			continue
		}
		_, rs, err := wire.ParseBatch([]byte(p))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			if r.Seq == last+1 {
				out, last = append(out, r.Kind), r.Seq
			}
		}
	}
	return out
}

func (s *subscriber) everything() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for topic, all := range s.said {
		b.WriteString(topic + "\n" + strings.Join(all, "\n") + "\n")
	}
	return b.String()
}

// This test covers the whole path with real input: bytes on a serial line, a badge from another issuer, the relay's
// pin, and a real broker.
func TestSerialFrameSwitchesTheRelayAndRecordsReachTheBroker(t *testing.T) {
	t.Parallel() // mostly waits
	badge := fixture(t, "simple.json")
	broker := mosquitto(t)
	heard := subscribe(t, broker)
	line, port, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	l := newLab(t, teamworkPolicy, teamworkMembers, map[string][]byte{"simple.json": badge})
	l.reader, l.broker = "{ kind: rdm6300, port: "+port+" }", broker
	l.start()
	if l.isOn() {
		t.Fatal("the relay is on before any card")
	}
	l.waitForReader()
	for i := range len(rfidtest.Frame) { // send the bytes one by one, because the bytes of a real reader arrive slowly
		line.Write([]byte{rfidtest.Frame[i]})
	}
	l.within(5*time.Second, "the relay on", l.isOn)
	if s := l.status(); s.Phase != "on" || s.Member != "m-test" || s.Role != "user" || !s.Relay {
		t.Errorf("status %+v", s)
	}
	l.within(20*time.Second, "the session's start at a subscriber of mosquitto", func() bool {
		return slices.Contains(heard.kinds(t), wire.SessionStart)
	})
	l.signal(syscall.SIGTERM)
	l.waitForExit()
	if l.isOn() {
		t.Error("the relay is on after the daemon's end")
	}
	all := records(t, l.path("data/journal.db"))
	want := []wire.Kind{wire.Booted, wire.BundleTaken, wire.ReaderBack, wire.SessionStart, wire.SessionEnd}
	if got := kindsOf(all); !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", kindsOf(all), want)
	}
	for _, secret := range []string{"62E3086CED", "62e3086ced", "Léa", "Martin", "did:example", strings.Repeat("5a", 8),
		"PRIVATE"} {
		if strings.Contains(heard.everything(), secret) {
			t.Errorf("%q went over MQTT", secret)
		}
		if strings.Contains(l.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

func TestCardOfAMemberWithAnExpiredBadgeIsRefused(t *testing.T) {
	t.Parallel() // mostly waits
	badge := fixture(t, "simple-err-expired.json")
	line, port, err := rfidtest.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	l := newLab(t, teamworkPolicy, teamworkMembers, map[string][]byte{"expired.json": badge})
	l.reader = "{ kind: rdm6300, port: " + port + " }"
	l.start()
	l.waitForReader()
	line.WriteString(rfidtest.Frame)
	l.within(5*time.Second, "a record of the refusal", func() bool { return refusals(t, l) > 0 })
	if l.isOn() || l.status().Phase != "off" {
		t.Error("an expired badge switched the relay on")
	}
	l.signal(syscall.SIGTERM)
	l.waitForExit()
	for _, r := range records(t, l.path("data/journal.db")) {
		if r.Kind == wire.Refused {
			b := decode[wire.RefusedBody](t, r.Body)
			if len(b.Reasons) != 1 || b.Reasons[0] != "badge-expired" || r.Member != "m-test" {
				t.Errorf("refused %+v", b)
			}
			return
		}
	}
	t.Error("no refusal is recorded")
}

func refusals(t *testing.T, l *lab) int {
	n := 0
	for _, r := range records(t, l.path("data/journal.db")) {
		if r.Kind == wire.Refused {
			n++
		}
	}
	return n
}

// ownSite returns the same site as fixtureSite, but with a badge that the test itself signs. Tests that are not about
// badges use ownSite, because its badge needs no downloaded fixtures.
func ownSite(t *testing.T) *lab {
	t.Helper()
	k, err := openbadge.GenerateKey("a test's")
	if err != nil {
		t.Fatal(err)
	}
	badge, err := openbadge.IssueJSON(
		openbadge.Draft{
			IssuerName: "Lab",
			Subject:    "did:example:ebfeb1f712ebc6f1c276e12ec21",
			ValidFrom:  time.Now().Add(-time.Hour),
			Achievement: openbadge.Achievement{
				ID:   "https://example.com/achievements/21st-century-skills/teamwork",
				Name: "Teamwork",
			},
		},
		k,
		time.Now(),
	)
	if err != nil {
		t.Fatal(err)
	}
	policy := strings.Replace(
		teamworkPolicy,
		"    id: \"https://example.com/issuers/876543\"\n    keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi]\n",
		"    keys: [\""+k.DID()+"\"]\n",
		1,
	)
	return newLab(t, policy, teamworkMembers, map[string][]byte{"own.json": badge})
}

// startedLab returns a lab in which a tap has already switched the machine on.
func startedLab(t *testing.T) *lab {
	t.Helper()
	l := ownSite(t)
	l.start()
	if rep := l.ask(control.Request{Do: "tap", Card: "62E3086CED"}); !rep.OK || !l.isOn() {
		t.Fatalf("the tap was answered %+v", rep)
	}
	return l
}
