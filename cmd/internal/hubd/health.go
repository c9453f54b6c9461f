package hubd

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"portillon/hub"
)

// healthTimeout is the time limit of the request to the hub.
const healthTimeout = 5 * time.Second

// health runs «portillon-hub health», which asks the hub on this computer whether the hub is ready. The container image
// uses this verb as health check, because the image contains no other program.
func health(ctx context.Context, args []string, out, errs io.Writer) int {
	fs := flag.NewFlagSet("portillon-hub health", flag.ContinueOnError)
	fs.SetOutput(errs)
	config := fs.String("config", "", "the hub's file; without it: hub.yaml of this folder, or "+systemConfig)
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	path, err := *config, error(nil)
	if path == "" {
		path, err = existingConfig(".")
	}
	if err == nil && path == "" {
		err = fmt.Errorf("there is no hub.yaml in this folder and no %s", systemConfig)
	}
	var c hub.Config
	if err == nil {
		c, err = hub.ReadConfig(path)
	}
	if err == nil {
		err = ready(ctx, c)
	}
	if err != nil {
		return printError(errs, fmt.Errorf("health: %w", err), "")
	}
	fmt.Fprintln(out, "portillon-hub: ready")
	return 0
}

// ready sends a request for /readyz to the hub's web address on this computer.
func ready(ctx context.Context, c hub.Config) error {
	if !c.Managed() {
		return errors.New("hub.yaml has no web:, at whose address a hub reports that it is ready")
	}
	host, port, err := net.SplitHostPort(c.Web.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // use a numeric address, because a container image may have no /etc/hosts
	}
	scheme, client := "http", &http.Client{Timeout: healthTimeout}
	if c.Web.Cert != "" {
		// Do not verify the certificate: the certificate is for the hub's name, and this request uses a loopback
		// address. The request contains no secret.
		scheme, client.Transport = "https", &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12,
			InsecureSkipVerify: true}}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	r.Host = "localhost"
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the hub answers %s, want 200 OK; its log says why", res.Status)
	}
	return nil
}
