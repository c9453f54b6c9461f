package control

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func serve(t *testing.T, do func(context.Context, Request) Reply) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, do) }()
	t.Cleanup(func() { cancel(); <-done })
	return path
}

func TestCallSendsTheRequestAndReturnsTheReply(t *testing.T) {
	path := serve(t, func(_ context.Context, r Request) Reply {
		return Reply{OK: r.Do == "tag" && r.Reason == "courroie usée" && r.Now, FR: "Hors service"}
	})
	got, err := Call(t.Context(), path, Request{Do: "tag", Reason: "courroie usée", Now: true})
	if err != nil || !got.OK || got.FR != "Hors service" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// A tool may be newer than the daemon, because an update of the program replaces the daemon only at its next restart.
func TestFieldsOfNewerToolsAreSkipped(t *testing.T) {
	r, err := Parse([]byte(`{"do":"tag","reason":"courroie usée","novel":[1]}`))
	if err != nil || r.Do != "tag" || r.Reason != "courroie usée" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := Parse([]byte(`{"do":"stop","novel":1,"critical":["novel"]}`)); err == nil ||
		!strings.Contains(err.Error(), `requires the field "novel"`) {
		t.Errorf("an unknown critical field: %v", err)
	}
}

func TestSocketIsAccessibleOnlyToOwnerAndGroup(t *testing.T) {
	path := serve(t, nil)
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o660 {
		t.Fatalf("mode %v, %v", fi.Mode(), err)
	}
}

func TestInvalidLinesAreRefused(t *testing.T) {
	path := serve(t, func(context.Context, Request) Reply {
		t.Error("an unreadable request was carried out")
		return Reply{OK: true}
	})
	for _, line := range []string{"", "{", "null", `{"do":""}`, `{"do":"tap","critical":["uid"],"uid":"04"}`,
		`{"do":"stop"}{"do":"stop"}`, strings.Repeat("x", maxLine+10), "\x00\xff"} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(line + "\n"))
		buf := make([]byte, 512)
		n, _ := c.Read(buf)
		c.Close()
		if !strings.Contains(string(buf[:n]), `"ok":false`) || !strings.Contains(string(buf[:n]), `"error"`) {
			t.Errorf("%.20q answered with %q", line, buf[:n])
		}
	}
}

func TestListenReplacesOnlyASocketWithoutADaemon(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	os.WriteFile(file, []byte("mine"), 0o600)
	if _, err := Listen(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a plain file: %v", err)
	}
	if _, err := Listen(serve(t, nil)); err == nil || !strings.Contains(err.Error(), "another daemon") {
		t.Errorf("a living daemon: %v", err)
	}
	dead := filepath.Join(dir, "dead")
	l, err := net.Listen("unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if l, err := Listen(dead); err != nil {
		t.Errorf("a dead socket: %v", err)
	} else {
		l.Close()
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"do":"status"}`, `{"do":"tap","card":"62E3086CED"}`, `{"do":1}`, `[]`,
		"{\"do\":\"\\ud800\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Parse(b); err == nil && r.Do == "" {
			t.Fatal("a request without an order was taken")
		}
	})
}
