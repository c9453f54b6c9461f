package hub_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/policy"
	"portillon/wire"
)

// signedBundle returns a bundle file with one chunk.
func signedBundle(t *testing.T, site policy.SiteID, private string) []byte {
	t.Helper()
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	chunk := []byte("policy")
	m := wire.Manifest{Site: site, Version: 1, Issued: time.Unix(0, 0), Expires: time.Unix(1, 0),
		Chunks: []wire.Chunk{{Name: wire.PolicyChunk, SHA256: wire.Hash(chunk), Size: int64(len(chunk))}}}
	signed, err := wire.SignManifest(m, s)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := wire.WriteBundle(&b, signed, m, func(string) ([]byte, error) { return chunk, nil }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheckNamesTheMachineWhoseKeySignedTheBundle(t *testing.T) {
	dir := t.TempDir()
	pair := func(name string) (string, string) {
		private, public, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		return private, public
	}
	sitePrivate, sitePublic := pair("portillon-biklab")
	laserPrivate, laserPublic := pair("laser.biklab")
	strangerPrivate, _ := pair("stranger")
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hub.key", []byte(sitePrivate))
	write(
		"hub.yaml",
		fmt.Appendf(nil, "portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\nmachines:\n  laser: { key: %q }\n"+
			"mqtt: { listen: \"127.0.0.1:0\" }\nbundle: { file: site.bundle, key: %q }\n", laserPublic, sitePublic),
	)
	c, err := hub.ReadConfig(filepath.Join(dir, "hub.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Error("no bundle yet:", err)
	}
	for _, x := range []struct {
		bundle []byte
		want   string
	}{
		{signedBundle(t, "biklab", sitePrivate), ""},
		{signedBundle(t, "biklab", laserPrivate), `signed by "laser.biklab", the key of the machine laser; want ` +
			`the site key "portillon-biklab"`},
		{signedBundle(t, "biklab", strangerPrivate), `signed by "stranger"; want the site key "portillon-biklab"`},
		{signedBundle(t, "elsewhere", sitePrivate), `belongs to site "elsewhere", want site "biklab"`},
		{[]byte("no bundle"), "not-a-bundle"},
	} {
		write("site.bundle", x.bundle)
		if err := c.Check(); (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v, want %q", err, x.want)
		}
	}
}
