package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

func as(user, password string) func(*mqtt.ClientOptions) {
	return func(o *mqtt.ClientOptions) {
		o.SetUsername(user).SetPassword(password)
		if user != "+watcher" {
			o.SetClientID(wire.Topics{Site: "biklab"}.ClientID(policy.MachineID(user)))
		}
	}
}

// withPasswords sets the password of each machine to the reversed id of the machine, and the password of the watcher
// to «seen».
func withPasswords(t *testing.T) func(*hub.Config) {
	return func(c *hub.Config) {
		dir := t.TempDir()
		for i := range c.Machines {
			path := filepath.Join(dir, string(c.Machines[i].ID))
			write(t, path, "secret-"+string(c.Machines[i].ID)+"\nsecond line\n")
			c.Machines[i].PasswordFile = path
		}
		c.MQTT.Watcher = filepath.Join(dir, "watcher")
		write(t, c.MQTT.Watcher, "seen")
	}
}

func TestHubWithPasswordsRefusesUnknownMachines(t *testing.T) {
	laser, vinyl := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	laser.Fill(3)
	vinyl.Fill(1)
	o := run(t, configure(t, []*ledgertest.Machine{laser, vinyl}, withPasswords(t)))
	for _, who := range [][2]string{{"", ""}, {"laser", ""}, {"laser", "secret-vinyl"}, {"+hub", ""}, {"+hub", "+hub"},
		{"+watcher", "secret-laser"}} {
		c := mqtt.NewClient(
			mqtt.NewClientOptions().AddBroker(o.Broker()).SetUsername(who[0]).SetPassword(who[1]).SetProtocolVersion(4),
		)
		if tok := c.Connect(); !tok.WaitTimeout(patience) || tok.Error() == nil {
			t.Errorf("%q was let in with %q", who[0], who[1])
		}
	}
	c := dial(t, o.Broker(), as("laser", "secret-laser"))
	c.subscribe(c.topics.Ack("laser"))
	c.awaitAck(o, laser, 0)
	c.publish(c.topics.Records("vinyl"), vinyl.Data(1, 1)) // the laser's account publishes another machine's record
	c.publish(c.topics.Records("laser"), laser.Data(1, 3))
	c.awaitAck(o, laser, 3)
	if h, err := o.Ledger().Head("vinyl"); err != nil || h.Seq != 0 {
		t.Errorf("the laser spoke for the vinyl cutter: %d, %v", h.Seq, err)
	}
	var status hub.BrokerStatus
	answer := httptest.NewRecorder()
	o.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost/broker", nil))
	if err := json.Unmarshal(answer.Body.Bytes(), &status); err != nil || len(status.Accounts) != 5 ||
		status.Accounts[0].Refused["wrong user or password"] != 6 || status.Stored.Bytes == 0 {
		t.Errorf("the broker's status is %s, %v", answer.Body, err)
	}
	w := dial(t, o.Broker(), as("+watcher", "seen"))
	w.subscribe(w.topics.All("availability"))
	c.publish(c.topics.Availability("laser"), []byte("online"))
	if m := w.next(); string(m.Payload()) != "online" {
		t.Errorf("%q", m.Payload())
	}
}

func TestHubWithACertificateEncryptsMQTT(t *testing.T) {
	dir := t.TempDir()
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(2)
	roots := writeCertificate(t, dir)
	o := run(t, configure(t, []*ledgertest.Machine{m}, withPasswords(t), func(c *hub.Config) {
		c.MQTT.Cert, c.MQTT.CertKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	}))
	c := dial(
		t,
		o.Broker(),
		as("laser", "secret-laser"),
		func(o *mqtt.ClientOptions) { o.SetTLSConfig(&tls.Config{RootCAs: roots, ServerName: "hub.lan"}) },
	)
	c.subscribe(c.topics.Ack("laser"))
	c.awaitAck(o, m, 0)
	c.publish(c.topics.Records("laser"), m.Data(1, 2))
	c.awaitAck(o, m, 2)
}

// writeCertificate writes a self-signed certificate for hub.lan, and returns a pool that trusts it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"hub.lan"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(made)
	return pool
}
