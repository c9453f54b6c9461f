package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
	"portillon/wire"
)

// patience is the time limit of each check that waits for an answer from another program.
const patience = 5 * time.Second

// Here returns the running computer, for the machine of c.
func Here(c daemoncmd.Config) System {
	return System{Root: os.DirFS("/"), Real: daemoncmd.RealPath, Watchdog: runtimeWatchdog, Now: time.Now(),
		Synchronised: daemoncmd.Synchronised, Disk: testDisk, Life: bundleDates,
		Broker: func(ctx context.Context, address string) (time.Time, error) { return connectBroker(ctx, address, c) },
		Check:  func() daemoncmd.Checked { return c.Check(daemoncmd.Here(time.Now())) },
		Status: func(ctx context.Context) (control.Status, error) {
			rep, err := control.Call(ctx, c.Control, control.Request{Do: "status"})
			if err != nil {
				return control.Status{}, fmt.Errorf("daemon does not answer: %w", err)
			}
			if rep.Status == nil {
				return control.Status{}, fmt.Errorf("daemon answered with an error: %s", rep.Error)
			}
			return *rep.Status, nil
		}}
}

// runtimeWatchdog asks systemd for the watchdog's timeout.
func runtimeWatchdog(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=RuntimeWatchdogUSec", "--value").Output()
	return strings.TrimSpace(string(out)), err
}

// connectBroker connects like the daemon of c and reads the broker's certificate, if any. connectBroker sends no MQTT
// packet, so it needs no password.
func connectBroker(ctx context.Context, address string, c daemoncmd.Config) (time.Time, error) {
	u, err := url.Parse(address)
	if err != nil {
		return time.Time{}, err
	}
	secure := u.Scheme == "ssl" || u.Scheme == "tls" || u.Scheme == "mqtts"
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "1883", true: "8883"}[secure]
	}
	host := net.JoinHostPort(u.Hostname(), port)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !secure {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
		if err == nil {
			conn.Close()
		}
		return time.Time{}, err
	}
	dialer := tls.Dialer{}
	if c.Hub != (daemoncmd.HubConfig{}) {
		// trust only the hub's own certificate authority, and search the hub if its address has changed
		link, err := c.HubLink(nil, time.Now, func() bool { return true })
		if err != nil {
			return time.Time{}, err
		}
		dialer.Config, host = link.TLS(), link.Resolve(host)
	}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return time.Time{}, err
	}
	defer conn.Close()
	until := time.Time{}
	for _, cert := range conn.(*tls.Conn).ConnectionState().PeerCertificates {
		if until.IsZero() || cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
	}
	return until, nil
}

// testDisk writes a file in the journal's folder, with the same sync as for a record, and removes the file.
func testDisk(dir string) (free uint64, took time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	start := time.Now()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return 0, 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, 0, err
	}
	took = time.Since(start)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), took, nil
}

// bundleDates returns the dates in a bundle file. bundleDates does not verify the bundle's signature; the method check
// verifies it.
func bundleDates(path string) (issued, until time.Time, err error) {
	f, err := os.Open(path)
	if err != nil {
		return issued, until, err
	}
	defer f.Close()
	_, m, err := wire.Peek(f)
	return m.Issued, m.Expires, err
}
