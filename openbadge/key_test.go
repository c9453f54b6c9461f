package openbadge

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrintingOrLoggingAKeyShowsOnlyItsPublicHalf(t *testing.T) {
	k := key(t)
	file, _ := k.MarshalText()
	secret := strings.Split(string(file), `"secretKeyMultibase": "`)[1][:20]
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %s %d %x %v", k, k, k, k, k, k, struct{ K *Key }{k})
	slog.New(slog.NewTextHandler(&b, nil)).Info("key", "key", k)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("key", "key", k)
	raw := fmt.Sprint([]byte(k.private.Seed()[:6]))
	if strings.Contains(b.String(), secret) || strings.Contains(b.String(), strings.Trim(raw, "[]")) ||
		!strings.Contains(b.String(), k.DID()) {
		t.Errorf("%s", b.String())
	}
}

func TestKeyFilesReadableByOthersAreRejected(t *testing.T) {
	k := key(t)
	text, _ := k.MarshalText()
	path := filepath.Join(t.TempDir(), "issuer.key")
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o644: false, 0o602: false} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		got, err := ReadKey(path)
		if ok != (err == nil) || ok && got.DID() != k.DID() || !ok && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%04o: %v", mode, err)
		}
		os.Chmod(path, 0o600)
	}
	if _, err := ReadKey(path + "x"); err == nil {
		t.Error("ReadKey returned a key for a missing file")
	}
}
