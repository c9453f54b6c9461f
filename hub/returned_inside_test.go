package hub

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// enrolMachine enrols a machine, and returns an HTTP client with its certificate.
func enrolMachine(t *testing.T, h *Hub, id policy.MachineID) *http.Client {
	t.Helper()
	if _, err := h.Enrol().Machines.Add(t.Context(), actor.Local("test"), id); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := h.Authority().Machine(id, public, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	err = h.Rows().Site("biklab").Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO machine_certificate (site, serial, machine, issued, expires)
			VALUES ($1, $2, $3, $4, $5)`, hex.EncodeToString(cert.SerialNumber.Bytes()), string(id), time.Now().UnixMilli(),
			cert.NotAfter.UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `UPDATE machine SET enrolled = $3 WHERE site = $1 AND machine = $2`, string(id),
			time.Now().UnixMilli())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.Authority().Pool(),
		ServerName:   "localhost",
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}}}
}

// After the hub was restored from a backup, machines return the manifests that they use. The hub's next bundle must
// have a higher version than these manifests.
func TestMachineReturnsItsManifestToARestoredHub(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	client := enrolMachine(t, h, "laser")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.enrolments.serveJoin(ctx) }()
	returned := func(body []byte) int {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost,
			"https://"+h.MachinesAddr()+wire.JoinPath+"returned/manifest", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	text := []byte("policy")
	signed, err := wire.SignManifest(wire.Manifest{Site: "biklab", Version: 1 << 40, Issued: time.Now(),
		Expires: time.Now().AddDate(1, 0, 0), Chunks: []wire.Chunk{{Name: wire.PolicyChunk, SHA256: wire.Hash(text),
			Size: int64(len(text))}}}, h.core.signer)
	if err != nil {
		t.Fatal(err)
	}
	if got := returned([]byte("forged")); got == http.StatusOK {
		t.Error("a forged manifest is taken")
	}
	if got := returned(signed); got != http.StatusOK {
		t.Errorf("a manifest of this hub: %d", got)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := h.services.publish.Builder.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, version := h.Manifest(); version <= 1<<40 {
		t.Errorf("the next bundle has the version %d, want one above %d", version, uint64(1)<<40)
	}
}
