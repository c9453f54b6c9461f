package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// childOfBare is the argument that makes this program run the bare server.
const childOfBare = "child-of-bare"

const maxBare = 64 << 20 // largest size of an answer of the bare server, in bytes

// bareTime measures how long a bare HTTPS server (only the standard library, in its own process) needs to send size
// bytes to each client. Each client opens a connection and sends one request on it. The result contains the times of
// all clients, sorted; they are a lower bound for the time of a change on this computer.
func bareTime(ctx context.Context, log io.Writer, clients int, size int64) (times []time.Duration, err error) {
	p, err := startProcess(ctx, log, childOfBare, "-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	all := make([]*http.Client, clients)
	for i := range all {
		all[i] = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{DisableCompression: true, MaxIdleConns: 1,
			// The certificate of the server is made for this run only.
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}}}
		defer all[i].CloseIdleConnections()
	}
	// The child process prints its address where a hub prints the owner's code. The first round only opens the
	// connections; its times are not used.
	if _, err := bareRound(ctx, all, p.code, 0); err != nil {
		return nil, err
	}
	return bareRound(ctx, all, p.code, size)
}

// bareRound makes all clients request size bytes at the same time, and returns the sorted times of the clients.
func bareRound(ctx context.Context, all []*http.Client, address string, size int64) ([]time.Duration, error) {
	times, errs := make([]time.Duration, len(all)), make([]error, len(all))
	var work sync.WaitGroup
	began := time.Now()
	for i, c := range all {
		work.Go(func() {
			errs[i] = bareGet(ctx, c, fmt.Sprintf("https://%s/%d", address, size), size)
			times[i] = time.Since(began)
		})
	}
	work.Wait()
	slices.Sort(times)
	return times, errors.Join(errs...)
}

// bareGet sends one request, and checks the status and the length of the answer.
func bareGet(ctx context.Context, c *http.Client, url string, size int64) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (n != size || resp.StatusCode != http.StatusOK) {
		err = fmt.Errorf("GET %s: %s, %d bytes", url, resp.Status, n)
	}
	return err
}

// beBare runs the bare server until standard input is closed. The server prints "ready" and its address to standard
// output.
func beBare(out, errs io.Writer) int {
	err := func() error {
		cert, err := bareCert()
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		all := bytes.Repeat([]byte("0123456789abcdef"), maxBare/16)
		give := func(w http.ResponseWriter, r *http.Request) {
			n, err := strconv.Atoi(r.URL.Path[1:])
			if err != nil || n < 0 || n > len(all) {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(n))
			w.Write(all[:n]) // ignore the error, because the client may have disconnected
		}
		s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(give),
			TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}}
		go func() {
			io.Copy(io.Discard, bufio.NewReader(os.Stdin))
			s.Close()
		}()
		fmt.Fprintln(out, "ready", l.Addr())
		if err := s.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}()
	if err != nil {
		fmt.Fprintln(errs, "bare server:", err)
		return 1
	}
	return 0
}

// bareCert returns a self-signed certificate with the same kind of key as the hub's certificate.
func bareCert() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
