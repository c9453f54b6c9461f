package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
)

// The hub's own authority signs the certificate of its broker. The system does not trust that authority, but an
// enrolled machine does.
func TestBrokersCertificateIsVerifiedWithTheHubsAuthority(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	cert := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "hub.test"},
		DNSNames:              []string{"hub.test"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              until,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0",
		&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake() // a client that rejects the certificate closes the connection
			conn.Close()
		}
	}()

	c := daemoncmd.Config{Site: "biklab", Machine: "laser", Data: t.TempDir()}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.MQTT.Broker = "ssl://hub.test:" + port
	if _, c.MQTT.HubKey, err = note.GenerateKey(rand.Reader, "portillon:site:biklab"); err != nil {
		t.Fatal(err)
	}
	c.Hub = daemoncmd.HubConfig{Address: l.Addr().String(), Name: "hub.test"}
	if _, err := Here(c).Broker(t.Context(), c.MQTT.Broker); err == nil {
		t.Error("a broker is well although the machine has no authority to verify it by")
	}
	if err := os.MkdirAll(c.HubDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(c.HubDir(), "authority.crt"), authority, 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := Here(c).Broker(t.Context(), c.MQTT.Broker)
	if err != nil || !end.Equal(until) {
		t.Errorf("the hub's broker: certificate until %v, %v, want %v", end, err, until)
	}
}
